"""How each network is trained: one frozen recipe a name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from classifier.model import DEFAULT
from lineage.schema import MitosisClass

BINARY = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value)


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one pair of rates."""

    epochs: int  # at most
    rate: float  # of all but the backbone
    backbone_rate: float  # 0: the backbone rests
    patience: int | None = None  # epochs without a better validation after which the stage ends
    anneals: bool = False  # down to 0 by a cosine, after a short warm-up; else the rate stands


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on beside clips, seed and starting weights."""

    stages: tuple[Stage, ...]
    side_px: int
    normalisation: str
    classes: tuple[str, ...]
    batch: int
    augmentation: str = "ours"  # or "paper"
    options: dict[str, Any] = field(default_factory=dict)  # of the network
    augment_options: dict[str, Any] = field(default_factory=dict)
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  # a few expert labels look wrong
    mixing: float = 0.0  # share of the batches in which clips are blended pairwise
    averaging: float = 0.0  # of the weights, a step; 0: none
    members: int = 1  # networks that vote, trained alike from other seeds
    none_share: float = 0.0  # decoys shown, for each clip shown
    full_balance: bool = False  # class weights by rarity, else by its root
    head_l2: float = 0.0  # on the weights of the first dense layer


OURS = Recipe(
    stages=(Stage(6, 1e-3, 0.0, anneals=False), Stage(54, 1e-3, 2e-4, anneals=True)),
    side_px=96,
    normalisation="percentiles",
    classes=(*BINARY, MitosisClass.NONE.value),
    batch=16,
    options={},
    weight_decay=0.05,
    label_smoothing=0.05,
    mixing=0.5,
    averaging=0.98,
    none_share=0.25,
)


def paper(first: float, second: float | None) -> Recipe:
    """The paper's protocol at its best rates: the last layers at `first`, then all at `second`."""
    stages = (
        (Stage(500, first, first, patience=100),)
        if second is None
        else (Stage(500, first, 0.0, patience=100), Stage(500, second, second, patience=100))
    )
    return Recipe(
        stages=stages, side_px=78, normalisation="composite", classes=BINARY, batch=10, augmentation="paper",
        full_balance=True, head_l2=0.01,
    )  # fmt: skip


# Table 1 of the paper, its best row of each: the rates from random weights, and from ImageNet's.
FROM_SCRATCH = {
    "resnet50": paper(1e-3, None), "vgg16": paper(1e-4, None), "xception": paper(1e-4, None), "gao": paper(1e-3, None),
    "resnet50_3d": replace(paper(1e-3, None), head_l2=0.0),
}  # fmt: skip
PRETRAINED = {"resnet50": paper(1e-3, 1e-5), "vgg16": paper(1e-5, 1e-6), "xception": paper(1e-3, 1e-5), "resnet50_3d": replace(paper(1e-3, 1e-5), head_l2=0.0)}


def recipe(name: str, *, pretrained: bool) -> Recipe:
    if name == DEFAULT:
        return OURS if pretrained else replace(OURS, stages=(Stage(60, 1e-3, 1e-3, anneals=True),))
    return PRETRAINED.get(name, FROM_SCRATCH[name]) if pretrained else FROM_SCRATCH[name]
