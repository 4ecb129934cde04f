"""An event and the classifier's class -> its subtype: what was seen to happen.

What it counts as, all evidence together, is decided in `lineage.mitosis.verdict`. Here what was seen goes
before that class. Of a mitosis the first that holds, in this order: death in mitosis, slippage,
tetrapolar (four poles on), tripolar, furrow regression, lagging chromatin (or a bridge), micronuclei; then
`abnormal` or `normal` as the classifier says, or `unclassified` where there is no prediction. So a tripolar
division whose daughters reunite is tripolar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import EventType, MitosisClass, Subtype

if TYPE_CHECKING:
    from lineage.schema import MitosisEvent


def subtype(event: MitosisEvent, mitosis_class: str) -> Subtype:
    """The kind of an event.

    Args:
        event: as it was seen.
        mitosis_class: the classifier's, or `unclassified`.
    """
    if event.event_type is EventType.DEATH:
        return Subtype.DEATH_IN_INTERPHASE
    if event.event_type is EventType.FUSION:
        return Subtype.CELL_FUSION if event.linked_event is None else Subtype.SISTER_FUSION
    by_class = {
        MitosisClass.NORMAL: Subtype.NORMAL,
        MitosisClass.ABNORMAL: Subtype.ABNORMAL,
    }.get(MitosisClass(mitosis_class), Subtype.UNCLASSIFIED)
    return next((kind for kind, holds in _seen(event) if holds), by_class)


def _seen(event: MitosisEvent) -> list[tuple[Subtype, bool]]:
    return [
        (Subtype.DEATH_IN_MITOSIS, not event.separated and event.died_after_min is not None),
        (Subtype.SLIPPAGE, event.returned),
        (Subtype.TETRAPOLAR, event.n_poles > 3),
        (Subtype.TRIPOLAR, event.n_poles == 3),
        (Subtype.FURROW_REGRESSION, event.refusion_after_min is not None),
        (Subtype.LAGGING, bool(event.bridge)),
        (Subtype.MICRONUCLEI, bool(event.n_micronuclei)),
    ]
