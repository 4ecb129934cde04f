"""The annotated tree in other programs' formats, one file a format."""
