"""A run against the truth: `python -m lineage.evaluate RUN_DIR TRUTH_DIR`."""
