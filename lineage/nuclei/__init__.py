"""A frame -> its nuclei, outlined and measured."""
