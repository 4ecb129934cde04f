"""What was seen of a mitosis, and the classifier's prediction -> one verdict, and why.

The log-odds that a mitosis is abnormal are a sum: the prediction, and what was seen to happen, the latter by
how sure the tracking is. A second sum says whether it is a mitosis at all. Every weight stands in
`verdict.json`, which `benchmarks/fit_verdict.py` fits. Where there is no prediction another set of
weights holds, and what was not seen to be abnormal is undecided: never normal.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lineage.mitosis.subtypes import subtype
from lineage.schema import DECIDED, Decision, EventType, MitosisClass, Subtype, mitosis_class, p_abnormal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lineage.schema import MitosisEvent, Predictions

    Weights = Mapping[str, Mapping[str, float]]

PATH = Path(__file__).with_name("verdict.json")
SUREST = 0.01  # predictions nearer to 0 or 1 count as this near
SOON_MIN = 30.0  # daughters that are one again by then may be a slip of the tracking
LONG_MIN = 90.0  # longer a mitosis seldom takes
LONGEST = 2.0  # twofold and fourfold of that count; beyond, nothing is added
MAX_UNEQUAL = 1.5  # |log| of the daughters' DNA, beyond which nothing is added
MIN_TERM = 0.1  # log-odds; what adds less is no reason

CLASSIFIER, NONE = "classifier", "classifier_none"
FACTS = (
    "four_daughters", "three_daughters", "reunited_soon", "reunited_later", "never_separated",
    "died_in_mitosis", "one_daughter_lost", "unequal_daughters", "took_long", "bridge", "micronuclei",
)  # fmt: skip
HALF_DIVISION = "half_division"  # the source of events of which one daughter was lost from sight
NOT_CLASSIFIED, CONTRADICTED, PERSON = "not_classified", "contradicted", "person"
OF_PERSON = MappingProxyType({Decision.NORMAL: 0.0, Decision.ABNORMAL: 1.0})  # p of what a person says
# Every reason there is; a number in it is minutes, or the classifier's probability.
REASON = re.compile(
    r"four_daughters|three_daughters|reunited_\d+_min|never_separated|died_in_mitosis|one_daughter_lost"
    r"|unequal_daughters|took_\d+_min|bridge|micronuclei|classifier_[01]\.\d\d|classifier_none_[01]\.\d\d"
    r"|not_classified|contradicted|person"
)


class ByPerson(NamedTuple):
    """What a person says of an event."""

    verdict: Decision
    subtype: Subtype | None = None  # the kind of it, where they say more


@dataclass(frozen=True)
class Verdict:
    """What an event counts as."""

    verdict: Decision
    p: float | None  # of abnormal, given that it is a mitosis; None of what is none
    because: tuple[str, ...]  # each as in REASON, the strongest first

    def __str__(self) -> str:
        """As in `verdict_because`."""
        return " ".join(self.because)


def features(event: MitosisEvent, p_abnormal: float | None, p_none: float | None) -> dict[str, float]:
    """What the weights are multiplied with.

    Args:
        event: a mitosis; its daughters are not looked at, so that it may have been undone.
        p_abnormal: the classifier's, given that it is a mitosis; None where it was not asked.
        p_none: the classifier's, that it is no mitosis; None where it was not asked, or does not know it.

    Returns:
        Name -> value. `classifier` and `classifier_none` are log-odds, and missing where there is no
        probability; FACTS are 0 or more, by how sure the tracking is.

    >>> from lineage.schema import MitosisEvent
    >>> sure = MitosisEvent(1, 1, (), 9, 0, 0, 0, 0, "division", n_poles=3, confidence=20.0)
    >>> found = features(sure, 0.5, None)
    >>> found["classifier"], round(found["three_daughters"], 6), "classifier_none" in found
    (0.0, 1.0, False)
    """
    trust = 1.0 if math.isnan(event.confidence) else _logistic(event.confidence)
    predicted = {CLASSIFIER: p_abnormal, NONE: p_none}
    return {name: log_odds(p) for name, p in predicted.items() if p is not None} | {
        name: trust * amount for name, amount in _facts(event).items()
    }


def _facts(event: MitosisEvent) -> dict[str, float]:
    """FACTS -> how much of each was seen; 0 where nothing was, or could be."""
    reunited, lasts = event.refusion_after_min, event.evidence.get("lasts_min", math.nan)
    ratio = event.evidence.get("daughters_mass_ratio", math.nan)
    long = math.log2(lasts / LONG_MIN) if lasts > LONG_MIN else 0.0
    unequal = -math.log(max(ratio, 1e-9)) if ratio < 1 else 0.0
    amounts = (
        event.n_poles > 3,
        event.n_poles == 3,
        reunited is not None and reunited <= SOON_MIN,
        reunited is not None and reunited > SOON_MIN,
        event.returned,
        not event.separated and event.died_after_min is not None,
        event.source == HALF_DIVISION,
        min(unequal, MAX_UNEQUAL),
        min(long, LONGEST),
        bool(event.bridge),
        bool(event.n_micronuclei),
    )
    return {name: float(amount) for name, amount in zip(FACTS, amounts, strict=True)}


def decide(
    event: MitosisEvent,
    p_abnormal: float | None,
    p_none: float | None,
    *,
    person: ByPerson | None = None,
    weights: Weights | None = None,
) -> Verdict:
    """The verdict on a mitosis.

    Args:
        event: as in `features`.
        p_abnormal: likewise.
        p_none: likewise.
        person: a person's verdict, which overrules all else.
        weights: as in `verdict.json`, which they are read from if left out.

    >>> from lineage.schema import MitosisEvent
    >>> three = MitosisEvent(1, 1, (), 9, 0, 0, 0, 0, "division", n_poles=3, separated=True, confidence=9.0)
    >>> found = decide(three, 0.3, 0.02)
    >>> found.verdict.value, str(found)
    ('abnormal', 'three_daughters')
    >>> str(decide(three, None, None, person=ByPerson(Decision.NORMAL)))
    'person'
    """
    if person is not None:
        return Verdict(person.verdict, OF_PERSON.get(person.verdict), (PERSON,))
    model = load() if weights is None else weights
    limits = model["limits"]
    found = features(event, p_abnormal, p_none)
    words = _words(event, p_abnormal, p_none)
    none = _terms(found, model["not_a_mitosis"])
    is_none = p_none is not None and model["not_a_mitosis"]["offset"] + sum(none.values()) >= 0
    is_sure = event.confidence >= limits["sure_tracking"]
    if is_none and not is_sure:
        return Verdict(Decision.NOT_A_MITOSIS, None, _reasons(none, words, up=True) or (words[NONE],))
    if is_none or p_abnormal is None:
        # What the classifier takes for no mitosis it calls neither normal nor abnormal.
        return _without_classifier(
            found, words, model, against=(CONTRADICTED, words[NONE]) if is_none else ()
        )
    return _with_classifier(found, words, model)


def _with_classifier(found: Mapping[str, float], words: Mapping[str, str], model: Weights) -> Verdict:
    """Of a mitosis that the classifier calls normal or abnormal."""
    limits = model["limits"]
    terms = _terms(found, model["with_classifier"])
    p = round(_logistic(model["with_classifier"]["offset"] + sum(terms.values())), 6)
    predicted = terms[CLASSIFIER]
    seen = sum(terms.values()) - predicted
    every = _reasons(terms, words)
    if predicted * seen < 0 and min(abs(predicted), abs(seen)) > limits["contradiction"]:
        return Verdict(Decision.UNDECIDED, p, (CONTRADICTED, *every))
    if limits["normal_to"] < p < limits["abnormal_from"]:
        return Verdict(Decision.UNDECIDED, p, every or (words[CLASSIFIER],))
    is_abnormal = p >= limits["abnormal_from"]
    kind = Decision.ABNORMAL if is_abnormal else Decision.NORMAL
    return Verdict(kind, p, _reasons(terms, words, up=is_abnormal) or (words[CLASSIFIER],))


def _without_classifier(
    found: Mapping[str, float], words: Mapping[str, str], model: Weights, *, against: tuple[str, ...]
) -> Verdict:
    """Of a mitosis without a prediction that counts: abnormal if that was seen, else undecided."""
    terms = _terms(found, model["without_classifier"])
    p = round(_logistic(model["without_classifier"]["offset"] + sum(terms.values())), 6)
    seen, why = _reasons(terms, words), against or (NOT_CLASSIFIED,)
    if p >= model["limits"]["abnormal_from"]:
        return Verdict(Decision.ABNORMAL, p, (*seen, *why))
    return Verdict(Decision.UNDECIDED, p, (*why, *seen))


def _terms(found: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Name -> what it adds to the log-odds."""
    return {name: weights[name] * found[name] for name in weights if name in found}


def _reasons(
    terms: Mapping[str, float], words: Mapping[str, str], *, up: bool | None = None
) -> tuple[str, ...]:
    """The terms in words, the largest first; with `up` only those that raise, or lower, the log-odds."""
    kept = {k: t for k, t in terms.items() if abs(t) >= MIN_TERM and (up is None or (t > 0) == up)}
    return tuple(words[name] for name in sorted(kept, key=lambda name: -abs(kept[name])))


def _words(event: MitosisEvent, p_abnormal: float | None, p_none: float | None) -> dict[str, str]:
    """Name of a feature -> how it stands among the reasons."""
    reunited = f"reunited_{event.refusion_after_min or 0:.0f}_min"
    lasts = event.evidence.get("lasts_min", math.nan)
    return {name: name for name in FACTS} | {
        CLASSIFIER: f"classifier_{p_abnormal or 0:.2f}",
        NONE: f"classifier_none_{p_none or 0:.2f}",
        "reunited_soon": reunited,
        "reunited_later": reunited,
        "took_long": f"took_{0 if math.isnan(lasts) else lasts:.0f}_min",
    }


def log_odds(p: float) -> float:
    """Of a probability, held between 0.01 and 0.99.

    >>> log_odds(0.5), round(log_odds(1.0), 3)
    (0.0, 4.595)
    """
    p = min(max(p, SUREST), 1 - SUREST)
    return math.log(p / (1 - p))


def _logistic(total: float) -> float:
    """Log-odds -> probability, without overflow."""
    return 0.5 * (1 + math.tanh(0.5 * total))


# --- All events of a run


def decide_all(
    events: Iterable[MitosisEvent],
    predictions: Predictions,
    corrections: Mapping[int, ByPerson] = MappingProxyType({}),
) -> dict[int, dict[str, Any]]:
    """The only place where subtype, class and verdict of a run's events are decided.

    Args:
        events: of a lineage.
        predictions: of the classifier, matched by event_id.
        corrections: event_id of a mitosis -> a person's verdict, which overrules this one.

    Returns:
        event_id -> its columns in `events.csv`: `subtype`, `verdict`, `verdict_because`, `mitosis_class`,
        and where there are such `p_verdict`, `p_abnormal`, `p_none`. `mitosis_class` is the classifier's
        class; `unclassified` where it gave none, or where its `none` is overruled. Fusions and deaths have a
        subtype, and empty text in the other three.
    """
    probabilities = by_event(predictions)
    return {
        event.event_id: _columns(
            event, probabilities.get(event.event_id, {}), corrections.get(event.event_id)
        )
        for event in events
    }


def _columns(event: MitosisEvent, p: Mapping[str, float], person: ByPerson | None) -> dict[str, Any]:
    """What `decide_all` says of one event."""
    if event.event_type is not EventType.MITOSIS:
        kind = subtype(event, MitosisClass.UNCLASSIFIED)
        return {"subtype": kind.value} | dict.fromkeys(("verdict", "verdict_because", "mitosis_class"), "")
    found = decide(event, p.get("p_abnormal"), p.get("p_none"), person=person)
    predicted = MitosisClass.UNCLASSIFIED if not p else mitosis_class(p["p_abnormal"], p.get("p_none"))
    if predicted is MitosisClass.NONE and found.verdict is not Decision.NOT_A_MITOSIS:
        predicted = MitosisClass.UNCLASSIFIED
    of_person = {Decision.NORMAL: MitosisClass.NORMAL, Decision.ABNORMAL: MitosisClass.ABNORMAL}
    kind = subtype(event, predicted if person is None else of_person.get(person.verdict, predicted))
    if person is not None:
        kind = person.subtype or kind
    return {
        "subtype": kind.value,
        "verdict": found.verdict.value,
        "verdict_because": str(found),
        "mitosis_class": predicted.value,
        **({} if found.p is None else {"p_verdict": found.p}),
        **p,
    }


def is_none_overruled(columns: Mapping[str, Any]) -> bool:
    """Whether the classifier's `none` is overruled, since the tracking is sure of the mitosis.

    Args:
        columns: of one event, as `decide_all` gives them.
    """
    overruled = columns.get("p_none", 0.0) >= DECIDED and columns["verdict"] != Decision.NOT_A_MITOSIS
    return overruled and columns["verdict_because"] != PERSON


def by_event(predictions: Predictions) -> dict[int, dict[str, float]]:
    """event_id -> p_abnormal and, where the model knows that class, p_none."""
    columns = {"p_abnormal": p_abnormal(predictions.probabilities, predictions.classes)}
    if MitosisClass.NONE in predictions.classes:
        columns["p_none"] = predictions.probabilities[:, predictions.classes.index(MitosisClass.NONE)]
    # Rounded before the verdict, so that the tables contradict nobody who applies the rule to them.
    return {
        event_id: {name: round(float(p[i]), 6) for name, p in columns.items()}
        for i, event_id in enumerate(predictions.event_ids.tolist())
    }


# --- The weights


@lru_cache(maxsize=1)
def load() -> dict[str, Any]:
    """All of `verdict.json`: four sets of numbers, and how the verdicts did on held-out cells."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def digest() -> str:
    """Of all the numbers, for a run's record."""
    import hashlib

    return hashlib.sha256(PATH.read_bytes()).hexdigest()
