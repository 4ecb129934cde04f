"""A corrected run -> the same run without its corrections, elsewhere: what the software did by itself."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lineage.corrections import journal
from lineage.io.integrity import RUN_AGAIN, read_record
from lineage.run import reopen, run
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lineage.progress import Screen

LEFT_OUT = (journal.NAME, "evaluation*")


def corrected_runs(place: Path) -> list[Path]:
    """The run, or the runs of a folder that hold corrections.

    Raises:
        InputError: there is none, or a run's results are not those of its corrections yet.
    """
    single = (place / "run.json").is_file()
    roots = [place] if single else sorted(place.glob("*.lineage"))
    found = [root for root in roots if journal.read(root / journal.NAME).standing]
    if not found:
        raise InputError(f"{place} holds no corrections; make some with `python -m lineage.review {place}`")
    for root in found:
        if journal.held(read_record(root)) != journal.read(root / journal.NAME).digest:
            raise InputError(f"{root} holds corrections that its results do not have yet: {RUN_AGAIN}")
    return found


@contextmanager
def automatic(roots: Sequence[Path], *, screen: Screen) -> Iterator[list[Path]]:
    """Copies of runs, redone without corrections; they are deleted when the block ends.

    Args:
        roots: run folders; they stay as they are.
        screen: where progress is shown.

    Raises:
        InputError: a movie is not there.
    """
    with ExitStack() as stack:
        copies = []
        for root in roots:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="lineage-")))
            # What a stage writes anew it may write into files that are there, so no hard links.
            copy = shutil.copytree(
                root, folder / root.resolve().name, ignore=shutil.ignore_patterns(*LEFT_OUT)
            )
            video, config = reopen(root, read_record(root))
            run(video, copy, config, screen=screen)
            copies.append(copy)
        yield copies
