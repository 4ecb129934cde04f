"""One random transform for all frames of a clip: (12, 2, H, W) raw numbers -> the same, normalised."""

from __future__ import annotations

import numpy as np

from classifier.data import normalise
from lineage.schema import SEPARATION_INDEX

# Where the chromatin first separates in the paper's clips, at the median (by eye).
TYPICAL_SEPARATION = {"PC3": 1, "U251": 5}
LATEST_SEPARATION = 8
TYPICAL_SIDE_UM = 85.0  # of the squares that clips and pipeline cut


def augment(pixels: np.ndarray, separation: int, side_um: float, rng: np.random.Generator) -> np.ndarray:
    """Another clip of the same mitosis, as another microscope, cutter or tracker might have given it.

    Args:
        pixels: (12, 2, H, W), channels (phase, dna), raw numbers.
        separation: about where the chromatin first separates, an index of the 12 frames.
        side_um: side of the square that the clip shows.
        rng: all that is random comes from here.

    Returns:
        (12, 2, H, W) float32, normalised.
    """
    moved = deform(shift_in_time(pixels, random_shift(separation, rng)), random_scale(side_um, rng), rng)
    return drop_channel(disturb(normalise(moved), rng), rng)


def random_shift(separation: int, rng: np.random.Generator) -> int:
    """Frames to move a clip by so that it separates anywhere from index 0 to 8, mostly near 3."""
    anywhere = rng.integers(LATEST_SEPARATION + 1)
    near = round(np.clip(rng.normal(SEPARATION_INDEX, 1.0), 0, LATEST_SEPARATION))
    return int(anywhere if rng.random() < 1 / 3 else near) - separation


def random_scale(side_um: float, rng: np.random.Generator) -> float:
    """How many times wider than the clip the view becomes, 0.7 to 1.7.

    The experts cut wider squares around abnormal mitoses (side alone: AUC 0.66), and the pipeline cuts its
    own. So the new side is drawn without regard to the old one, as far as the clip allows.
    """
    side = TYPICAL_SIDE_UM * np.exp(rng.normal(0, 0.25))
    return float(np.clip(side / side_um, 0.7, 1.7))


def shift_in_time(pixels: np.ndarray, shift: int) -> np.ndarray:
    """Later by `shift` frames, earlier if negative; the end frames stand still where the clip ends.

    >>> shift_in_time(np.arange(5), 2)
    array([0, 0, 0, 1, 2])
    """
    n = len(pixels)
    return pixels[np.clip(np.arange(n) - shift, 0, n - 1)]


def deform(pixels: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Show a view `scale` times as wide, flipped, rotated, moved and bent, in all frames alike.

    What comes into view from beyond the clip is its mirror image or, more often, an even background
    into which the clip's edge is blended.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample, interpolate

    angle = rng.uniform(0, 2 * np.pi)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn[:, 0] *= rng.choice([-1, 1])  # a flip in x; with any rotation, in any direction
    theta = np.concatenate([turn, rng.uniform(-0.12, 0.12, (2, 1))], axis=1)
    size = pixels.shape[-2:]
    bend = torch.from_numpy(rng.normal(0, 0.05, (1, 2, 3, 3))).float()
    grid = affine_grid(torch.from_numpy(theta).float()[None], [1, 1, *size], align_corners=False)
    grid = grid + interpolate(bend, size=size, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    frames = torch.from_numpy(pixels.reshape(1, -1, *size))
    moved = grid_sample(frames, grid, padding_mode="reflection", align_corners=False).reshape(pixels.shape)
    if rng.random() < 0.4:
        return moved.numpy()
    inside = 1 - grid.abs().amax(-1)  # (1, H, W): 1 in the middle of the clip, 0 at its edge
    alpha = (inside / rng.uniform(0.02, 0.3)).clamp(0, 1).numpy()
    return alpha * moved.numpy() + (1 - alpha) * background(pixels)


def background(pixels: np.ndarray) -> np.ndarray:
    """(2, 1, 1): an empty place's value in each channel."""
    return np.array([np.median(pixels[:, 0]), np.percentile(pixels[:, 1], 5)], np.float32)[:, None, None]


def disturb(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another gain, offset, gamma and noise for each channel of a normalised crop."""
    gain = rng.uniform(0.8, 1.25, (2, 1, 1))
    offset = rng.normal(0, 0.05, (2, 1, 1))
    gamma = np.exp(rng.uniform(-0.3, 0.3))
    crop = np.stack([crop[:, 0], np.sign(crop[:, 1]) * np.abs(crop[:, 1]) ** gamma], axis=1)
    noise = rng.standard_normal(crop.shape, dtype=np.float32) * rng.uniform(0, 0.08)
    return (crop * gain + offset + noise).astype(np.float32)


def drop_channel(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zeros for phase in a sixth of the clips and for DNA in a twentieth, as in a one-channel movie."""
    lost = rng.random()
    kept = np.array([lost >= 1 / 6, lost < 1 - 1 / 20], np.float32)
    return crop * kept[:, None, None]
