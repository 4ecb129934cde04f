"""An image, or a folder of them -> a folder of label images under the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.device import AUTO, is_gpu
from lineage.io.files import atomic_write
from lineage.io.tiff import SUFFIXES, check_image, finite, read_image
from lineage.processes import cores, in_order
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lineage.stardist.model import Model


def label_images(
    source: Path,
    out: Path,
    *,
    model: str,
    nucleus_diameter_px: float | None = None,
    workers: int | None = None,
    device: str = AUTO,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the labels of each image, uint16, or uint32 where there are more than 65,535 nuclei.

    Args:
        source: a TIFF, (Y, X) or (Y, X, C), or a folder of them.
        out: the folder; made if it is not there.
        model: as `lineage.stardist.model.find` knows it.
        nucleus_diameter_px: of the nuclei; estimated for each image if None.
        workers: processes; if None one for each core, or a single one where a GPU computes.
        device: as `lineage.device.device_of` knows it.
        overwrite: replace existing labels.
        progress: called with (done, total) images.

    Returns:
        How many nuclei were found.

    Raises:
        InputError: no image, one that cannot be read or has another form, labels that are there already,
            or labels that would replace the images.
    """
    from lineage.stardist.model import find

    find(model)
    images = tiffs(source)
    if out.resolve() == images[0].parent.resolve():
        raise InputError(f"{out} holds the images themselves; give another folder for the labels")
    existing = [p.name for p in images if (out / p.name).exists()]
    if existing and not overwrite:
        raise InputError(f"{out / existing[0]} is already there; give another folder or --overwrite")
    for path in images:
        check_image(path)
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    n = min(workers or (1 if is_gpu(device) else cores()), len(images))
    tasks = ((path, out / path.name, model, nucleus_diameter_px, device) for path in images)
    total = 0
    try:
        for done, count in enumerate(in_order(_label, tasks, workers=n), start=1):
            total += count
            progress(done, len(images))
    except InputError:
        if is_new and not any(out.iterdir()):
            out.rmdir()
        raise
    return total


def tiffs(source: Path) -> list[Path]:
    """An image, or those of a folder by name.

    Raises:
        InputError: there is none.
    """
    found = [source] if source.is_file() else sorted(source.glob("*"))
    if images := [p for p in found if p == source or p.suffix.lower() in SUFFIXES]:
        return images
    raise InputError(f"{source}: no TIFF there; give an image or a folder of them")


def _label(path: Path, out: Path, name: str, diameter: float | None, device: str) -> int:
    import tifffile

    from lineage.stardist.model import of_this_process
    from lineage.stardist.predict import predict
    from lineage.stardist.scale import at_own_size, zoom_of

    model = of_this_process(name, device)
    image = read(path, model)
    if diameter:
        labels, _ = predict(model, image, zoom=zoom_of(model, diameter))
    else:
        labels, _ = at_own_size(model, image)
    count = int(labels.max())
    with atomic_write(out) as part:
        kind = np.uint16 if count <= np.iinfo(np.uint16).max else np.uint32
        tifffile.imwrite(part, labels.astype(kind), compression="zlib")
    return count


def read(path: Path, model: Model) -> np.ndarray:
    """One image, as the model wants it.

    Raises:
        InputError: it cannot be read, or has another form.
    """
    image = finite(read_image(path))
    channels = model.network.config.n_channel_in
    wanted = "(Y, X)" if channels == 1 else f"(Y, X, {channels})"
    if image.shape[2:] != (() if channels == 1 else (channels,)):
        raise InputError(f"{path}: shape {image.shape}; the model wants {wanted}: give one plane a file")
    return image
