"""Normalised clips -> random variants of them; one transform for all 12 frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate

from lineage.schema import SEPARATION_INDEX

if TYPE_CHECKING:
    from torch import Generator, Tensor

# The median frame in which chromatin first separates in the paper's clips, read by eye.
TYPICAL_SEPARATION = {"PC3": 1, "U251": 5}
MAX_SEPARATION = 8
MAX_SHIFT = 3  # frames; measures are moved by no more, since crops have their separation at index 3
MOVED = 0.5  # share of the clips whose separation is moved to another frame
CROWDED = 0.3  # share of the clips that get a neighbour at the edge


@dataclass(frozen=True)
class Batch:
    """Clips to augment, all on one device."""

    pixels: Tensor  # (B, 12, C, H, W) float32, normalised; or (B, 12, F), measures
    separations: Tensor  # (B,) int64, about where the chromatin first separates


def vary(batch: Batch, random: Generator) -> Tensor:
    """Vary clips as another microscope, or another choice of crop windows, might have given them.

    Args:
        batch: not changed.
        random: source of everything random, on the batch's device.

    Returns:
        (B, 12, C, H, W) float32.
    """
    n = len(batch.pixels)
    x = move_in_time(batch.pixels, random_shifts(batch.separations, random), random_speeds(n, random))
    x = move_in_space(x, random_scales(n, random), random)
    return drop_channel(disturb(neighbour_at_edge(x, random), random), random)


def vary_measures(batch: Batch, random: Generator) -> Tensor:
    """Vary measures: half of the clips are moved by up to three frames, half go faster or slower.

    Args:
        batch: its pixels are measures, (B, 12, F); not changed.
        random: source of everything random, on the batch's device.

    Returns:
        (B, 12, F) float32.
    """
    n = len(batch.pixels)
    shifts = uniform((n,), -MAX_SHIFT - 0.5, MAX_SHIFT + 0.5, random).round()
    shifts = torch.where(uniform((n,), 0, 1, random) < MOVED, shifts, torch.zeros_like(shifts))
    return move_in_time(batch.pixels, shifts, random_speeds(n, random))


def uniform(shape: tuple[int, ...], low: float, high: float, random: Generator) -> Tensor:
    """Draw evenly distributed numbers.

    Args:
        shape: of the result.
        low: smallest.
        high: largest.
        random: source of everything random.

    Returns:
        Numbers on the generator's device.
    """
    return low + (high - low) * torch.rand(shape, generator=random, device=random.device)


def normal(shape: tuple[int, ...], spread: float, random: Generator) -> Tensor:
    """Draw normally distributed numbers around 0.

    Args:
        shape: of the result.
        spread: their standard deviation.
        random: source of everything random.

    Returns:
        Numbers on the generator's device.
    """
    return spread * torch.randn(shape, generator=random, device=random.device)


def random_shifts(separations: Tensor, random: Generator) -> Tensor:
    """(B,) frames to move by: a quarter comes to separate at any index from 0 to 8, a quarter near 3."""
    n = separations.shape
    target = uniform(n, -0.5, MAX_SEPARATION + 0.5, random)
    near = (SEPARATION_INDEX + normal(n, 1.0, random)).clamp(0, MAX_SEPARATION)
    chosen = uniform(n, 0, 1, random)
    target = torch.where(chosen < MOVED / 2, target, near).round()
    return torch.where(chosen < MOVED, target - separations, torch.zeros_like(target))


def random_speeds(n: int, random: Generator) -> Tensor:
    """(B,) factors of speed: 0.85 to 1.15 in half of the clips, else 1."""
    speeds = uniform((n,), 0.85, 1.15, random)
    return torch.where(uniform((n,), 0, 1, random) < 0.5, speeds, torch.ones_like(speeds))


def move_in_time(x: Tensor, shifts: Tensor, speeds: Tensor) -> Tensor:
    """Move clips in time, and make them faster; beyond their ends the end frames are repeated.

    Args:
        x: (B, T, ...).
        shifts: (B,) frames; positive ones move everything to later frames.
        speeds: (B,) factors.

    Returns:
        (B, T, ...).

    >>> x = torch.arange(5.0).view(1, 5, 1, 1, 1)
    >>> move_in_time(x, torch.tensor([2]), torch.tensor([1.0])).flatten().tolist()
    [0.0, 0.0, 0.0, 1.0, 2.0]
    """
    n = x.shape[1]
    middle = (n - 1) / 2
    frames = torch.arange(n, device=x.device) - middle  # (n,)
    wanted = middle + frames * speeds[:, None] - shifts[:, None]
    index = wanted.round().long().clamp(0, n - 1)  # (B, n)
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def random_scales(n: int, random: Generator) -> Tensor:
    """(B,) widths of the view relative to the clip, 0.75 to 1.4."""
    return torch.exp(normal((n,), 0.15, random)).clamp(0.75, 1.4)


def move_in_space(x: Tensor, scales: Tensor, random: Generator) -> Tensor:
    """Rescale, flip, rotate, move and bend clips, all frames of a clip alike.

    Beyond the clip's edge there is its mirror image or, more often, an even background into which the edge is
    blended.

    Args:
        x: (B, 12, C, H, W).
        scales: (B,) widths of the view relative to the clip.
        random: source of everything random.

    Returns:
        (B, 12, C, H, W).
    """
    n, size = len(x), x.shape[-2:]
    angles = uniform((n,), 0, 2 * torch.pi, random)
    flips = torch.where(uniform((n,), 0, 1, random) < 0.5, -1.0, 1.0)
    cos, sin = scales * angles.cos(), scales * angles.sin()
    turn = torch.stack([torch.stack([cos * flips, -sin], -1), torch.stack([sin * flips, cos], -1)], 1)
    theta = torch.cat([turn, uniform((n, 2, 1), -0.12, 0.12, random)], dim=2)  # (B, 2, 3)
    bend = interpolate(normal((n, 2, 3, 3), 0.05, random), size=size, mode="bicubic", align_corners=True)
    grid = affine_grid(theta, [n, 1, *size], align_corners=False) + bend.permute(0, 2, 3, 1)
    moved = grid_sample(x.flatten(1, 2), grid, padding_mode="reflection", align_corners=False).view_as(x)
    inside = 1 - grid.abs().amax(-1)  # (B, H, W): 1 in the middle of the clip, 0 at its edge
    soft = uniform((n, 1, 1), 0.02, 0.3, random)
    alpha = (inside / soft).clamp(0, 1)
    mirrored = uniform((n, 1, 1), 0, 1, random) < 0.4
    alpha = torch.where(mirrored, torch.ones_like(alpha), alpha)[:, None, None]  # (B, 1, 1, H, W)
    return alpha * moved  # background is 0 in both channels


def neighbour_at_edge(x: Tensor, random: Generator) -> Tensor:
    """Put a strip of another clip's middle, with its nucleus, at one edge of some clips."""
    n, size = len(x), x.shape[-1]
    widths = uniform((n,), 0.08, 0.22, random) * (uniform((n,), 0, 1, random) < CROWDED)
    columns = (torch.arange(size, device=x.device) + 0.5) / size  # (W,)
    alpha = ((widths[:, None] - columns) / 0.04 + 0.5).clamp(0, 1) * (widths[:, None] > 0)  # (B, W)
    other = x.roll(1, dims=0).roll(size // 2, dims=-1)  # its middle lies at the left edge
    alpha = alpha[:, None, None, None]
    return x * (1 - alpha) + other * alpha


def disturb(x: Tensor, random: Generator) -> Tensor:
    """Change gain, offset and gamma, and add noise."""
    n, channels = len(x), x.shape[2]
    shape = (n, 1, channels, 1, 1)
    phase, dna = x[:, :, :1], x[:, :, 1:]
    gamma = torch.exp(uniform((n, 1, 1, 1, 1), -0.3, 0.3, random))
    x = torch.cat([phase, dna.sign() * dna.abs().clamp(min=1e-4) ** gamma], dim=2)
    noise = uniform((n, 1, 1, 1, 1), 0, 0.14, random) * uniform(tuple(x.shape), -1, 1, random)
    return x * uniform(shape, 0.8, 1.25, random) + normal(shape, 0.05, random) + noise


def drop_channel(x: Tensor, random: Generator) -> Tensor:
    """Set phase to 0 in a sixth of the clips and DNA in a twelfth, as in movies with one channel."""
    lost = uniform((len(x),), 0, 1, random)
    kept = torch.stack([lost >= 1 / 6, lost < 1 - 1 / 12], dim=1).to(x.dtype)
    return x * kept[:, None, :, None, None]


def vary_as_the_paper(batch: Batch, random: Generator) -> Tensor:
    """Flips, rotation by 0 to 90 degrees, elastic deformation on a 3 x 3 grid (5 px), uniform noise.

    Source: Delgado-Rodriguez et al. 2024.
    """
    x = batch.pixels
    n, size = len(x), x.shape[-2:]
    angles = uniform((n,), 0, torch.pi / 2, random)
    flips = torch.where(uniform((n, 2), 0, 1, random) < 0.5, -1.0, 1.0)
    cos, sin = angles.cos(), angles.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1) * flips[:, None]
    theta = torch.cat([turn, torch.zeros((n, 2, 1), device=x.device)], dim=2)
    bend = uniform((n, 2, 3, 3), -1, 1, random) * (2 * 5.0 / size[0])
    grid = affine_grid(theta, [n, 1, *size], align_corners=False)
    grid = grid + interpolate(bend, size=size, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    moved = grid_sample(x.flatten(1, 2), grid, padding_mode="border", align_corners=False).view_as(x)
    return moved + uniform(tuple(x.shape), -0.02, 0.02, random)
