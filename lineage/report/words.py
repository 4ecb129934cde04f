"""A mitosis (a row of `counts.mitoses_of`) -> what people read of it: heading, reasons, flags."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from lineage.schema import ABNORMAL_SUBTYPES, DECIDED, Decision, Flag, MitosisClass, Subtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREDICTED = {
    MitosisClass.NORMAL: "normal",
    MitosisClass.ABNORMAL: "abnormal",
    MitosisClass.NONE: "no mitosis",
}

# Words of `verdict_because` that underscores made into spaces would leave unclear.
REASONS = (
    (r"reunited_(\d+)_min", r"daughters reunited after \1 min"),
    (r"classifier_none_([\d.]+)", r"classifier: no mitosis \1"),
    ("not_classified", "the classifier was not asked"),
    ("contradicted", "the classifier contradicts what was seen"),
    ("person", "set by a person"),
)

# Flag -> its name on the page, and what it means.
FLAGS = {
    Flag.NONE_AGAINST_TRACKING: (
        "a mitosis or not?",
        "the classifier sees no mitosis here, but the tracking is sure of one: the event stays in the "
        "lineage, and is undecided unless something abnormal was seen",
    ),
    Flag.SQUARE_PADDED: (
        "beyond the image's edge",
        "the cell is so near the edge of the image that part of its crop lies outside; that part is hatched "
        "here. In crops/*.tif, as the classifier sees them, it is filled by repeating the outermost pixels: "
        "the streaks are no cells",
    ),
    Flag.WINDOW_PADDED: (
        "beyond the movie's ends",
        "the movie begins or ends within the two hours of the film strip: the frames that it does not have "
        "are hatched here; in crops/*.tif its first or last frame is repeated in their place",
    ),
    Flag.FRAME_REPLACED: (
        "unusable frame replaced",
        "a frame that was blank, saturated, out of focus or missing is replaced by the nearest usable one",
    ),
    Flag.RESAMPLED: (
        "other frame interval",
        "the classifier learned from frames ten minutes apart, and those of this movie are not: the nearest "
        "in time are shown, some twice, others not at all, and the prediction is less certain",
    ),
    Flag.INTERVAL_TOO_LONG: (
        "frame interval too long",
        "too few frames show the mitosis, so the classifier was not asked",
    ),
    Flag.NO_PHASE: (
        "no phase contrast",
        "the movie has no phase contrast, so it is not known whether the cell rounded up",
    ),
}


def heading(event: Mapping[Any, Any]) -> str:
    """The verdict, and what was seen to happen.

    >>> heading({"verdict": "abnormal", "subtype": "furrow_regression"})
    'abnormal: furrow regression'
    >>> heading({"verdict": "not_a_mitosis", "subtype": "tripolar"})
    'rejected'
    """
    verdict, subtype = event["verdict"], event["subtype"]
    if verdict == Decision.NOT_A_MITOSIS:
        return "rejected"
    if verdict == Decision.ABNORMAL and subtype in ABNORMAL_SUBTYPES - {Subtype.ABNORMAL}:
        return f"{verdict}: {kind(subtype)}"
    return str(verdict)


def kind(subtype: object) -> str:
    """A subtype in words.

    >>> kind("death_in_mitosis")
    'death in mitosis'
    """
    return str(subtype).replace("_", " ")


def reasons(event: Mapping[Any, Any]) -> str:
    """How probable it is to be abnormal, and why, the strongest reason first.

    >>> reasons({"verdict_because": "three_daughters classifier_0.93", "p_verdict": 0.9812})
    'probability of abnormal: 0.98 (three daughters, classifier 0.93)'
    """
    because = event["verdict_because"]
    words = ", ".join(map(_reason, because.split())) if isinstance(because, str) else ""
    p = event["p_verdict"]
    return f"probability of abnormal: {p:.2f} ({words})" if p == p else words  # NaN where there is none


def _reason(name: str) -> str:
    """One word of `verdict_because`, in plain words."""
    for pattern, words in REASONS:
        if found := re.fullmatch(pattern, name):
            return found.expand(words)
    return name.replace("_", " ")


def limits(held_out: Mapping[str, Any] | None) -> str:
    """How far verdicts can be trusted, in a few sentences.

    Args:
        held_out: of `verdict.json`: `n` mitoses, the `sensitivity`, `specificity` and share `undecided` of
            their verdicts, their `lines` and `minutes_per_frame`; None where it was not measured.

    >>> measured = {"n": 90, "sensitivity": 0.8, "specificity": 0.9, "undecided": 0.1, "lines": ["PC3"]}
    >>> limits(measured | {"minutes_per_frame": 10})[:87]
    'Of 90 known mitoses of PC3 at 10 min a frame that were kept out of training, 10 % were '
    >>> limits(None)
    'How often such verdicts are right was not measured.'
    """
    if not held_out or not held_out.get("n"):
        return "How often such verdicts are right was not measured."
    lines = " and ".join(held_out["lines"])
    minutes = held_out.get("minutes_per_frame")
    return (
        f"Of {held_out['n']} known mitoses{f' of {lines}' if lines else ''}"
        f"{f' at {minutes:g} min a frame' if minutes else ''} that were kept out of training, "
        f"{_percent(held_out['undecided'])} were left undecided; of the others, "
        f"{_percent(held_out['sensitivity'])} of the abnormal mitoses were called abnormal and "
        f"{_percent(held_out['specificity'])} of the normal ones normal. Other cell lines, other frame "
        "intervals, and movies without phase contrast were not measured."
    )


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.0f} %"


def predicted(event: Mapping[Any, Any]) -> MitosisClass | None:
    """The classifier's own class, even if the verdict does not follow it; None where it gave none.

    >>> predicted({"mitosis_class": "unclassified", "p_abnormal": 0.1, "p_none": 0.7}).value
    'none'
    """
    if event["mitosis_class"] != MitosisClass.UNCLASSIFIED:
        return MitosisClass(event["mitosis_class"])
    return MitosisClass.NONE if event.get("p_none", 0.0) >= DECIDED else None


def prediction(event: Mapping[Any, Any]) -> str:
    """The classifier's class and probabilities.

    >>> prediction({"mitosis_class": "normal", "p_abnormal": 0.07, "p_none": 0.02})
    'classifier alone: normal (abnormal: 0.07, no mitosis: 0.02)'
    >>> prediction({"mitosis_class": "unclassified", "p_abnormal": float("nan")})
    'not classified'
    """
    found = predicted(event)
    if found is None:
        return "not classified"
    named = (("abnormal", event["p_abnormal"]), ("no mitosis", event.get("p_none", math.nan)))
    probabilities = ", ".join(f"{name}: {p:.2f}" for name, p in named if p == p)  # NaN where there is none
    return f"classifier alone: {PREDICTED[found]}" + (f" ({probabilities})" if probabilities else "")


def confidence(log_odds: float) -> str:
    """How sure the tracking is of an event; empty where that is not known.

    >>> confidence(3.04), confidence(12.0), confidence(-7.0), confidence(float("nan"))
    ('tracking 95 % sure (log-odds 3.0)', 'tracking over 99 % sure (log-odds 12.0)',
    'tracking under 1 % sure (log-odds -7.0)', '')
    """
    if math.isnan(log_odds):
        return ""
    percent = 50 * (1 + math.tanh(log_odds / 2))
    words = "over 99" if percent > 99 else "under 1" if percent < 1 else f"{percent:.0f}"
    return f"tracking {words} % sure (log-odds {log_odds:.1f})"


def flags(event: Mapping[Any, Any]) -> list[tuple[str, str, str]]:
    """Name, words and meaning of each flag; a table read back from CSV holds NaN for none.

    >>> [words for _, words, _ in flags({"flags": "no_phase of_old"})], flags({"flags": float("nan")})
    (['no phase contrast', 'of old'], [])
    """
    names = event["flags"].split() if isinstance(event["flags"], str) else []
    return [explained(name) for name in names]


def explained(flag: str) -> tuple[str, str, str]:
    """A flag's name, words and meaning; an unknown flag has no meaning."""
    known = {str(name): words_and_meaning for name, words_and_meaning in FLAGS.items()}
    return (flag, *known.get(flag, (flag.replace("_", " "), "")))


def legend(events: Iterable[Mapping[Any, Any]]) -> list[tuple[str, str, str]]:
    """The flags of these events, each once."""
    shown = {flag for event in events for flag in flags(event)}
    order = [str(name) for name in FLAGS]
    return sorted((f for f in shown if f[2]), key=lambda flag: order.index(flag[0]))
