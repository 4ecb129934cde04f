"""Every column is explained, and nothing is explained that is no column."""

import re
from pathlib import Path

import pytest

from lineage import schema
from lineage.imports import PLACED_COLUMNS

SECTIONS = {
    "events.csv": schema.EVENT_COLUMNS,
    "detections.csv": schema.DETECTION_COLUMNS,
    "given_spots.csv": PLACED_COLUMNS,
    "signals.csv": schema.SIGNAL_COLUMNS,
    "tracklets.csv": schema.TRACKLET_COLUMNS,
    "lineages.csv": schema.LINEAGE_COLUMNS,
    "stages/quality.csv": schema.QUALITY_COLUMNS,
}


def explained() -> dict[str, list[str]]:
    """Table -> the columns that the document explains."""
    found: dict[str, list[str]] = {}
    for section in Path("docs/columns.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        rows = re.findall(r"^\| (`[^|]+?) \|", section, re.MULTILINE)
        found[section.split("`")[1]] = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    return found


@pytest.mark.parametrize("table", SECTIONS)
def test_every_column_is_explained_once(table):
    assert sorted(explained()[table]) == sorted(SECTIONS[table])


def test_no_other_table_is_explained():
    assert set(explained()) == set(SECTIONS)


def test_every_subtype_flag_and_fate_is_named():
    text = Path("docs/columns.md").read_text(encoding="utf-8")
    words = (*schema.Subtype, *schema.Flag, *schema.Fate, *schema.Decision, *schema.EventType, *schema.State)
    assert [w for w in words if f"`{w}`" not in text] == []
