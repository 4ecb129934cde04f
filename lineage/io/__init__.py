"""Files: the run folder, what is written whole, what is read with care."""
