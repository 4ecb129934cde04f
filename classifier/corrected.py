"""A run folder and people's corrections -> labelled clips to learn from."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from classifier.data import Clip, ClipName
from lineage.corrections import journal
from lineage.corrections.events import matcher
from lineage.corrections.lines import Verdict
from lineage.io.files import read_table
from lineage.io.integrity import check, read_record
from lineage.io.run_folder import RunFolder
from lineage.schema import Decision, InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CLASSES: Mapping[Decision, MitosisClass] = MappingProxyType({
    Decision.NORMAL: MitosisClass.NORMAL,
    Decision.ABNORMAL: MitosisClass.ABNORMAL,
    Decision.NOT_A_MITOSIS: MitosisClass.NONE,
})  # fmt: skip


def corrected(run: Path) -> list[Clip]:
    """The events on which a person's verdict stands, by `corrections.jsonl` of the run folder.

    What was left undecided is skipped, and so is what the run does not hold any more, or has no crop of. All
    events of a run are one field, so that a split keeps them together.

    Raises:
        InputError: no such run, or nobody's verdict stands in it.
    """
    record, folder = read_record(run), RunFolder(run)
    standing = journal.read(run / journal.NAME).standing
    verdicts = [line for line in standing if isinstance(line, Verdict)]
    if not verdicts:
        raise InputError(f"{run}: nobody has given a verdict in it; `python -m lineage.review {run}`")
    check(run, record, folder.crops, folder.events, folder.detections)
    find = matcher(
        read_table(folder.events, text=("daughter_ids", "event_type")),
        read_table(folder.detections, text=("state",)),
        pixel_size_um=float(record["video"]["pixel_size_um"]),
    )
    said = {find(line.event): line.verdict for line in verdicts}  # of several, the last holds
    name = ClipName(run.stem, None, float("nan"), run.stem, 0)
    crops = {event: folder.crops / f"event_{event:04d}.tif" for event in said if event is not None}
    return [
        Clip(path, CLASSES[said[event]], name, run.stem)
        for event, path in crops.items()
        if said[event] in CLASSES and path.is_file()
    ]
