"""Many movies -> per-dose statistics of abnormal mitosis."""
