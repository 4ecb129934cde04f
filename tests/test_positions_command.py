"""From the command line: what a file holds is listed, every position is run, and a plate map is drafted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from containers import (
    NAMES,
    fields,
    write_nd2_points,
    write_ngff_plate,
    write_ome_files,
    write_ome_series,
)
from plates import write_movie
from test_video_names import write
from typer.testing import CliRunner
from video_files import movie, write_imagej

import lineage
from lineage.command import app, default_out
from lineage.io import files
from lineage.schema import InputError
from pipelines import platemap
from pipelines.plate_command import app as plate_app

if TYPE_CHECKING:
    from pathlib import Path


def said(*arguments: object, code: int = 0, command: object = app) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments])  # type: ignore[arg-type]
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(params=["tiff", "zarr", "nd2", "files"])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "tiff":
        return write_ome_series(tmp_path / "plate.ome.tif", fields(), NAMES)
    if request.param == "zarr":
        return write_ngff_plate(tmp_path / "plate.zarr", fields())
    if request.param == "nd2":
        return write_nd2_points(tmp_path / "plate.nd2", fields(), NAMES)
    return write_ome_files(tmp_path / "set", fields(), NAMES, companion=True)


def test_what_a_file_holds_is_listed_and_nothing_is_run(container: Path) -> None:
    before = sorted(container.parent.iterdir())
    text = said(container, "--list")
    assert f"{container.name} holds 6 positions" in text
    assert "  0  A1_0 (well A1, position 0)\n" in text
    assert "  5  B2_2 (well B2, position 2)\n" in text
    assert text.count("6 frames of 40 x 48 px, 1 plane of z; channels: 0 Phase, 1 SiR-DNA") == 1
    assert "0.65 um a pixel, 5" in text
    assert "nuclei in channel 1, phase in channel 0" in text
    assert "assumed" not in text
    assert sorted(container.parent.iterdir()) == before
    one = said(container, "--list", "--well", "B2")
    assert "A1_0" not in one
    assert "B2_0" in one


def test_what_would_be_assumed_or_refused_is_listed(tmp_path: Path) -> None:
    stack = np.zeros((4, 3, 16, 16), np.uint8)
    path = write_imagej(tmp_path / "m.tif", stack, "TZYX", unit="pixel", finterval=0)
    text = said(path, "--list")
    assert "m.tif holds one position" in text
    assert "3 planes of z" in text
    assert "is refused without a choice of z: --z max, mean, focus, or 0 to 2" in text
    assert "would be assumed: pixel size" in text
    assert "is refused without" not in said(path, "--list", "--z", "max")
    assert "is refused: --nucleus-channel 3 is not there" in said(path, "--list", "--nucleus-channel", 3)
    assert "m.tif is damaged" in said(_cut(path), "--list", code=2)
    tiles = np.zeros((4, 3, 16, 16), np.uint8)
    tifffile.imwrite(tmp_path / "r.tif", tiles, metadata={"axes": "TRYX"}, photometric="minisblack")
    assert "no movie of single planes" in said(tmp_path / "r.tif", "--list", code=2)
    assert "is not there: check the name" in said(tmp_path / "none.tif", "--list", code=2)


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def test_a_folder_is_listed(tmp_path: Path) -> None:
    for well in ("A1", "A2"):
        write(tmp_path, lambda t, c, well=well: f"exp_{well}_{('Phase', 'Cy5')[c]}_t{t}.tif", (0, 1))
    text = said(tmp_path, "--list")
    assert "holds 2 positions" in text
    assert "  1  A2 (well A2)" in text
    assert "channels: 0 Cy5, 1 Phase" in text


def two_positions(tmp_path: Path) -> tuple[Path, str]:
    """A file of two positions, and their masks."""
    single = write_movie(tmp_path / "m.tif")
    stack = tifffile.imread(single)
    path = write_ome_series(tmp_path / "plate.ome.tif", [stack, stack[:, :, ::-1]], ["A1_0", "A1_1"])
    masks = tifffile.imread(single.with_suffix(".masks.tif"))
    for name, step in (("A1_0", 1), ("A1_1", -1)):
        tifffile.imwrite(tmp_path / f"masks_{name}.tif", masks[:, ::step], photometric="minisblack")
    return path, str(tmp_path / "masks_{position}.tif")


def test_masks_are_not_those_of_all_positions(tmp_path: Path) -> None:
    path, masks = two_positions(tmp_path)
    one = masks.format(position="A1_0")
    assert "would be the masks of all 2 positions" in said(path, "--position", "all", "--labels", one, code=2)
    said("map", path, command=plate_app)
    table = pd.read_csv(tmp_path / "plate.csv", dtype=str)
    table = table.assign(experiment_date="2026-11-30", plate="1", dose_gy="0", cell_line="U251", labels=one)
    table.to_csv(tmp_path / "plate.csv", index=False)
    with pytest.raises(InputError, match="line 3: the masks are those of line 2"):
        platemap.check(tmp_path / "plate.csv")
    table.assign(labels=masks).to_csv(tmp_path / "plate.csv", index=False)
    labels = [m.config.labels for m in platemap.check(tmp_path / "plate.csv").movies]
    assert [p.name for p in labels if p] == ["masks_A1_0.tif", "masks_A1_1.tif"]


def test_all_positions_are_run_each_in_its_own_folder(tmp_path: Path) -> None:
    path, masks = two_positions(tmp_path)
    said(path, "--position", "all", "--labels", masks)
    runs = [tmp_path / f"plate_{name}.lineage" for name in ("A1_0", "A1_1")]
    assert sorted(tmp_path.glob("*.lineage")) == runs
    for run, name in zip(runs, ("A1_0", "A1_1"), strict=True):
        record = json.loads((run / "run.json").read_text())
        assert (record["video"]["position"], record["settings"]["video"]["position"]) == (name, name)
    # By number it is the same position, so the same folder, in which everything is done.
    said(path, "--position", "1", "--labels", masks)
    assert sorted(tmp_path.glob("*.lineage")) == runs
    refused = said(path, "--position", "0", "--labels", masks, "--out", runs[1], code=2)
    assert "holds the run of" in refused


def test_of_all_positions_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    path, masks = two_positions(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "plate_A1_0.lineage").write_text("no folder")
    text = said(path, "--position", "all", "--labels", masks, "--out", tmp_path / "runs", code=2)
    assert "1 of 2 positions could not be run: A1_0" in text
    assert (tmp_path / "runs" / "plate_A1_1.lineage" / "report.html").is_file()


def test_another_choice_of_z_is_another_movie_to_a_run(tmp_path: Path) -> None:
    single = write_movie(tmp_path / "m.tif")
    stack = np.stack([tifffile.imread(single)] * 2, axis=1)
    path = write_imagej(tmp_path / "z.tif", stack, "TZCYX")
    masks = single.with_suffix(".masks.tif")

    def first_stage(z: str) -> str:
        said(path, "--z", z, "--labels", masks)
        record = json.loads((tmp_path / "z.lineage" / "run.json").read_text())
        assert any(note.startswith("z: ") for note in record["video"]["notes"])
        return json.dumps(record["stages"]["video"], sort_keys=True)

    assert first_stage("max") == first_stage("max")
    assert first_stage("max") != first_stage("0")


def test_a_map_has_a_row_for_each_position(container: Path) -> None:
    said("map", container, command=plate_app)
    path = container.parent / "plate.csv"
    table = pd.read_csv(path, dtype=str)
    assert list(table["movie"]) == [container.name] * 6
    assert list(table["well"]) == ["A01"] * 3 + ["B02"] * 3
    assert list(table["position"]) == ["0", "1", "2"] * 2
    assert list(table["video.position"]) == NAMES
    filled = table.assign(experiment_date="2026-11-30", plate="1", dose_gy="0", cell_line="U251")
    filled.to_csv(path, index=False)
    checked = platemap.check(path)
    stem = default_out(container).name.removesuffix(".lineage")
    assert list(checked.table["run_folder"]) == [f"{stem}_{name}.lineage" for name in NAMES]
    assert [m.position for m in checked.movies] == NAMES
    filled.assign(**{"video.position": ["0", "A1_0", *NAMES[2:]]}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"position A1_0 of .* is that of line 2"):
        platemap.check(path)


def test_a_folder_of_such_files_has_their_positions_once(tmp_path: Path) -> None:
    write_ome_files(tmp_path / "set", fields(), NAMES, companion=True)
    write_ome_series(tmp_path / "plate.ome.tif", fields()[:2], NAMES[:2])
    write_imagej(tmp_path / "U251_2Gy_A3_p1.tif", movie())
    said("map", tmp_path, command=plate_app)
    table = pd.read_csv(tmp_path / "plate.csv", dtype=str, keep_default_na=False)
    assert list(table["movie"].value_counts()) == [6, 2, 1]
    single = table[table["movie"] == "U251_2Gy_A3_p1.tif"].iloc[0]
    assert (single["well"], single["video.position"]) == ("A03", "")


def test_numbers_in_a_settings_file(tmp_path: Path) -> None:
    path = write_ome_series(tmp_path / "plate.ome.tif", fields(), NAMES)
    (tmp_path / "settings.toml").write_text("[video]\nposition = 4\n")
    text = said(path, "--list", "--config", tmp_path / "settings.toml")
    assert ("B2_1" in text, "B2_0" in text) == (True, False)


def test_from_python(tmp_path: Path) -> None:
    path = write_ngff_plate(tmp_path / "plate.zarr", fields())
    video = lineage.open(path, well="B2", position="1")
    np.testing.assert_array_equal(video.frame(3, 1), fields()[4][3, 1])
    with pytest.raises(InputError, match="are for files"):
        lineage.open(movie(), z="max", pixel_size_um=1.0, minutes_per_frame=5.0)


def test_a_huge_file_is_not_read_whole_for_its_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge"
    path.write_bytes(bytes(100_000_000))
    whole = files.content_sha256(path)
    monkeypatch.setattr(files, "LARGE_BYTES", 1000)
    sampled = files.content_sha256(path)
    assert sampled != whole
    assert sampled == files.content_sha256(path)
    with path.open("r+b") as file:
        file.seek(-10, 2)
        file.write(b"\1")
    assert files.content_sha256(path) != sampled


def test_a_map_of_z_stacks_asks_which_planes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "stacks.ome.tif", ome=True) as file:
        for name in ("A1", "A2"):
            pixels = np.zeros((14, 2, 64, 64), np.uint8)
            file.write(pixels, metadata={"axes": "TZYX", "Name": name})
    result = CliRunner().invoke(plate_app, ["map", str(tmp_path / "stacks.ome.tif")])
    assert result.exit_code == 0, result.output
    assert "z: stacks.ome.tif has planes of z (max, mean, focus, or 0 to 1); fill it in" in result.output
    rows = (tmp_path / "plate.csv").read_text().splitlines()
    assert rows[0].split(",")[-1] == "z"
    assert len(rows) == 3
