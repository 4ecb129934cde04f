"""What bfloat16 changes in a model's labels: `python benchmarks/nuclei_bfloat16.py IMAGES MASKS`.

bfloat16 is asked for whether or not the processor has it; where it is emulated, it is slow, and the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from stardist.matching import matching_dataset

from lineage.stardist import data, model, network, predict


def main() -> None:
    """Predict twice, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--model", default=model.BUNDLED)
    args = parser.parse_args()
    pairs = data.read_folders(args.images, args.masks)
    loaded = model.load(args.model, torch.device("cpu"))
    found = {}
    for half in (False, True):
        forced = torch.autocast("cpu", torch.bfloat16, enabled=half)
        with patch.object(network, "half_precision", return_value=forced):
            found[half] = [predict.predict(loaded, pair.image)[0] for pair in pairs]
    same = np.mean([np.mean((a > 0) == (b > 0)) for a, b in zip(*found.values(), strict=True)])
    between = matching_dataset(found[False], found[True], thresh=(0.5, 0.9), show_progress=False)
    print(f"{same:.5f} of the pixels agree; F1 {between[0].f1:.4f} at IoU 0.5, {between[1].f1:.4f} at 0.9")
    for half, labels in found.items():
        against = matching_dataset([p.mask for p in pairs], labels, thresh=(0.5, 0.7), show_progress=False)
        name = "bfloat16" if half else "float32"
        print(f"{name}: average precision {against[0].accuracy:.3f} at 0.5, {against[1].accuracy:.3f} at 0.7")


if __name__ == "__main__":
    main()
