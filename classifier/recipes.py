"""A network's name -> how it is trained: one frozen recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from classifier.model import DEFAULT, MOBILENET, MODELS
from lineage.schema import InputError, MitosisClass

BINARY = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value)


@dataclass(frozen=True)
class Stage:
    """A part of a training, at one pair of learning rates."""

    epochs: int  # at most
    rate: float  # learning rate of all but the backbone
    backbone_rate: float  # 0: the backbone is not trained
    patience: int | None = None  # the stage ends after so many epochs without a better validation
    anneals: bool = False  # rates fall to 0 by a cosine, after a short warm-up; else they are constant


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on, except for clips, seed and first weights."""

    stages: tuple[Stage, ...]
    side_px: int  # height and width of its input; 0: it takes measures instead of pixels
    normalisation: str
    classes: tuple[str, ...]
    batch: int
    augmentation: str = "ours"  # or "paper", "measures"
    options: dict[str, Any] = field(default_factory=dict)  # of the network, see `model.build`
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  # since a few expert labels look wrong
    mixing: float = 0.0  # share of the clips that are blended with another
    averaging: float = 0.0  # decay of the weights' moving average, a step; 0: none is taken
    members: int = 1  # networks that are averaged, trained alike from different seeds
    forest: bool = False  # its probability is combined with the networks'
    none_share: float = 0.0  # decoys for each clip in a batch
    full_balance: bool = False  # class weights by rarity, else by its square root
    head_l2: float = 0.0  # penalty on the weights of the first dense layer

    def shortened(self, epochs: int | None, patience: int | None) -> Recipe:
        """The same recipe with fewer epochs in all, or less patience; None leaves them as they are."""
        left = epochs if epochs is not None else sum(s.epochs for s in self.stages)
        stages = []
        for stage in self.stages:
            waits = stage.patience if patience is None or stage.patience is None else patience
            stages.append(replace(stage, epochs=min(stage.epochs, left), patience=waits))
            left -= stages[-1].epochs
        return replace(self, stages=tuple(s for s in stages if s.epochs))


NUCLEI = Recipe(
    stages=(Stage(60, 3e-3, 3e-3, anneals=True),),
    side_px=0,
    normalisation="measures",
    classes=(*BINARY, MitosisClass.NONE.value),
    batch=40,
    augmentation="measures",
    weight_decay=0.1,
    label_smoothing=0.1,
    mixing=0.5,
    averaging=0.98,
    members=5,
    forest=True,
    none_share=0.4,
)
PIXELS = Recipe(
    stages=(Stage(4, 1e-3, 0.0), Stage(36, 1e-3, 2e-4, anneals=True)),
    side_px=96,
    normalisation="percentiles",
    classes=(*BINARY, MitosisClass.NONE.value),
    batch=16,
    options={},
    weight_decay=0.05,
    label_smoothing=0.05,
    mixing=0.5,
    averaging=0.98,
    members=3,
    forest=True,
    none_share=0.25,
)


def paper(*rates: float, head_l2: float = 0.01) -> Recipe:
    """The paper's protocol: all layers at one learning rate; or the head at a first, then all at a second."""
    first, last = rates[0], rates[-1]
    stages = [Stage(500, first, first if len(rates) == 1 else 0.0, patience=100)]
    if len(rates) > 1:
        stages.append(Stage(500, last, last, patience=100))
    return Recipe(
        stages=tuple(stages),
        side_px=78,
        normalisation="composite",
        classes=BINARY,
        batch=10,
        augmentation="paper",
        full_balance=True,
        head_l2=head_l2,
    )


# The best row of each network in table 1 of the paper; the volume has no dense layer of its own.
FROM_SCRATCH = {
    DEFAULT: NUCLEI,
    MOBILENET: replace(PIXELS, stages=(Stage(60, 1e-3, 1e-3, anneals=True),)),
    "resnet50": paper(1e-3),
    "vgg16": paper(1e-4),
    "xception": paper(1e-4),
    "gao": paper(1e-3),
    "resnet50_3d": paper(1e-3, head_l2=0.0),
}
PRETRAINED = {
    MOBILENET: PIXELS,
    "resnet50": paper(1e-3, 1e-5),
    "vgg16": paper(1e-5, 1e-6),
    "xception": paper(1e-3, 1e-5),
}


def recipe(name: str, *, pretrained: bool) -> Recipe:
    """How a network of this name is trained, from published weights or from random ones.

    Raises:
        InputError: no such network, or none with published weights.
    """
    if name not in MODELS:
        raise InputError(f"no model {name}; known: {', '.join(MODELS)}")
    if pretrained and name not in PRETRAINED:
        raise InputError(f"{name} has no published weights; leave --pretrained out")
    return (PRETRAINED if pretrained else FROM_SCRATCH)[name]
