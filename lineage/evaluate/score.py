"""A run and its truth -> Scores: counts that add up over movies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.evaluate import ctc, events, mistakes, tracking
from lineage.evaluate.inputs import CellMasks
from lineage.evaluate.match import Count
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lineage.evaluate.inputs import Run, Truth
    from lineage.evaluate.match import Matches


@dataclass(frozen=True, eq=False)
class Scores:
    """Of one movie, or of several together. None is what the truth does not have."""

    movies: tuple[str, ...]
    doses_gy: tuple[float | None, ...]  # one a movie
    n_frames: int
    nuclei: Count
    links: Count
    links_of_found: Count  # only links whose two nuclei are found on both sides
    divisions: dict[int, Count]  # tolerance in frames ->
    nary: Count
    nary_found_as: dict[str, int]  # "3 as 2" -> how many
    fusions: dict[int, Count] | None
    slippages: Count | None
    proposals: Count  # of the true events; of the true divisions where the truth has no events
    outcomes: pd.DataFrame | None  # OUTCOME_COLUMNS and `movie`, the index in `movies`
    wrong_divisions: pd.DataFrame | None  # MISTAKE_COLUMNS; only where the truth has no events
    tally: ctc.Tally
    notes: tuple[str, ...] = ()

    def __add__(self, other: Scores) -> Scores:
        n = len(self.movies)
        return Scores(
            movies=self.movies + other.movies,
            doses_gy=self.doses_gy + other.doses_gy,
            n_frames=self.n_frames + other.n_frames,
            nuclei=self.nuclei + other.nuclei,
            links=self.links + other.links,
            links_of_found=self.links_of_found + other.links_of_found,
            divisions={k: self.divisions[k] + other.divisions[k] for k in self.divisions},
            nary=self.nary + other.nary,
            nary_found_as=dict(Counter(self.nary_found_as) + Counter(other.nary_found_as)),
            fusions=_together(self.fusions, other.fusions),
            slippages=_sum(self.slippages, other.slippages),
            proposals=self.proposals + other.proposals,
            outcomes=_append(self.outcomes, other.outcomes, n),
            wrong_divisions=_append(self.wrong_divisions, other.wrong_divisions, n),
            tally=self.tally + other.tally,
            notes=tuple(dict.fromkeys(self.notes + other.notes)),
        )

    def mistakes(self) -> pd.DataFrame:
        """MISTAKE_COLUMNS, worst first; every row has its own index."""
        known = [] if self.outcomes is None else [mistakes.mistakes(self.outcomes)]
        known += [] if self.wrong_divisions is None else [self.wrong_divisions]
        return pd.concat(known, ignore_index=True)


def score(run: Run, truth: Truth, matches: Matches) -> Scores:
    """Count what is right.

    Args:
        run: of one movie.
        truth: of the same.
        matches: of all its frames.

    Returns:
        The counts of this movie.
    """
    all_links, links_of_found = tracking.score_links(
        matches, truth.graph.edges, run.tree.edges, blank_frames=truth.blank_frames
    )
    true = tracking.divisions(truth.graph, matches.truth)
    found = tracking.divisions(run.tree, matches.run)
    nary, found_as = tracking.score_nary(true, found, matches)
    scores = Scores(
        movies=(run.name,),
        doses_gy=(truth.dose_gy if truth.dose_gy is not None else run.record.get("dose_gy"),),
        n_frames=truth.n_frames,
        nuclei=nuclei(matches, truth.blank_frames),
        links=all_links,
        links_of_found=links_of_found,
        divisions=tracking.score_junctions(true, found, matches, tracking.DIVISION_TOLERANCES),
        nary=nary,
        nary_found_as=found_as,
        fusions=_fusions(run, truth, matches) if truth.knows_fusions else None,
        slippages=None,
        proposals=Count(),
        outcomes=None,
        wrong_divisions=None,
        tally=ctc.tally(matches, truth, run.tree),
        notes=tuple(_notes(run, truth)),
    )
    if truth.events is None:
        wrong = mistakes.wrong_divisions(
            true,
            found,
            matches,
            true_mask=truth.cells,
            run_mask=lambda t: np.asarray(run.tracked[t]),
            event_of=dict(zip(run.proposals["mother_id"], run.proposals["event_id"], strict=True)),
        )
        at_divisions = _outcomes(events.from_divisions(true, truth.cells), run)
        return replace(scores, wrong_divisions=wrong, proposals=events.proposed(at_divisions))
    outcomes = _outcomes(truth.events, run)
    claims = tracking.slippage_claims(run.proposals, run.tree)
    slippages = tracking.score_slippages(
        truth.events, claims, matches, minutes_per_frame=run.minutes_per_frame
    )
    return replace(
        scores,
        slippages=slippages,
        proposals=events.proposed(outcomes),
        outcomes=outcomes.assign(movie=0),
    )


def _fusions(run: Run, truth: Truth, matches: Matches) -> dict[int, Count]:
    true, found = tracking.fusions(truth.graph, matches.truth), tracking.fusions(run.tree, matches.run)
    return tracking.score_junctions(true, found, matches, tracking.FUSION_TOLERANCES)


def _outcomes(true_events: pd.DataFrame, run: Run) -> pd.DataFrame:
    return events.outcomes(
        true_events,
        run.events,
        drift_px=run.drift_px(),
        shape=run.tracked.shape[1:],
        pixel_size_um=run.pixel_size_um,
        minutes_per_frame=run.minutes_per_frame,
        diameter_um=run.diameter_um,
    )


def nuclei(matches: Matches, blank_frames: Sequence[int]) -> Count:
    """How many are one to one; blank frames are left out."""
    n_run, n_truth = ((~np.isin(side.frame, blank_frames)).sum() for side in (matches.run, matches.truth))
    at = matches.truth.frame[matches.of_truth[matches.one_to_one]]
    return Count(int((~np.isin(at, blank_frames)).sum()), int(n_run), int(n_truth))


def pairs_of(runs: Path, truths: Path) -> list[tuple[Path, Path]]:
    """The run and the truth, or the runs and truths in two folders, paired by the names of their movies.

    Raises:
        InputError: a run without a truth, or a truth without a run.
    """
    several = sorted(runs.glob("*.lineage")) if runs.is_dir() and not (runs / "run.json").exists() else []
    if not several:
        return [(runs, truths)]
    suffix = next((s for s in (".truth", ".lineage") if list(truths.glob(f"*{s}"))), ".truth")
    by_name = {p.name.removesuffix(suffix): p for p in sorted(truths.glob(f"*{suffix}"))}
    names = [p.name.removesuffix(".lineage") for p in several]
    if lacking := sorted(set(names) ^ set(by_name)):
        side = "truth" if lacking[0] in names else "run"
        raise InputError(
            f"{lacking[0]} has no {side}: {runs} holds {len(names)} *.lineage, {truths} {len(by_name)} "
            f"*{suffix}; there must be one of each, of the same name"
        )
    return [(p, by_name[name]) for p, name in zip(several, names, strict=True)]


def by_dose(each: Sequence[Scores]) -> dict[float | None, Scores]:
    """The movies of each dose together, ascending; those of unknown dose last."""
    doses = sorted({s.doses_gy[0] for s in each}, key=lambda d: (d is None, d or 0.0))
    return {dose: pooled([s for s in each if s.doses_gy[0] == dose]) for dose in doses}


def pooled(each: Sequence[Scores]) -> Scores:
    """All together; counts are added, rates are not averaged."""
    total = each[0]
    for scores in each[1:]:
        total += scores
    return total


def _notes(run: Run, truth: Truth) -> list[str]:
    notes = []
    if isinstance(truth.masks, CellMasks):
        notes.append(
            f"the truth is a run, {truth.folder.name}: where people corrected nothing, what the software "
            "found counts as right"
        )
    if truth.blank_frames:
        notes.append(
            f"no light in frame {', '.join(map(str, truth.blank_frames))}: left out of nuclei and links; the "
            "Challenge's measures know no such frames and count what is missing there"
        )
    if not truth.masks_are_full and not truth.seg:
        notes.append("the truth has markers but no SEG folder: SEG is not measured")
    if not truth.knows_fusions:
        notes.append("the truth is a table of tracks, which cannot hold fusions: they are not measured")
    if truth.events is None:
        notes.append(
            "the truth has no events.csv: proposals are counted at its divisions; classes and slippages are "
            "not measured"
        )
    return notes


def _sum(a: Count | None, b: Count | None) -> Count | None:
    return (a or Count()) + (b or Count()) if a or b else None


def _append(a: pd.DataFrame | None, b: pd.DataFrame | None, n: int) -> pd.DataFrame | None:
    """Two tables as one; `n` is added to the second's indices of movies."""
    if b is None:
        return a
    later = b.assign(movie=b["movie"] + n)
    return later if a is None else pd.concat([a, later], ignore_index=True)


def _together(a: dict[int, Count] | None, b: dict[int, Count] | None) -> dict[int, Count] | None:
    if a is None or b is None:
        return a if b is None else b
    return {k: a[k] + b[k] for k in a}
