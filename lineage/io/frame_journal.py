"""Measured frames of a segmentation, each whole or not at all, so that a killed run goes on at the next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.io import labels
from lineage.io.files import atomic_write, content_sha256, write_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


@dataclass(frozen=True)
class FrameJournal:
    """A table of nuclei for each finished frame, with the checksums of it and of the frame's labels.

    A disk that lost power may have lost part of either.
    """

    folder: Path
    labels: Path  # the Zarr group; its array `raw` holds the labels

    def table(self, t: int) -> Path:
        """Where the nuclei of frame `t` are."""
        return self.folder / f"{t:06d}.npz"

    def write(self, t: int, nuclei: pd.DataFrame) -> None:
        """Note that frame `t` is done; its labels are written."""
        write_table(nuclei, self.table(t))
        with atomic_write(self._sums(t)) as part:
            part.write_text(json.dumps(self._now(t)), encoding="utf-8")

    def holds(self, t: int) -> bool:
        """Whether frame `t` is done, and is as it was written."""
        try:
            return bool(json.loads(self._sums(t).read_text(encoding="utf-8")) == self._now(t))
        except (FileNotFoundError, ValueError):  # not yet; or damaged itself
            return False

    def _sums(self, t: int) -> Path:
        return self.folder / f"{t:06d}.json"

    def _now(self, t: int) -> dict[str, str]:
        chunk = labels.chunk(self.labels, labels.RAW, t)
        return {"table": content_sha256(self.table(t)), "labels": content_sha256(chunk)}
