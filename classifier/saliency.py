"""A crop and a classifier -> how much each frame and pixel spoke for abnormal: Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.schema import MitosisClass

if TYPE_CHECKING:
    import numpy as np
    import torch

    from classifier.predict import Classifier


def saliency(
    classifier: Classifier, pixels: np.ndarray, pixel_size_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find what speaks for abnormal rather than normal in the first network.

    Args:
        classifier: any but the volume, which has no feature maps of single frames.
        pixels: (T, 2, H, W), raw intensities.
        pixel_size_um: side of a pixel.

    Returns:
        (T,) each frame's share, and (T, S, S) maps in 0..1, S the side of the network's input; maps of
        zeros, (T, 1, 1), where it takes measures.

    Source: Selvaraju et al. 2017, Grad-CAM: visual explanations from deep networks.
    """
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    model, classes = classifier.models[0], classifier.card.classes
    crop = torch.from_numpy(classifier.network_input(pixels, pixel_size_um))  # (12, C, S, S)
    crop = crop.to(next(model.parameters()).device)
    if classifier.takes_measures:
        return _frame_shares(model, crop, classes), np.zeros((len(crop), 1, 1), np.float32)
    maps: list[torch.Tensor] = []

    def keep_maps(_: Any, __: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        maps.append(output)

    hook = model.backbone.register_forward_hook(keep_maps)
    try:
        logits = model(crop[None])[0]
        abnormal, normal = (classes.index(c) for c in (MitosisClass.ABNORMAL, MitosisClass.NORMAL))
        (logits[abnormal] - logits[normal]).backward()
    finally:
        hook.remove()
        model.zero_grad(set_to_none=True)
    values, gradient = maps[0].detach(), maps[0].grad  # (12, F, h, w)
    if gradient is None:
        raise RuntimeError("no gradient reached the feature maps")
    weights = gradient.mean((2, 3), keepdim=True)
    heat = (weights * values).sum(1, keepdim=True).clamp(min=0)  # (12, 1, h, w)
    heat = interpolate(heat, size=crop.shape[-2:], mode="bilinear")[:, 0]
    frames = heat.sum((1, 2))
    shares, heat = frames / frames.sum().clamp(min=1e-12), heat / heat.max().clamp(min=1e-12)
    return shares.cpu().numpy(), heat.cpu().numpy()


def _frame_shares(model: torch.nn.Module, crop: torch.Tensor, classes: tuple[str, ...]) -> np.ndarray:
    """(T,) how much each frame's measures speak for or against abnormal, by gradient times value."""
    x = crop[None].clone().requires_grad_(True)
    logits = model(x)[0]
    abnormal, normal = (classes.index(c) for c in (MitosisClass.ABNORMAL, MitosisClass.NORMAL))
    (logits[abnormal] - logits[normal]).backward()
    model.zero_grad(set_to_none=True)
    if x.grad is None:
        raise RuntimeError("no gradient reached the measures")
    shares = (x.grad * x.detach()).abs().sum(dim=2)[0]
    return (shares / shares.sum().clamp(min=1e-12)).cpu().numpy()
