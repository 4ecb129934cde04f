"""Nuclei -> cells, and who is whose daughter."""
