"""An event and the classifier's word on it -> what kind it was seen to be.

What it counts as, all evidence together, is decided in `lineage.mitosis.verdict`. Here what was seen goes
before the classifier's word. Of a mitosis the first that holds, in this order: death in mitosis, slippage,
tetrapolar (four poles on), tripolar, furrow regression, lagging chromatin (or a bridge), micronuclei; then
`abnormal` or `normal` as the classifier says, or `unclassified` where it was not asked. So a tripolar
division whose daughters reunite is tripolar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import EventType, MitosisClass, Subtype

if TYPE_CHECKING:
    from lineage.schema import MitosisEvent


def subtype(event: MitosisEvent, judged: str) -> Subtype:
    """The kind of an event.

    Args:
        event: as it was seen.
        judged: its `mitosis_class`.
    """
    if event.event_type is EventType.DEATH:
        return Subtype.DEATH_IN_INTERPHASE
    if event.event_type is EventType.FUSION:
        return Subtype.CELL_FUSION if event.linked_event is None else Subtype.SISTER_FUSION
    by_verdict = {
        MitosisClass.NORMAL: Subtype.NORMAL,
        MitosisClass.ABNORMAL: Subtype.ABNORMAL,
    }.get(MitosisClass(judged), Subtype.UNCLASSIFIED)
    return next((kind for kind, holds in _seen(event) if holds), by_verdict)


def _seen(event: MitosisEvent) -> list[tuple[Subtype, bool]]:
    return [
        (Subtype.DEATH_IN_MITOSIS, not event.separated and event.died_after_min is not None),
        (Subtype.SLIPPAGE, event.returned),
        (Subtype.TETRAPOLAR, event.n_poles > 3),
        (Subtype.TRIPOLAR, event.n_poles == 3),
        (Subtype.FURROW_REGRESSION, event.refused_after_min is not None),
        (Subtype.LAGGING, bool(event.bridge)),
        (Subtype.MICRONUCLEI, bool(event.n_micronuclei)),
    ]
