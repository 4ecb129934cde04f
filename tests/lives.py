"""Simulated lives to draw and to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate
from lineage.simulate.cells import Cell, Mitosis, Subtype
from lineage.simulate.dish import area_ratio
from lineage.simulate.population import grow

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings


def one_division(subtype: Subtype = Subtype.NORMAL, lagging: float = 0.0) -> tuple[Cell, list[Cell]]:
    """1 --+-- 2
    +-- 3   at 100 min"""
    mitosis = Mitosis(subtype, 40, 65, 100, axis=0.5, tilt=0.0, lagging=lagging)
    mother = Cell(
        1, (), 0, 1, -900, 1.0, 7, (-500, -100), mitosis=mitosis, end_min=100, fate=Fate.DIVIDED,
        daughters=(2, 3),
    )  # fmt: skip
    axes = (0.5, 0.5 + np.pi)
    daughters = [
        Cell(2 + k, (1,), 1, 1, 100, 1.0, 8 + k, (400, 800), axis, siblings=2) for k, axis in enumerate(axes)
    ]
    return mother, daughters


def still(settings: Settings) -> np.ndarray:
    return np.zeros((settings.frames, 2))


def population(seed: int, settings: Settings) -> list[Cell]:
    founders = round(settings.founders * area_ratio(settings))
    return grow(np.random.default_rng(seed), settings, founders=founders)
