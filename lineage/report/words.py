"""A mitosis (a row of `counts.with_class`) -> what people read of it: heading, prediction, flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.schema import DECIDED, Flag, MitosisClass, Subtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREDICTED = {
    MitosisClass.NORMAL: "normal", MitosisClass.ABNORMAL: "abnormal", MitosisClass.NONE: "no mitosis",
}  # fmt: skip

# Flag -> how it is called on the page, and what it means.
FLAGS = {
    Flag.CLASS_DISAGREES: (
        "the classifier disagrees",
        "the classifier calls normal what was seen to be abnormal; it counts as abnormal here, so look at it",
    ),
    Flag.NONE_AGAINST_TRACKING: (
        "a mitosis or not?",
        "the classifier takes it for no mitosis, the tracking is sure that it is one: it stays in the "
        "lineage and has no class, unless it was seen to be abnormal",
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
        "the movie has no phase contrast: the prediction rests on the DNA stain alone and is less sure",
    ),
}  # fmt: skip


def heading(event: Mapping[Any, Any]) -> str:
    """What the mitosis counts as, and what was seen to happen.

    >>> heading({"counted": "abnormal", "subtype": "furrow_regression"})
    'abnormal: furrow regression'
    >>> heading({"counted": "none", "subtype": "tripolar"})
    'rejected'
    """
    counted, subtype = event["counted"], event["subtype"]
    if counted == MitosisClass.NONE:
        return "rejected"
    seen = counted == MitosisClass.ABNORMAL and subtype != Subtype.ABNORMAL
    return f"{counted}: {subtype.replace('_', ' ')}" if seen else str(counted)


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


def contradicted(event: Mapping[Any, Any]) -> bool:
    """Whether the mitosis counts as something else than the classifier says.

    >>> contradicted({"mitosis_class": "normal", "counted": "abnormal"})
    True
    """
    return predicted(event) not in (None, event["counted"])


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
