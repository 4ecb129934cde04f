"""A corner of the example movie, with seven mitoses in it: the smallest real run."""

from pathlib import Path

import tifffile
from typer.testing import CliRunner

from lineage.command import app

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAMES, ROWS, COLUMNS = 30, slice(160, 400), slice(60, 300)
TABLES = ("detections.csv", "tracklets.csv", "events.csv", "lineages.csv", "lineage.graphml")


def start(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def write(path: Path) -> Path:
    pixels = tifffile.imread(EXAMPLES / "demo.tif")[:FRAMES, :, ROWS, COLUMNS]
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(1 / 1.1518, 1 / 1.1518),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, "Labels": ["phase", "SiR-DNA"] * FRAMES},
    )  # fmt: skip
    return path
