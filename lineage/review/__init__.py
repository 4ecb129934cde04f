"""A run, looked at and corrected in a browser: `python -m lineage.review RUN_DIR` serves it on this machine.

What people say is added to `corrections.jsonl`; the run is redone from it. Nothing else is written here.
"""
