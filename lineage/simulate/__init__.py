"""Movies of irradiated populations with their truth, and fields of nuclei with their masks."""

from __future__ import annotations

from lineage.simulate.nuclei import nucleus_field

__all__ = ["nucleus_field"]
