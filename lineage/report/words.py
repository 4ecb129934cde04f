"""A mitosis (a row of `counts.mitoses_of`) -> what people read of it: heading, reasons, flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.schema import ABNORMAL_SUBTYPES, DECIDED, Decision, Flag, MitosisClass, Subtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREDICTED = {
    MitosisClass.NORMAL: "normal", MitosisClass.ABNORMAL: "abnormal", MitosisClass.NONE: "no mitosis",
}  # fmt: skip

# Flag -> how it is called on the page, and what it means.
FLAGS = {
    Flag.NONE_AGAINST_TRACKING: (
        "a mitosis or not?",
        "the classifier takes it for no mitosis, the tracking is sure that it is one: it stays in the "
        "lineage, undecided unless it was seen to be abnormal",
    ),
    Flag.SQUARE_PADDED: (
        "beyond the image's edge",
        "part of the crop lies outside the image and is hatched here. In crops/*.tif, as the classifier sees "
        "them, the outermost pixels are repeated there: streaks, which are no cells",
    ),
    Flag.WINDOW_PADDED: (
        "beyond the movie's ends",
        "the movie begins or ends within the two hours of the strip: its first or last frame is repeated",
    ),
    Flag.FRAME_REPLACED: (
        "unusable frame replaced",
        "a frame that could not be used is replaced by the nearest one that could",
    ),
    Flag.RESAMPLED: (
        "other frame interval",
        "the movie's frames are not ten minutes apart, as those are that the classifier learned from: the "
        "nearest are shown, some twice or not at all, and the prediction is less sure",
    ),
    Flag.INTERVAL_TOO_LONG: (
        "frame interval too long",
        "too few frames show the mitosis, so the classifier was not asked",
    ),
    Flag.NO_PHASE: (
        "no phase contrast",
        "the movie has no phase contrast: whether cells round up was not seen",
    ),
}  # fmt: skip


def heading(event: Mapping[Any, Any]) -> str:
    """The verdict, and what was seen to happen.

    >>> heading({"verdict": "abnormal", "subtype": "furrow_regression"})
    'abnormal: furrow regression'
    >>> heading({"verdict": "not_a_mitosis", "subtype": "tripolar"})
    'rejected'
    """
    said, subtype = event["verdict"], event["subtype"]
    if said == Decision.NOT_A_MITOSIS:
        return "rejected"
    told = said == Decision.ABNORMAL and subtype in ABNORMAL_SUBTYPES - {Subtype.ABNORMAL}
    return f"{said}: {subtype.replace('_', ' ')}" if told else str(said)


def reasons(event: Mapping[Any, Any]) -> str:
    """Why, the strongest reason first, and how probable it is to be abnormal.

    >>> reasons({"verdict_because": "three_daughters classifier_0.93", "p_verdict": 0.9812})
    'p 0.98: three daughters, classifier 0.93'
    """
    because = event["verdict_because"]
    words = ", ".join(w.replace("_", " ") for w in because.split()) if isinstance(because, str) else ""
    p = event["p_verdict"]
    return f"p {p:.2f}: {words}" if p == p else words  # NaN where there is none


def limits(held_out: Mapping[str, Any] | None) -> str:
    """How far verdicts can be trusted, in one sentence or two.

    Args:
        held_out: of `verdict.json`: `n` mitoses, the `sensitivity`, `specificity` and share `undecided` of
            their verdicts, their `lines` and `minutes_per_frame`; None where it was not measured.

    >>> told = {"n": 90, "sensitivity": 0.8, "specificity": 0.9, "undecided": 0.1, "lines": ["PC3", "U251"]}
    >>> limits(told | {"minutes_per_frame": 10})[:74]
    'On 90 held-out mitoses of PC3 and U251 at 10 min a frame, of the abnormal '
    >>> limits(None)
    'How often such verdicts are right was not measured.'
    """
    if not held_out or not held_out.get("n"):
        return "How often such verdicts are right was not measured."
    n, lines = held_out["n"], " and ".join(held_out["lines"])
    minutes = (
        f" at {held_out['minutes_per_frame']:g} min a frame" if held_out.get("minutes_per_frame") else ""
    )
    return (
        f"On {n} held-out mitoses{f' of {lines}' if lines else ''}{minutes}, of the abnormal "
        f"{_percent(held_out['sensitivity'])} were called abnormal and of the normal "
        f"{_percent(held_out['specificity'])} normal, where a verdict was given; "
        f"{_percent(held_out['undecided'])} were undecided. Other cell lines, other intervals, and movies "
        "without phase contrast were not measured."
    )


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.0f} %"


def predicted(event: Mapping[Any, Any]) -> MitosisClass | None:
    """The classifier's own class, also where it is not followed; None where it gave none.

    >>> predicted({"mitosis_class": "unclassified", "p_abnormal": 0.1, "p_none": 0.7}).value
    'none'
    """
    if event["mitosis_class"] != MitosisClass.UNCLASSIFIED:
        return MitosisClass(event["mitosis_class"])
    return MitosisClass.NONE if event.get("p_none", 0.0) >= DECIDED else None


def prediction(event: Mapping[Any, Any]) -> str:
    """The classifier's class and probabilities.

    >>> prediction({"mitosis_class": "normal", "p_abnormal": 0.07, "p_none": float("nan")})
    'the classifier says normal, p(abnormal) 0.07'
    """
    found = predicted(event)
    if found is None:
        return "not classified"
    named = (("abnormal", event["p_abnormal"]), ("no mitosis", event.get("p_none", float("nan"))))
    probabilities = [f"p({name}) {p:.2f}" for name, p in named if p == p]  # NaN where there is none
    return ", ".join((f"the classifier says {PREDICTED[found]}", *probabilities))


def flags(event: Mapping[Any, Any]) -> list[tuple[str, str, str]]:
    """Name, words and meaning of each flag; a table read back from CSV holds NaN for none.

    >>> [words for _, words, _ in flags({"flags": "no_phase of_old"})], flags({"flags": float("nan")})
    (['no phase contrast', 'of old'], [])
    """
    names = event["flags"].split() if isinstance(event["flags"], str) else []
    return [explained(name) for name in names]


def explained(flag: str) -> tuple[str, str, str]:
    """A flag's name, words and meaning; one that is not known has no meaning."""
    known = {str(name): said for name, said in FLAGS.items()}
    return (flag, *known.get(flag, (flag.replace("_", " "), "")))


def legend(events: Iterable[Mapping[Any, Any]]) -> list[tuple[str, str, str]]:
    """The flags of these events, each once."""
    shown = {flag for event in events for flag in flags(event)}
    order = [str(name) for name in FLAGS]
    return sorted((f for f in shown if f[2]), key=lambda flag: order.index(flag[0]))
