"""What was seen goes before the classifier's word, in an order that is written down."""

from dataclasses import replace

import pytest

from lineage.mitosis import subtypes
from lineage.mitosis.subtypes import subtype
from lineage.schema import EventType, MitosisClass, MitosisEvent, Subtype

DIVISION = MitosisEvent(1, 1, (2, 3), 10, 0, 0, 0, 0, "drawn", n_poles=2, separated=True)
ATTEMPT = replace(DIVISION, daughters=(), n_poles=0, separated=False)
SLIPPAGE = replace(ATTEMPT, returned=True)
ALL_AT_ONCE = {"refusion_after_min": 60.0, "bridge": True, "n_micronuclei": 2}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (replace(ATTEMPT, died_after_min=40.0), Subtype.DEATH_IN_MITOSIS),
        (replace(SLIPPAGE, died_after_min=40.0), Subtype.DEATH_IN_MITOSIS),
        (SLIPPAGE, Subtype.SLIPPAGE),
        (replace(DIVISION, n_poles=4, **ALL_AT_ONCE), Subtype.TETRAPOLAR),
        (replace(DIVISION, n_poles=5), Subtype.TETRAPOLAR),
        (replace(DIVISION, n_poles=3, **ALL_AT_ONCE), Subtype.TRIPOLAR),
        (replace(DIVISION, **ALL_AT_ONCE), Subtype.FURROW_REGRESSION),
        (replace(DIVISION, **ALL_AT_ONCE | {"refusion_after_min": None}), Subtype.LAGGING),
        (replace(DIVISION, n_micronuclei=2, bridge=False), Subtype.MICRONUCLEI),
        (replace(DIVISION, n_micronuclei=1), Subtype.MICRONUCLEI),
        # A daughter that dies later separated all the same.
        (replace(DIVISION, n_poles=3, died_after_min=40.0), Subtype.TRIPOLAR),
    ],
)
@pytest.mark.parametrize("judged", list(MitosisClass))
def test_what_was_seen_goes_before_the_classifiers_word(event, kind, judged):
    assert subtype(event, judged) is kind


@pytest.mark.parametrize(
    ("judged", "kind"),
    [
        ("normal", Subtype.NORMAL),
        ("abnormal", Subtype.ABNORMAL),
        ("none", Subtype.UNCLASSIFIED),
        ("unclassified", Subtype.UNCLASSIFIED),
    ],
)
@pytest.mark.parametrize("seen", [{}, {"n_micronuclei": 0, "bridge": False}, {"died_after_min": 300.0}])
def test_where_nothing_was_seen_the_classifier_is_heard(judged, kind, seen):
    assert subtype(replace(DIVISION, **seen), judged) is kind
    # Nor is it known what became of a condensed cell that was lost from sight.
    assert subtype(replace(ATTEMPT, **seen | {"died_after_min": None}), judged) is kind


@pytest.mark.parametrize(
    ("event_type", "linked", "kind"),
    [
        (EventType.DEATH, None, Subtype.DEATH_IN_INTERPHASE),
        (EventType.FUSION, None, Subtype.CELL_FUSION),
        (EventType.FUSION, 4, Subtype.SISTER_FUSION),
    ],
)
def test_fusions_and_deaths_have_kinds_of_their_own(event_type, linked, kind):
    event = replace(SLIPPAGE, event_type=event_type, linked_event=linked, **ALL_AT_ONCE)
    assert subtype(event, "abnormal") is kind


def test_the_order_is_the_one_that_is_written_down():
    told = subtypes.__doc__.lower()
    words = [
        "death in mitosis",
        "slippage",
        "tetrapolar",
        "tripolar",
        "furrow regression",
        "lagging",
        "micronuclei",
    ]
    places = [told.index(word) for word in words]
    assert places == sorted(places)
    seen = [Subtype.DEATH_IN_MITOSIS, Subtype.SLIPPAGE, Subtype.TETRAPOLAR, Subtype.TRIPOLAR]
    seen += [Subtype.FURROW_REGRESSION, Subtype.LAGGING, Subtype.MICRONUCLEI]
    assert [kind for kind, _ in subtypes._seen(DIVISION)] == seen
