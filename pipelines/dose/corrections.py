"""Runs -> whether their results hold what people corrected, and how many corrections these are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.corrections import journal
from lineage.corrections.lines import Verdict
from lineage.io.integrity import read_record
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAMED = 10  # runs in one message


def check_held(found: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """Refuse runs whose corrections their results do not hold.

    Args:
        found: run folders, with their rows of the plate map.

    Raises:
        InputError: there are such runs; names them.
    """
    stale = [root.name for root, _ in found if not is_held(root)]
    if not stale:
        return
    more = f" and {len(stale) - NAMED} more" if len(stale) > NAMED else ""
    raise InputError(
        f"{len(stale)} of {len(found)} runs hold corrections that their results do not have yet: "
        f"{', '.join(stale[:NAMED])}{more}. Give the same `python -m lineage.run` or "
        "`python -m pipelines.plate run` again, which redoes what depends on them"
    )


def is_held(root: Path) -> bool:
    """Whether the results of a run are those of its corrections."""
    held = read_record(root).get("corrections", {}).get("digest", "")
    return bool(held == journal.read(root / journal.NAME).digest)


def counts(root: Path, record: Mapping[str, Any]) -> dict[str, int]:
    """How many corrections stand beside verdicts, and how many of all are not applied.

    Args:
        root: a run folder.
        record: its run.json.
    """
    held = record.get("corrections", {})
    not_applied = held.get("not_applied", {})
    without = {*not_applied, *held.get("overruled", ())}
    said = journal.read(root / journal.NAME).corrections
    others = [line for line in said if not isinstance(line, Verdict) and line.id not in without]
    return {"n_other_corrections": len(others), "n_corrections_not_applied": len(not_applied)}
