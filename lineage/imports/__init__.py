"""Tracks that another program made -> a lineage of our own: one file a format, one record, one way in."""

from lineage.imports.match import check_movie
from lineage.imports.place import PLACED_COLUMNS, Placed, place
from lineage.imports.read import read_tracks

__all__ = ["PLACED_COLUMNS", "Placed", "check_movie", "place", "read_tracks"]
