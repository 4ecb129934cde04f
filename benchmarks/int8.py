"""What whole numbers of eight bits change: `python benchmarks/int8.py IMAGES MASKS`.

The bundled networks in float32, bfloat16 and eight bits, of images with masks that they have not learned
from: which pixels and nuclei agree, average precision, and what nuclei (those of the masks) are said to look
like. `--measure-appearance` measures the ranges of the network of appearances on these images instead, and
writes them beside its weights; give it images that may be learned from. Those of a StarDist model come from
`python -m lineage.stardist ranges`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import torch
from stardist.matching import matching_dataset

from lineage.int8 import is_fast
from lineage.nuclei import appearance
from lineage.nuclei.background import background
from lineage.nuclei.measure import measures_of
from lineage.stardist import data, model, network, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lineage.stardist.data import Annotated

CPU = torch.device("cpu")
PIXEL_SIZE_UM = 1.0  # the background is looked for around each nucleus, 17 pixels far
IOUS = (0.5, 0.7, 0.9)


def pictures(pairs: list[Annotated]) -> Iterator[np.ndarray]:
    """What the network of appearances sees of the masks' nuclei, an image at a time."""
    for pair in pairs:
        image = pair.image.astype(np.float32)
        if not pair.mask.any():
            continue
        above = image - background(image, pair.mask, pixel_size_um=PIXEL_SIZE_UM)
        yield appearance.crops(above, pair.mask, measures_of(pair.mask, above))


def float_network() -> torch.nn.Sequential:
    """The bundled network of appearances, in float32."""
    return appearance.network("cpu").layers


def labels(kind: str, pairs: list[Annotated]) -> tuple[list[np.ndarray], float]:
    """Labels of each image by one kind of arithmetic, and CPU seconds."""
    loaded = model.load(device=CPU)
    if kind != "int8":
        loaded.network.int8 = None
    forced = torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16")
    start = time.process_time()
    with patch.object(network, "half_precision", return_value=forced):
        found = [predict.predict(replace(loaded), pair.image)[0] for pair in pairs]
    return found, time.process_time() - start


def main() -> None:
    """Print two tables, or write ranges."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--measure-appearance", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pairs = data.read_folders(args.images, args.masks)
    if args.measure_appearance:
        net = float_network()
        ranges = appearance.ranges_of(net, pictures(pairs))
        appearance.save(net, ranges, appearance.PATH)
        print(f"{ranges}: {appearance.PATH}")
        return
    if not is_fast(CPU):
        raise SystemExit("this processor has no VNNI: the networks compute in floating point here")
    of_float, _ = labels("float32", pairs)
    masks = [p.mask for p in pairs]
    print("| arithmetic | CPU s | pixels as in float32 | F1 to it at 0.5, 0.9 | AP at 0.5, 0.7, 0.9 |")
    print("|---|---|---|---|---|")
    for kind in ("float32", "bfloat16", "int8"):
        found, seconds = labels(kind, pairs)
        same = np.mean([np.mean((a > 0) == (b > 0)) for a, b in zip(of_float, found, strict=True)])
        between = matching_dataset(of_float, found, thresh=IOUS, show_progress=False)
        against = matching_dataset(masks, found, thresh=IOUS, show_progress=False)
        ap = ", ".join(f"{m.accuracy:.3f}" for m in against)
        print(f"| {kind} | {seconds:.1f} | {same:.5f} | {between[0].f1:.4f}, {between[2].f1:.4f} | {ap} |")
    seen = np.concatenate(list(pictures(pairs)))
    by_float, by_int8 = (
        appearance.probabilities(net, seen)
        for net in (appearance.ready(float_network(), CPU), appearance.network("cpu"))
    )
    same_look = np.mean(by_float.argmax(1) == by_int8.argmax(1))
    print(f"\n{len(seen)} nuclei: {same_look:.4f} look the same in eight bits; ", end="")
    print(f"probabilities differ by {np.abs(by_float - by_int8).mean():.4f} in the mean")


if __name__ == "__main__":
    main()
