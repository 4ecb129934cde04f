"""What people said of a blinded sample of this plate's events -> the errors of the verdicts on this plate."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.corrections import sample as blinded
from lineage.corrections.events import matcher
from lineage.schema import Decision, InputError
from pipelines.dose.collect import is_by_person, is_classified
from pipelines.dose.correction import Classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lineage.corrections.lines import Event
    from pipelines.dose.movies import Movie

COLUMNS = ("movie", "event_id", "reviewed", "by_person")
CLASSES = (Decision.NORMAL.value, Decision.ABNORMAL.value, Decision.NOT_A_MITOSIS.value)
# Verdicts of a run on an event that was classified: the last two are neither normal nor abnormal.
VERDICTS = (*CLASSES, Decision.UNDECIDED.value)
DRAWS, SEED = 2000, 1
NO_SPREAD = 1e-9  # standard error of kappa
MIN_REVIEWED = 10  # truly normal mitoses, and truly abnormal ones; with fewer the errors are too uncertain


@dataclass(frozen=True)
class Agreement:
    """How far two people agree on the events that both gave a class."""

    raters: tuple[str, str]
    n: int
    n_alike: int
    kappa: float | None  # Cohen's; None where it is not defined
    low: float | None = None  # 95 %; None where there is no interval
    high: float | None = None

    def __str__(self) -> str:
        """In words."""
        who = " and ".join(self.raters)
        alike = f"{who} agree on {self.n_alike} of the {self.n} events that both gave a class"
        if self.kappa is None:
            return f"{alike}; Cohen's kappa is not defined, since they used fewer than two classes."
        edges = f"95 % CI {self.low:.2f} to {self.high:.2f}" if self.low is not None else "no interval"
        return f"{alike}: Cohen's kappa {self.kappa:.2f} ({edges})."


@dataclass(frozen=True, eq=False)
class Review:
    """A sample as it was judged."""

    raters: tuple[str, ...]
    classes: Mapping[str, Mapping[Event, str]]  # movie -> event -> the class that all who judged it gave
    n_disagreed: int  # events that people gave different classes, or that one of them left undecided
    n_undecided: int  # that all who judged them left undecided
    agreement: tuple[Agreement, ...]  # of each two
    n_unreadable: int = 0  # lines that nobody can read: cut off by a crash, or edited
    n_gone: int = 0  # with a class, but not found in the runs
    found: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))  # in the runs

    def record(self) -> dict[str, Any]:
        """As `analysis.json` has it."""
        names = ("n_disagreed", "n_undecided", "n_unreadable", "n_gone")
        counts = {name: getattr(self, name) for name in names}
        used = {"raters": self.raters, "n_used": len(self.found)} | counts
        return used | {"agreement": [asdict(a) for a in self.agreement]}

    def notes(self) -> list[str]:
        """What a reader should know of it."""
        notes = [str(a) for a in self.agreement]
        if self.n_disagreed:
            notes.append(
                f"{_events(self.n_disagreed)} left out: people disagree on them, or one of them "
                "could not decide."
            )
        if self.n_unreadable:
            notes.append(f"{self.n_unreadable} lines of judgements cannot be read and are left out.")
        if self.n_gone:
            notes.append(f"{_events(self.n_gone)} left out: the runs do not hold them any more.")
        return notes


def _events(n: int) -> str:
    """So many, and the verb.

    >>> _events(1), _events(4)
    ('1 reviewed event is', '4 reviewed events are')
    """
    return f"{n} reviewed event is" if n == 1 else f"{n} reviewed events are"


def read(folder: Path) -> Review:
    """What was said of the events of a sample; they are not looked up in runs yet.

    Raises:
        InputError: no such sample, or nobody has judged any of it.
    """
    if folder.is_file():
        raise InputError(
            f"{folder} is a file; wanted the folder that `python -m pipelines.dose sample` wrote, judged in "
            "`python -m lineage.review`"
        )
    sample = blinded.read(folder)
    said = {
        who: {index: line.verdict.value for index, line in blinded.judged(folder, sample, who).items()}
        for who in blinded.raters(folder)
    }
    said = {who: of_rater for who, of_rater in said.items() if of_rater}
    if not said:
        raise InputError(f"nobody has judged {folder} yet: `python -m lineage.review {folder}`")
    classes: dict[str, dict[Event, str]] = {}
    left_out: Counter[str] = Counter()
    for index, item in enumerate(sample.items):
        given = sorted({of_rater[index] for of_rater in said.values() if index in of_rater})
        if len(given) == 1 and given[0] in CLASSES:
            classes.setdefault(item.movie, {})[item.event] = given[0]
        elif given:
            left_out["disagreed" if len(given) > 1 else "undecided"] += 1
    pairs = combinations(sorted(said.items()), 2)
    return Review(
        raters=tuple(sorted(said)),
        classes=classes,
        n_disagreed=left_out["disagreed"],
        n_undecided=left_out["undecided"],
        agreement=tuple(_agreement(a, b) for a, b in pairs),
        n_unreadable=blinded.n_unreadable(folder),
    )


def _agreement(one: tuple[str, Mapping[int, str]], other: tuple[str, Mapping[int, str]]) -> Agreement:
    """Of two people, each with what they said of the events by index."""
    both = [(one[1][i], other[1][i]) for i in sorted(set(one[1]) & set(other[1]))]
    both = [pair for pair in both if set(pair) <= set(CLASSES)]
    n_alike = sum(a == b for a, b in both)
    return Agreement((one[0], other[0]), len(both), n_alike, *kappa(both))


def kappa(pairs: Sequence[tuple[str, str]]) -> tuple[float | None, float | None, float | None]:
    """Cohen's kappa and its 95 % interval.

    Args:
        pairs: the classes that two people gave the same events.

    Returns:
        Kappa, and the edges of its interval, cut to -1 to 1. All None with fewer than two classes, where
        chance alone makes people agree; no interval where they agree on all, or one of them used one class:
        that shows no spread.

    >>> kappa([("normal", "normal")] * 9)
    (None, None, None)
    >>> kappa([("normal", "normal"), ("abnormal", "abnormal")])
    (1.0, None, None)
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    used = sorted({name for pair in pairs for name in pair})
    if len(used) < 2:
        return None, None, None
    counts = Counter(pairs)
    with np.errstate(invalid="ignore", divide="ignore"):  # of a z that nobody asked for
        found = cohens_kappa(np.array([[counts[a, b] for b in used] for a in used]))
    if found.std_kappa < NO_SPREAD:
        return float(found.kappa), None, None
    low, high = np.clip([found.kappa_low, found.kappa_upp], -1.0, 1.0)
    return float(found.kappa), float(low), float(high)


def look_up(review: Review, movie: Movie) -> pd.DataFrame:
    """COLUMNS, one row a reviewed event that a movie's run holds.

    Args:
        review: of `read`.
        movie: as it was run.
    """
    name = str(movie.row["movie"])
    find = matcher(movie.events, movie.detections, pixel_size_um=movie.pixel_size_um)
    classes = review.classes.get(name, {})
    rows = [(name, find(event), given) for event, given in classes.items()]
    table = pd.DataFrame([r for r in rows if r[1] is not None], columns=list(COLUMNS[:3]))
    by_person = set(movie.events.loc[is_by_person(movie.events), "event_id"])
    table["by_person"] = table["event_id"].isin(by_person)
    return table.drop_duplicates("event_id").astype({"event_id": int})


def looked_up(review: Review, tables: Sequence[pd.DataFrame]) -> Review:
    """With the events that the runs of a plate hold.

    Args:
        review: of `read`.
        tables: of `look_up`, one a movie.
    """
    found = pd.concat(tables, ignore_index=True)
    n_wanted = sum(len(classes) for classes in review.classes.values())
    return replace(review, found=found, n_gone=n_wanted - len(found))


def classifier(sample: pd.DataFrame, mitoses: pd.DataFrame, movies: pd.DataFrame) -> Classifier | None:
    """Sensitivity and specificity of the verdicts from a sample stratified by dose and verdict.

    Within a stratum the true class of the judged events is known; that of the others is drawn from a
    Dirichlet distribution given these, with Jeffreys' prior, so a stratum in which no error was found leaves
    room for some. The counts that are returned are those of a simple sample of the same precision.

    Args:
        sample: `movie, event_id, reviewed`: the events that people gave a class.
        mitoses: of one cell line: `movie, event_id, verdict, mitosis_class, dose_gy`; unclassified ones are
            left out.
        movies: of the same: `movie, dose_gy, n_rejected`.

    Returns:
        None if the sample holds too few of this line.
    """
    events = sample.merge(movies[["movie", "dose_gy"]], on="movie")
    called = mitoses[["movie", "event_id"]].assign(
        called=mitoses["verdict"].where(is_classified(mitoses), "")
    )
    events = events.merge(called, on=["movie", "event_id"], how="left")
    events["called"] = events["called"].fillna(Decision.NOT_A_MITOSIS.value)  # not among mitoses: rejected
    events = events[events["called"].isin(VERDICTS)]
    if min((events["reviewed"] == true).sum() for true in CLASSES[:2]) < MIN_REVIEWED:
        return None
    n_called = mitoses[is_classified(mitoses)].groupby(["dose_gy", "verdict"]).size()
    n_rejected = movies.groupby("dose_gy")["n_rejected"].sum()
    rng = np.random.default_rng(SEED)
    truth = np.zeros((DRAWS, len(CLASSES), len(VERDICTS)))  # draws, truth, called
    for (dose, verdict), judged in events.groupby(["dose_gy", "called"]):
        rejected = verdict == Decision.NOT_A_MITOSIS
        total = n_rejected.get(dose, 0) if rejected else n_called.get((dose, verdict), 0)
        counts = np.array([(judged["reviewed"] == true).sum() for true in CLASSES])
        others = max(int(total) - len(judged), 0)
        truth[:, :, VERDICTS.index(str(verdict))] += counts + others * rng.dirichlet(counts + 0.5, DRAWS)
    normal, abnormal = (_of_same_precision(truth[:, i], i) for i in (0, 1))
    return Classifier(normal, abnormal, f"{len(events)} reviewed events of this plate")


def _of_same_precision(drawn: np.ndarray, true: int) -> tuple[float, float, float]:
    """(draws, called) counts of one true class -> those of a simple sample with the same uncertainty."""
    mitosis = drawn[:, :2].sum(axis=1)
    right = drawn[:, true] / mitosis
    share, total = float(right.mean()), float(mitosis.mean())
    binomial = max(share * (1 - share), 1 / (4 * total))
    n = binomial / (float(right.var()) + binomial / total)
    called = n * drawn.mean(axis=0) / total
    return float(called[0]), float(called[1]), float(called[2:].sum())
