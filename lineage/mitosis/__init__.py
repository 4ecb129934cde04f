"""A lineage -> its mitoses, fusions and deaths, and what is to be thought of each."""
