"""An image and its nuclei -> what each looks like: interphase, a mitotic figure, dying, debris, ...

A small convolutional network sees each nucleus, and what is around it, zoomed so that the usual nucleus of a
frame has the same size in every movie. It judges a single picture; brightness beside other nuclei, size and
rounding are measured, and `state.py` puts both together.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineage.device import AUTO
from lineage.schema import LOOKS

if TYPE_CHECKING:
    import torch

    from lineage.nuclei.measure import Measures

PATH = Path(__file__).with_name("appearance.safetensors")
SIDE = 32  # of what the network sees, pixels
DIAMETER = 13.0  # of a usual nucleus of the frame in it, pixels
BRIGHTEST = 4.0  # grey levels are given over the nucleus's own mean, up to this
FILTERS = (16, 32, 64)
BATCH = 256  # nuclei at a time


def looks(above: np.ndarray, labels: np.ndarray, found: Measures, *, device: str = AUTO) -> np.ndarray:
    """Judge each nucleus by its pixels.

    Args:
        above: (Y, X) grey levels above the background.
        labels: (Y, X), 0 is background.
        found: the labels' measures.
        device: as `lineage.device.device_of` knows it.

    Returns:
        (N, len(LOOKS)) float32 probabilities, as if all looks were equally frequent; rows sum to 1.
    """
    if not len(found.label):
        return np.zeros((0, len(LOOKS)), np.float32)
    return probabilities(network(device), crops(above, labels, found))


def crops(
    above: np.ndarray,
    labels: np.ndarray,
    found: Measures,
    *,
    diameter_px: float | None = None,
    side: int = SIDE,
) -> np.ndarray:
    """Cut out each nucleus with what is around it.

    Args:
        above: (Y, X) grey levels above the background.
        labels: (Y, X), 0 is background.
        found: the labels' measures.
        diameter_px: of the usual nucleus; None takes the frame's median.
        side: of what is cut out.

    Returns:
        (N, 2, side, side) float32: grey levels over the nucleus's own mean, and where it lies itself.
    """
    from scipy.ndimage import map_coordinates

    diameter = diameter_px or float(2 * np.sqrt(np.median(found.area_px) / np.pi))
    step = max(diameter, 1.0) / DIAMETER  # pixels of the image to one that is seen
    coarser = max(1, int(step))  # a mean over so many, so that nothing is passed over
    image = _coarser(above, coarser)
    offsets = (np.arange(side) - (side - 1) / 2) * step
    y, x = (found.position_px[:, k, None] + offsets for k in (0, 1))
    grid = np.stack(np.broadcast_arrays(y[:, :, None], x[:, None, :]))  # (2, N, side, side)
    shift = (coarser - 1) / 2
    grey = map_coordinates(image, (grid - shift) / coarser, order=1, mode="constant")
    nearest = np.rint(grid).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < np.array(labels.shape)[:, None, None, None])).all(axis=0)
    at = labels[np.clip(nearest[0], 0, labels.shape[0] - 1), np.clip(nearest[1], 0, labels.shape[1] - 1)]
    own = inside & (at == found.label[:, None, None])
    mean = np.maximum(found.mean, 1e-6)[:, None, None]
    return np.stack([np.clip(grey / mean, 0, BRIGHTEST), own], axis=1).astype(np.float32)


def _coarser(image: np.ndarray, by: int) -> np.ndarray:
    """Means of squares of `by` pixels; what is left at the far edges goes into none."""
    if by == 1:
        return image
    height, width = (n // by for n in image.shape)
    return image[: height * by, : width * by].reshape(height, by, width, by).mean(axis=(1, 3))


def probabilities(net: torch.nn.Module, seen: np.ndarray) -> np.ndarray:
    """(N, len(LOOKS)) probabilities from (N, 2, SIDE, SIDE)."""
    import torch

    from lineage.device import computing

    device = next(net.parameters()).device
    with torch.inference_mode(), computing(device):
        parts = [net(part.to(device)).softmax(dim=1).cpu() for part in torch.from_numpy(seen).split(BATCH)]
    return torch.cat(parts).numpy()


def new_network() -> torch.nn.Module:
    """The network, with random weights: (N, 2, SIDE, SIDE) -> (N, len(LOOKS)) logits."""
    from torch import nn

    layers: list[nn.Module] = []
    before = 2
    for n in FILTERS:
        layers += [nn.Conv2d(before, n, 3, padding=1), nn.ReLU(), nn.Conv2d(n, n, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = n
    side = SIDE // 2 ** len(FILTERS)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(before * side**2, len(LOOKS)))


def digest() -> str:
    """SHA-256 of the bundled network's file, for a run's record."""
    import hashlib

    return hashlib.sha256(PATH.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def network(device: str = AUTO) -> torch.nn.Module:
    """The bundled one, on a device that `lineage.device.device_of` knows."""
    from safetensors.torch import load_file

    from lineage.device import computing, device_of

    net = new_network()
    net.load_state_dict(load_file(PATH))
    with computing(device_of(device)):
        return net.eval().to(device_of(device))
