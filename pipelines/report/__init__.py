"""Tables of `pipelines.dose` and the runs they come from -> dose_report.html, and every figure by itself."""
