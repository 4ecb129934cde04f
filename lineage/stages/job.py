"""One movie on its way: a stage is done unless its results lie there and still hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lineage.config import Config
    from lineage.io.run_folder import RunFolder
    from lineage.progress import Screen
    from lineage.schema import Video

    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """One movie on its way."""

    folder: RunFolder
    video: Video
    config: Config
    screen: Screen

    def once(
        self,
        stage: str,
        do: Callable[[Progress], Iterable[str]],
        *,
        after: tuple[str, ...],
        settings: object,
        files: tuple[Path, ...],
    ) -> None:
        """Do a stage unless its results lie there and nothing that they depend on has changed.

        Args:
            stage: its name.
            do: writes `files` and gives back warnings.
            after: the stages whose results it uses.
            settings: whatever else its result depends on.
            files: what it leaves in the run folder.
        """
        key = self.folder.key(stage, settings=settings, after=after)
        if self.folder.is_done(stage, key):
            return
        if self.folder.record["stages"].get(stage, {}).get("key") == key:
            names = ", ".join(self.folder.changed(stage))
            self.screen.say(
                f"{names}: gone, or changed since it was written; {stage} is done again", "yellow"
            )
        with self.screen.stage(stage) as progress, self.folder.doing(stage, key, *files) as warnings:
            warnings.extend(do(progress))
