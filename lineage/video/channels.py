"""Which channel shows the nuclei and which the phase contrast: by name, else by the images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.video.source import Source

# Best first: what is called after the DNA or its dye says more than a wavelength does.
_NUCLEUS = (
    r"dna|(?<![a-z])sir(?![a-z])|h2b|histone|dapi|hoechst|draq|nucle|(?<![a-z])nuc(?![a-z])",
    r"far[-_ ]?red|cy[-_ ]?5|(?<!\d)6[34]\d(?!\d)",
)
_PHASE = (
    r"phase|(?<![a-z])(pc|ph)\d?(?![a-z])(?!\s*\d+\.\d)",  # and no pH 7.4
    r"bright|(?<![a-z])(bf|dic|tl|dia)(?![a-z])|trans(?!f)",
)
# Words of channels that are no phase contrast, though there be no other channel for it.
_FLUORESCENT = (
    r"gfp|yfp|rfp|cfp|bfp|venus|cherry|citrine|clover|neon|emerald|turquoise|cerulean|scarlet|ruby|tomato|"
    r"kusabira|(?<![a-z])m?k?azami|fucci|cdt1|gem(inin)?(?![a-z])|53bp1|p53|h2a\.?x|fitc|tritc|texas|alexa|"
    r"(?<![a-z])cy[-_ ]?[357]|halo(?![a-z])|snap(?![a-z])|fluo|"
    r"(?<![a-z])(green|red|yellow)(?![a-z])"
)
_PROBED_FRAMES = 5
# By how much nuclei (bright on dark) are more skewed than phase contrast (both ways from grey). In 107 of
# the paper's clips, one in four, the difference was never below 1.
_CLEAR_DIFFERENCE = 1.0
_OVERRIDE = "give --nucleus-channel and --phase-channel if that is wrong"


@dataclass(frozen=True)
class Choice:
    """The channels to use, and how they were found."""

    nucleus: int
    phase: int | None
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_channels(source: Source, file: str, nucleus: int | None, phase: int | None) -> Choice:
    """Pick the nucleus and the phase channel.

    Given channels are kept. Otherwise names decide; of two channels, the one that is left is taken; and where
    names do not help, the nuclei are the channel that looks like sparse bright spots on a dark ground.

    Args:
        source: the movie.
        file: its name, for messages.
        nucleus: the given nucleus channel, counted from 0; None to find it.
        phase: the given phase channel, likewise.

    Returns:
        Choice; `assumed` and `notes` have a sentence for each channel that was not given.

    Raises:
        InputError: a channel that is not there, one channel for both, or names and images that leave it open.
    """
    names = source.channels
    _check_options(names, file, nucleus, phase)
    every = range(len(names))
    assumed: list[str] = []
    notes: list[str] = []
    if phase is None:
        named = _matching(names, _PHASE, every, but=nucleus)
        phase = named[0] if named else None
        if phase is not None:
            notes.append(f"phase channel: {_called(names, phase)}, by its name")
    if nucleus is None:
        free = [i for i in every if i != phase]
        named = _matching(names, _NUCLEUS, free)
        if not free:
            raise InputError(f"{file} has only {_called(names, 0)}; a channel of stained nuclei is wanted")
        if len(named) > 1:
            raise InputError(
                f"{file} has {len(named)} channels that may show the nuclei ({_listed(names, named)}): "
                "choose one with --nucleus-channel"
            )
        if named:
            nucleus = named[0]
            notes.append(f"nucleus channel: {_called(names, nucleus)}, by its name")
        elif len(free) == 1:
            nucleus = free[0]
        else:
            nucleus = _by_images(source, free, file)
            assumed.append(f"nucleus channel: {_called(names, nucleus)}, by its looks; {_OVERRIDE}")
    if phase is None and len(names) == 2 and not re.search(_FLUORESCENT, names[1 - nucleus], re.IGNORECASE):
        phase = 1 - nucleus
        assumed.append(f"phase channel: {_called(names, phase)}, as the other of two; {_OVERRIDE}")
    return Choice(nucleus, phase, tuple(assumed), tuple(notes))


def is_transmitted_light(name: str) -> bool:
    """Whether a channel's name says that it shows no fluorescence: phase contrast, bright field, DIC.

    >>> is_transmitted_light("Brightfield"), is_transmitted_light("53BP1-GFP")
    (True, False)
    """
    return any(re.search(pattern, name, re.IGNORECASE) for pattern in _PHASE)


def _check_options(names: tuple[str, ...], file: str, nucleus: int | None, phase: int | None) -> None:
    listed = _listed(names, range(len(names)))
    for option, index in (("--nucleus-channel", nucleus), ("--phase-channel", phase)):
        if index is not None and not 0 <= index < len(names):
            raise InputError(
                f"{option} {index} is not there: {file} has {len(names)} ({listed}); count from 0"
            )
    if nucleus is not None and nucleus == phase:
        raise InputError(
            f"channel {nucleus} is given as nucleus and as phase: give two of {file}'s ({listed})"
        )


def _matching(
    names: tuple[str, ...], patterns: tuple[str, ...], among: Iterable[int], *, but: int | None = None
) -> list[int]:
    """The channels that the first pattern to match anything matches.

    >>> _matching(("Cy5", "SiR-DNA", "PC"), _NUCLEUS, range(3))
    [1]
    """
    indices = [i for i in among if i != but]
    tiers = ([i for i in indices if re.search(p, names[i], re.IGNORECASE)] for p in patterns)
    return next(filter(None, tiers), [])


def _by_images(source: Source, among: list[int], file: str) -> int:
    """The channel that is clearly the most skewed towards bright."""
    frames = np.unique(np.linspace(0, source.n_frames - 1, _PROBED_FRAMES).astype(int))
    skewness = [
        float(np.nanmedian([_skewness(source.read(int(t), c)) for t in frames] or [np.nan])) for c in among
    ]
    order = np.argsort(np.nan_to_num(skewness, nan=-np.inf))
    best, second = order[-1], order[-2]
    if not skewness[best] - skewness[second] >= _CLEAR_DIFFERENCE:
        raise InputError(
            f"{file} has {len(source.channels)} channels ({_listed(source.channels, among)}), "
            "and neither names nor images show which has the nuclei: choose it with --nucleus-channel"
        )
    return among[best]


def _skewness(plane: np.ndarray) -> float:
    """Third standardised moment of 2 x 2 means, which are less noisy; 0 where there is no contrast."""
    from scipy.stats import skew

    height, width = (n // 2 * 2 for n in plane.shape)
    means = plane[:height, :width].astype(np.float64).reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    means = means[np.isfinite(means)]
    return float(skew(means)) if means.size and np.ptp(means) > 0 else 0.0


def _called(names: tuple[str, ...], index: int) -> str:
    return f"channel {index}" + (f" ({names[index]})" if names[index] else "")


def _listed(names: tuple[str, ...], indices: Iterable[int]) -> str:
    return ", ".join(f"{i} {names[i] or 'without a name'}" for i in indices)
