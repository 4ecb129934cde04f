"""One verdict: what was seen and what the classifier says are weighed together, and the reasons are said."""

import json
import math
from dataclasses import replace
from itertools import product

import pytest
import worlds

from lineage.mitosis import verdict
from lineage.mitosis.verdict import FACTS, REASON, ByPerson, decide, decide_all, features
from lineage.schema import Decision, EventType, MitosisEvent

DIVISION = MitosisEvent(
    1, 1, (2, 3), 10, 0, 0, 0, 0, "division", n_poles=2, separated=True, confidence=8.0,
    evidence={"lasts_min": 40.0, "daughters_mass_ratio": 1.0},
)  # fmt: skip
ATTEMPT = replace(DIVISION, daughters=(), source="condensed", n_poles=0, separated=False)
SEEN = {
    "four_daughters": replace(DIVISION, n_poles=4),
    "three_daughters": replace(DIVISION, n_poles=3),
    "reunited_soon": replace(DIVISION, refusion_after_min=20.0),
    "reunited_later": replace(DIVISION, refusion_after_min=60.0),
    "never_separated": replace(ATTEMPT, returned=True),
    "died_in_mitosis": replace(ATTEMPT, died_after_min=80.0),
    "one_daughter_lost": replace(ATTEMPT, source="half_division", n_poles=2, separated=True),
    "unequal_daughters": replace(DIVISION, evidence={"daughters_mass_ratio": 0.4}),
    "took_long": replace(DIVISION, evidence={"lasts_min": 240.0}),
    "bridge": replace(DIVISION, bridge=True),
    "micronuclei": replace(DIVISION, n_micronuclei=2),
}
ASKED = [(a, n) for a in (0.001, 0.3, 0.5, 0.7, 0.999) for n in (None, 0.0, 0.4, 0.98)]
EVERY = [*product([DIVISION, ATTEMPT, *SEEN.values()], [*ASKED, (None, None)])]


def test_three_daughters_of_a_sure_track_are_heard_before_a_doubtful_classifier():
    assert decide(DIVISION, 0.3, 0.02).verdict is Decision.NORMAL
    found = decide(SEEN["three_daughters"], 0.3, 0.02)
    assert (found.verdict, found.because[0]) == (Decision.ABNORMAL, "three_daughters")


def test_a_weak_track_says_little():
    three = SEEN["three_daughters"]
    p = [decide(replace(three, confidence=c), 0.3, None).p for c in (-8.0, 0.0, 8.0)]
    assert p == sorted(p)
    assert p[0] == pytest.approx(0.3, abs=0.01)
    assert decide(replace(three, confidence=math.nan), 0.3, None).p == pytest.approx(p[2], abs=0.001)


def test_what_contradicts_is_undecided_and_says_so():
    found = decide(SEEN["three_daughters"], 0.02, 0.0)
    assert found.verdict is Decision.UNDECIDED
    assert found.because == ("contradicted", "classifier_0.02", "three_daughters")


@pytest.mark.parametrize("event", [DIVISION, ATTEMPT, *SEEN.values()])
def test_what_was_not_classified_is_never_normal(event):
    found = decide(event, None, None)
    assert "not_classified" in found.because
    assert found.verdict is (Decision.ABNORMAL if found.p >= 0.65 else Decision.UNDECIDED)


def test_what_was_not_classified_is_abnormal_if_that_was_seen():
    sure = {name for name, event in SEEN.items() if decide(event, None, None).verdict is Decision.ABNORMAL}
    assert {"three_daughters", "four_daughters", "never_separated", "died_in_mitosis"} <= sure
    assert decide(DIVISION, None, None).because == ("not_classified",)


def test_a_probability_near_one_half_is_undecided():
    every = [decide(event, *asked) for event, asked in EVERY]
    near = [found for found in every if found.p is not None and 0.35 < found.p < 0.65]
    assert len(near) > 10
    assert {found.verdict for found in near} == {Decision.UNDECIDED}


def test_what_the_classifier_takes_for_none_is_no_mitosis_unless_the_tracking_is_sure():
    weak = replace(DIVISION, confidence=2.9)
    found = decide(weak, 0.2, 0.98)
    assert (found.verdict, found.p, found.because) == (
        Decision.NOT_A_MITOSIS, None, ("classifier_none_0.98",),
    )  # fmt: skip
    assert decide(weak, 0.2, 0.49).verdict is Decision.NORMAL
    sure = decide(replace(DIVISION, confidence=3.0), 0.2, 0.98)
    assert (sure.verdict, sure.because) == (Decision.UNDECIDED, ("contradicted", "classifier_none_0.98"))
    assert decide(SEEN["three_daughters"], 0.2, 0.98).verdict is Decision.ABNORMAL


@pytest.mark.parametrize("person", [None, *Decision])
def test_reasons_are_of_the_fixed_list_and_there_is_always_one(person):
    for event, asked in EVERY:
        found = decide(event, *asked, person=None if person is None else ByPerson(person))
        assert found.because
        assert all(REASON.fullmatch(word) for word in found.because), found.because
        assert len(set(found.because)) == len(found.because)


@pytest.mark.parametrize(
    ("kind", "p"), [("normal", 0), ("abnormal", 1), ("not_a_mitosis", None), ("undecided", None)]
)
def test_a_person_overrules_everything(kind, p):
    found = decide(SEEN["three_daughters"], 0.99, 0.0, person=ByPerson(Decision(kind)))
    assert (found.verdict, found.p, str(found)) == (kind, p, "person")


def every_weight_one():
    """Weights under which every fact is heard."""
    facts = dict.fromkeys(FACTS, 1.0)
    return verdict.load() | {
        "with_classifier": {"offset": 0.0, "classifier": 1.0} | facts,
        "without_classifier": {"offset": 0.0} | facts,
    }


@pytest.mark.parametrize("weights", [None, every_weight_one()], ids=["packaged", "all one"])
@pytest.mark.parametrize("name", SEEN)
def test_more_evidence_never_lowers_the_probability(name, weights):
    plain = ATTEMPT if not SEEN[name].daughters else DIVISION
    for p in (None, 0.1, 0.5, 0.9):
        without, with_it = (decide(e, p, None, weights=weights).p for e in (plain, SEEN[name]))
        assert with_it >= without
    rising = [decide(SEEN[name], p, None, weights=weights).p for p in (0.05, 0.2, 0.5, 0.8, 0.95)]
    assert rising == sorted(rising)


def test_each_fact_is_a_feature_of_its_own():
    assert list(SEEN) == list(FACTS)
    for name, event in SEEN.items():
        found = features(event, None, None)
        assert {fact for fact in FACTS if found[fact] > 0} == {name}
    assert not any(features(DIVISION, 0.5, 0.5)[fact] for fact in FACTS)


def test_a_verdict_is_the_same_once_a_division_was_undone():
    for event, asked in EVERY:
        assert decide(replace(event, daughters=()), *asked) == decide(event, *asked)


def test_the_packaged_weights_are_finite_and_facts_only_speak_for_abnormal():
    model = json.loads(verdict.PATH.read_text(encoding="utf-8"))
    for name in ("with_classifier", "without_classifier"):
        assert set(FACTS) <= set(model[name])
        assert all(math.isfinite(w) for w in model[name].values())
        assert all(w >= 0 for k, w in model[name].items() if k != "offset")
    assert "classifier" in model["with_classifier"]
    assert "classifier" not in model["without_classifier"]
    assert set(model["not_a_mitosis"]) == {"offset", "classifier_none"}
    assert all(math.isfinite(w) for w in (*model["not_a_mitosis"].values(), *model["limits"].values()))
    assert model["not_a_mitosis"]["classifier_none"] >= 0
    assert model["limits"]["normal_to"] < 0.5 < model["limits"]["abnormal_from"]


def test_the_digest_is_of_the_numbers(monkeypatch, tmp_path):
    before = verdict.digest()
    other = tmp_path / "verdict.json"
    other.write_text(json.dumps(verdict.load() | {"held_out": {"n": 3}}))
    monkeypatch.setattr(verdict, "PATH", other)
    assert verdict.digest() != before


def test_every_event_has_a_subtype_and_only_mitoses_have_a_verdict():
    events = [DIVISION, replace(SEEN["bridge"], event_id=2), replace(ATTEMPT, event_id=3)]
    events += [replace(ATTEMPT, event_id=4, event_type=EventType.DEATH)]
    said = worlds.predictions_of({1: (0.9, 0.1, 0.0), 3: (0.05, 0.05, 0.9)}, ("normal", "abnormal", "none"))
    found = decide_all(events, said, {2: ByPerson(Decision.NORMAL)})
    assert sorted(found) == [1, 2, 3, 4]
    assert found[4] == {
        "subtype": "death_in_interphase", "verdict": "", "verdict_because": "", "mitosis_class": "",
    }  # fmt: skip
    assert found[1] == {
        "subtype": "normal", "verdict": "normal", "verdict_because": "classifier_0.10",
        "mitosis_class": "normal", "p_verdict": pytest.approx(0.1),
        "p_abnormal": pytest.approx(0.1), "p_none": 0.0,
    }  # fmt: skip
    assert (found[2]["verdict"], found[2]["mitosis_class"]) == ("normal", "unclassified")
    assert found[3]["mitosis_class"] == "unclassified"  # its `none` is overruled: the tracking is sure
    assert verdict.is_none_overruled(found[3])
