"""Simulated cells without pixels: as measured nuclei, and as run folders. For tests and benchmarks only."""
