"""Video -> FrameQuality: blank, saturated and blurred frames; stage drift, and its check by trackpy."""

from __future__ import annotations

from lineage.quality.assess import assess
from lineage.quality.check import check_with_trackpy

__all__ = ["assess", "check_with_trackpy"]
