"""Run folders and a plate map -> effects of dose on mitosis: tidy tables, estimates, tests.

`python -m pipelines.dose DIR --out DIR2`; `docs/statistics.md` holds the formulas and their sources.
"""
