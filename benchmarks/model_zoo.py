"""The bundled networks -> packages for the BioImage Model Zoo, with test tensors and model cards, validated.

`PYTHONPATH=. python benchmarks/model_zoo.py OUT` writes `OUT/nuclei` and `OUT/mitosis`, each a folder with
`rdf.yaml`, a TorchScript file, test tensors, a card, a cover, and a ZIP of it; `OUT/*.json` says what
`bioimageio.core` found. It needs `pip install bioimageio.core` beside this package, in an environment of
its own: version 0.11 with bioimageio.spec 0.5.12 wants pydantic below 2.12.

What a package holds is less than what a run does:

    nuclei    grey levels -> probability and rays, and by StarDist's post-processing labels: what a run has at
              zoom 1, in float32; nuclei wider than 60 or narrower than 8 pixels need a zoom before
    mitosis   132 measures in each of 12 frames -> normal, abnormal, none, by the five networks alone. The
              measures are worked out by `classifier.measures`, which sees nuclei by two more models; the
              forest, and the calibration of both together, are not in it
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor, nn

from classifier import predict as classifier
from classifier.measures import measures
from lineage import __version__
from lineage.stardist import model as stardist
from lineage.stardist import predict
from lineage.stardist.normalise import MIN_SPAN_SIGMAS, SATURATION, arcsinh

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo.tif"
SIDE = 256  # of the test image
EDGE = 2  # grid points at an image's edge have no object, as in the stardist package
AUTHORS = [{"name": "The mitosis-lineage developers"}]
STARDIST = {
    "text": "Schmidt et al. 2018, Cell Detection with Star-Convex Polygons, MICCAI",
    "doi": "10.1007/978-3-030-00934-2_30",
}
PAPER = {
    "text": "Delgado-Rodriguez et al. 2024, Automatic classification of normal and abnormal cell division "
    "using deep learning, Scientific Reports; its clips",
    "doi": "10.5281/zenodo.7788748",
}


class Nuclei(nn.Module):
    """Grey levels (1, 1, Y, X) -> (1, Y/2, X/2, 33): probability, then 32 distances in pixels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """The normalisation of `lineage.stardist.normalise.arcsinh`, then the network."""
        low, high = _percentile(x[..., ::2, ::2], 5.0), _percentile(x[..., ::2, ::2], 99.9)
        step = _percentile(x[..., ::2, 1:].sub(x[..., ::2, :-1]).abs(), 50.0)
        sigma = step * 1.4826 / np.sqrt(2)
        span = torch.maximum(torch.maximum(high - low, MIN_SPAN_SIGMAS * sigma), torch.full_like(low, 1e-30))
        seen = torch.asinh((x - low) * (SATURATION / span)) / np.arcsinh(SATURATION)
        logits, rays = self.network(seen)
        return torch.cat([torch.sigmoid(logits), rays.clamp(min=1e-3)], dim=1).permute(0, 2, 3, 1)


@torch.jit.script  # a trace would keep the ranks of the test image's size
def _percentile(x: Tensor, percent: float) -> Tensor:
    """Linear between ranks, as numpy's; `torch.quantile` takes no more than 16 million numbers."""
    ordered = x.flatten().sort().values
    rank = (ordered.size(0) - 1) * percent / 100
    below = int(rank)
    above = min(below + 1, ordered.size(0) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


class Mitosis(nn.Module):
    """Measures (B, 12, 132) -> (B, 3): the mean of five networks' probabilities."""

    def __init__(self, networks: list[Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Normal, abnormal, none."""
        return torch.stack([network(x).softmax(dim=-1) for network in self.networks]).mean(dim=0)


def main(out: Path) -> None:
    """Write both packages, and say whether each does what it did here."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, write in (("nuclei", write_nuclei), ("mitosis", write_mitosis)):
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        rdf = write(folder)
        print(f"{name}: {validated(folder, rdf, out / f'{name}.json')}")


def write_nuclei(folder: Path) -> dict[str, Any]:
    """The nucleus model; its test image is a part of the example movie."""
    network = stardist.load(device=torch.device("cpu"))
    frame = tifffile.imread(DEMO)[0, 1]
    image = frame[:SIDE, :SIDE]
    raw = image.astype(np.float32)[None, None]
    scripted = traced(Nuclei(network.network.float()), torch.from_numpy(raw), folder)
    same_as_in_a_run(network, frame[: SIDE + 128, : SIDE + 64], scripted)
    maps = of_maps(same_as_in_a_run(network, image, scripted), image.shape)
    labels, _ = predict.draw(maps, network.prob_threshold, network.nms_threshold)
    np.save(folder / "input.npy", raw)
    np.save(folder / "output.npy", labels[None, ..., None].astype(np.int32))
    cover(folder, image, labels)
    size = {"min": SIDE, "step": network.network.config.multiple}
    processing = {
        "prob_threshold": network.prob_threshold, "nms_threshold": network.nms_threshold,
        "n_rays": network.network.config.n_rays, "grid": [2, 2], "b": EDGE,
    }  # fmt: skip
    axes: list[dict[str, Any]] = [{"type": "batch", "size": 1}]
    channel = {"type": "channel"}
    return described(
        folder,
        name="StarDist nuclei of SiR-DNA movies",
        description="Outlines nuclei, also mitotic and dying ones, in fluorescence images of DNA.",
        tags=[
            "nuclei",
            "stardist",
            "instance-segmentation",
            "fluorescence-light-microscopy",
            "pytorch",
            "2d",
        ],
        cite=[STARDIST],
        card=card("nuclei", network.facts["validation"]),
        inputs=[
            {
                "id": "image",
                "description": "grey levels of the DNA stain as they are",
                "axes": [
                    *axes,
                    channel | {"channel_names": ["dna"]},
                    *({"type": "space", "id": name, "size": size} for name in "yx"),
                ],
                "test_tensor": {"source": "input.npy"},
                "data": {"type": "float32"},
            }
        ],
        outputs=[
            {
                "id": "labels",
                "description": "0 is background, each nucleus has a number",
                "axes": [
                    *axes,
                    *(
                        {"type": "space", "id": name, "size": {"tensor_id": "image", "axis_id": name}}
                        for name in "yx"
                    ),
                    channel | {"channel_names": ["label"]},
                ],
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "int32"},
                "postprocessing": [{"id": "stardist_postprocessing", "kwargs": processing}],
            }
        ],
    )


def of_maps(maps: np.ndarray, shape: tuple[int, int]) -> predict.Candidates:
    """A package's maps (1, Y/2, X/2, 33) -> candidates, as a run has them."""
    probability, rays = maps[0, ..., 0].copy(), maps[0, ..., 1:]
    probability[:EDGE], probability[-EDGE:], probability[:, :EDGE], probability[:, -EDGE:] = 0, 0, 0, 0
    rows, columns = np.nonzero(probability > 0.01)
    points = np.column_stack([rows, columns]) * 2.0
    return predict.Candidates(points, probability[rows, columns], rays[rows, columns], shape)


def same_as_in_a_run(network: stardist.Model, image: np.ndarray, scripted: Any) -> np.ndarray:
    """The package's maps of an image; stops unless the software finds the same, in float32."""
    with torch.inference_mode():
        maps: np.ndarray = scripted(torch.from_numpy(image.astype(np.float32))[None, None]).numpy()
    full = stardist.Model(
        network.network, network.prob_threshold, network.nms_threshold, network.normalisation
    )
    ours = predict.candidates(full, image)
    theirs = maps[0][*(ours.points.astype(int) // 2).T]
    apart = [np.abs(theirs[:, 0] - ours.probability).max(), np.abs(theirs[:, 1:] - ours.rays).max()]
    if max(apart) > 1e-2:
        raise SystemExit(f"the package is not the network: probability, rays differ by {apart}")
    print(f"nuclei: {len(ours.points)} candidates in {image.shape}, the same within {max(apart):.1g}")
    return maps


def write_mitosis(folder: Path) -> dict[str, Any]:
    """The classifier's networks; the test tensor is what is measured of a nucleus of the example movie."""
    loaded = classifier.load()
    movie = tifffile.imread(DEMO)
    crop = movie[:12, :, 100:160, 100:160].astype(np.float32)
    x = measures(crop, 1.1518).astype(np.float32)[None]
    scripted = traced(Mitosis(loaded.models), torch.from_numpy(x), folder)
    from classifier.learn import probabilities

    ours = probabilities(loaded.models, torch.from_numpy(x), mirrored=True).numpy()
    with torch.inference_mode():
        p = scripted(torch.from_numpy(x)).numpy()
    apart = float(np.abs(p - ours).max())
    if apart > 1e-5:
        raise SystemExit(f"the package is not the networks: probabilities differ by {apart:g}")
    print(f"mitosis: probabilities differ by at most {apart:g}")
    np.save(folder / "input.npy", x)
    np.save(folder / "output.npy", p)
    cover(folder, crop[3, 1], np.zeros(crop.shape[-2:], int))
    frames = {"type": "time", "id": "time", "size": x.shape[1], "unit": "minute", "scale": 10.0}
    return described(
        folder,
        name="Normal or abnormal mitosis (networks on measures)",
        description="Measures of nuclei in 12 frames around a division -> normal, abnormal or no mitosis. "
        "Only the networks: the measures come from the mitosis-lineage package.",
        tags=["mitosis", "classification", "cell-division", "radiobiology", "pytorch"],
        cite=[PAPER],
        card=card("mitosis", loaded.card.held_out),
        inputs=[
            {
                "id": "measures",
                "description": "`classifier.measures.measures` of a crop of 12 frames at 10 min",
                "axes": [
                    {"type": "batch"},
                    frames,
                    {"type": "channel", "channel_names": [f"m{n}" for n in range(x.shape[2])]},
                ],
                "test_tensor": {"source": "input.npy"},
                "data": {"type": "float32"},
            }
        ],
        outputs=[
            {
                "id": "probabilities",
                "description": "mean of five networks, not calibrated",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": list(loaded.card.classes)},
                ],
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "float32"},
            }
        ],
    )


def traced(module: nn.Module, x: Tensor, folder: Path) -> Any:
    """Write a module as TorchScript, and read it back."""
    path = folder / "weights.torchscript.pt"
    with torch.inference_mode(False), torch.no_grad():
        torch.jit.trace(module.eval(), x, check_trace=False).save(str(path))
    return torch.jit.load(str(path))


def described(
    folder: Path, *, name: str, description: str, tags: list[str], cite: list[dict], card: str, **tensors: Any
) -> dict[str, Any]:
    """`rdf.yaml` as a dict; the card is written."""
    (folder / "README.md").write_text(card, encoding="utf-8")
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": name,
        "description": description,
        "authors": AUTHORS,
        "cite": cite,
        "license": "MIT",
        "tags": tags,
        "documentation": "README.md",
        "covers": ["cover.png"],
        "version": __version__,
        **tensors,
        "weights": {
            "torchscript": {
                "source": "weights.torchscript.pt",
                "pytorch_version": torch.__version__.split("+")[0],
            }
        },
    }


CARD = {
    "nuclei": """# StarDist nuclei of SiR-DNA movies

Outlines nuclei in one plane of a DNA stain; made for movies of SiR-DNA, in which mitotic figures
are four to five times as bright as interphase nuclei. Takes grey levels as they are (the
normalisation is within), at which nuclei are 14 to 60 pixels wide; zoom other images first. Sides
are multiples of 32.

## Validation

Average precision on held-out images: {figures}. How it was trained, and figures on movies that it
has not seen, stand in `docs/benchmarks.md` of mitosis-lineage.

## Limits

Images of a microscope or a stain that it has not seen may need thresholds of their own. In a run
bfloat16 is used where the processor has it, here float32: outlines may differ a little. No tiles:
the normalisation is of the whole image.

## Data and licence

MIT. It learned from the Data Science Bowl 2018 images (CC0), sequences of the Cell Tracking
Challenge, single nuclei of MitoCheck (CC BY 4.0), clips of Delgado-Rodriguez et al. 2024 (CC BY
4.0), and simulated fields. The test image is simulated.
""",
    "mitosis": """# Normal or abnormal mitosis, networks on measures

Five LSTMs on measures of the nuclei in each of 12 frames, the first 114 of 132; the first separated frame is
at index 3. The measures are worked out by `classifier.measures.measures` of mitosis-lineage, by its nucleus
model and its model of appearance: tools that know `rdf.yaml` alone can run this with the test
tensor, and not from a movie.

## Validation

The software's own figures on held-out clips, with the forest and the calibration that are not in
this package: {figures}. This package's probabilities are not calibrated.

## Limits

Two cell lines, one microscope, 10 min a frame, SiR-DNA. Dose and class go together in the clips:
infer no dose response without a reviewed sample.

## Data and licence

MIT. Trained on the clips of Delgado-Rodriguez et al. 2024, Scientific Reports (CC BY 4.0): cite it.
The test tensor is measured in a simulated movie.
""",
}


def card(name: str, figures: dict[str, Any]) -> str:
    """The model card, with figures that lie beside the weights."""
    plain = {k: v for k, v in figures.items() if isinstance(v, int | float)}
    return CARD[name].format(figures=", ".join(f"{k} {v:.4g}" for k, v in plain.items()))


def cover(folder: Path, image: np.ndarray, labels: np.ndarray) -> None:
    """The image, and what was found in it, side by side."""
    from skimage.segmentation import find_boundaries

    grey = np.clip(arcsinh(image.astype(np.float32)) * 255, 0, 255).astype(np.uint8)
    rgb = np.stack([grey] * 3, axis=-1)
    found = rgb.copy()
    found[find_boundaries(labels)] = (255, 200, 0)
    side = max(1, 256 // len(image))
    pixels = np.concatenate([rgb, found], axis=1).repeat(side, axis=0).repeat(side, axis=1)
    from PIL import Image

    Image.fromarray(pixels).save(folder / "cover.png")


def validated(folder: Path, rdf: dict[str, Any], report: Path) -> str:
    """Write `rdf.yaml` and the ZIP by `bioimageio.spec`, and run the test tensors by `bioimageio.core`."""
    from bioimageio.core import test_description
    from bioimageio.spec import ValidationContext, save_bioimageio_package, save_bioimageio_yaml_only
    from bioimageio.spec.model.v0_5 import ModelDescr

    with ValidationContext(root=folder, perform_io_checks=True):
        description = ModelDescr(**rdf)
    save_bioimageio_yaml_only(description, folder / "rdf.yaml")
    save_bioimageio_package(description, output_path=folder.with_suffix(".zip"))
    summary = test_description(folder.with_suffix(".zip"), weight_format="torchscript")
    report.write_text(json.dumps(summary.model_dump(mode="json"), indent=1, default=str), encoding="utf-8")
    errors = [f"{error.loc}: {error.msg}" for detail in summary.details for error in detail.errors]
    return "\n  ".join([summary.status, *errors])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
