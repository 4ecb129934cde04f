"""Run folders and a plate map -> what a dose does to mitosis: tidy tables, estimates, tests.

`python -m pipelines.dose DIR --out DIR2`; `docs/statistics.md` holds the formulas and their sources.
"""
