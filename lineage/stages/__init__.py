"""The stages as a run does them: from the run folder to the run folder, and only where something changed."""
