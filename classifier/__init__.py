"""What kind of division it was: 12-frame crops -> normal or abnormal."""

__version__ = "0.1.0"
