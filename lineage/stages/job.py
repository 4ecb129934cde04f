"""One movie on its way through a run: a stage is done unless its results are there and still hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.device import description
from lineage.io.files import remove
from lineage.io.inputs import Changed
from lineage.processes import give_back_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lineage.config import Config
    from lineage.corrections.journal import Journal
    from lineage.io.inputs import Inputs
    from lineage.io.run_folder import RunFolder
    from lineage.progress import Screen
    from lineage.schema import Video

    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A movie, its settings, where its results go, and what a person says of them."""

    folder: RunFolder
    video: Video
    config: Config
    screen: Screen
    journal: Journal
    inputs: Inputs  # that must stay as they are

    def said(self, kinds: Any) -> list[Any]:
        """The corrections of some kinds that hold, in order.

        Args:
            kinds: as `lineage.corrections.lines.OfTracks`.
        """
        return [line for line in self.journal.standing if isinstance(line, kinds)]

    def note_not_applied(self, stage: str, reasons: Mapping[str, str]) -> None:
        """Record which corrections a stage could not apply.

        Args:
            stage: its name.
            reasons: id of a line -> why not.
        """
        noted = self.folder.record.setdefault("not_applied", {})
        noted.pop(stage, None)
        if reasons:
            noted[stage] = dict(reasons)

    def note_device(self, stage: str) -> str:
        """Record that a stage computes on the settings' device; one that goes on may have begun on another.

        Args:
            stage: its name.

        Returns:
            The settings' word for the device.
        """
        word = self.config.device
        known = self.folder.record.setdefault("devices", {}).setdefault(stage, [])
        if (device := description(word)) not in known:
            known.append(device)
        self.folder.save()
        return word

    def run_stage(
        self,
        stage: str,
        work: Callable[[Progress], Iterable[str]],
        *,
        after: tuple[str, ...],
        depends_on: object,
        files: tuple[Path, ...],
    ) -> None:
        """Run a stage, unless its results are there and nothing that they depend on has changed.

        Args:
            stage: its name.
            work: writes `files`, and returns warnings.
            after: the stages whose results it uses.
            depends_on: what else its result depends on: settings, checksums of weights.
            files: what it writes, in the run folder.

        Raises:
            Changed: the movie is not what it was when the run began.
        """
        key = self.folder.key(stage, settings=depends_on, after=after)
        if self.folder.is_done(stage, key, *files):
            return
        if self.folder.record["stages"].get(stage, {}).get("key") == key:
            names = ", ".join(self.folder.changed(stage))
            self.screen.log(
                f"{names}: gone, or changed since it was written; {stage} is done again", "yellow"
            )
        with self.screen.stage(stage) as progress, self.folder.record_stage(stage, key, *files) as warnings:
            warnings.extend(self._of_one_movie(work, progress))
        give_back_memory()

    def _of_one_movie(self, work: Callable[[Progress], Iterable[str]], progress: Progress) -> list[str]:
        """The warnings of a stage that saw the movie as it was when the run began."""

        def watching(done: int, total: int) -> None:
            self.inputs.check_now_and_then()
            progress(done, total)

        try:
            try:
                return list(work(watching))
            finally:
                self.inputs.check()  # else whatever went wrong is because of it
        except Changed:
            remove(self.folder.journal)  # frames of both may lie there
            raise
