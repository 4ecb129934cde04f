"""What the films promise: Pillow and ffmpeg read the frames back, cells and mitoses drawn."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import tifffile
import worlds
from exports import paint
from PIL import Image
from test_export import command, run_dir  # noqa: F401
from worlds import as_lineage

from lineage.export.colours import FOUNDERS, VERDICTS
from lineage.export.overlay import rings, size_of
from lineage.io.files import read_table, write_table
from lineage.io.integrity import dumps

EVENT_FRAME, EVENT_VERDICT = 10, "abnormal"  # of cell 1 of `run_dir`: p(abnormal) is 0.75


@pytest.fixture
def run(run_dir):  # noqa: F811
    """The same with its movie beside it, squares of 200 on 10."""
    labels = paint(as_lineage(worlds.two_generations(), unseen={2: [13, 14]}))
    path = run_dir.parent / "video.tif"
    tifffile.imwrite(path, np.where(labels, 200, 10).astype(np.uint8), metadata={"axes": "TYX"})
    units = {"pixel_size_um": worlds.PIXEL_UM, "minutes_per_frame": worlds.MINUTES}
    stated = {"path": str(path), "name": path.name, "n_frames": 30, "shape": list(worlds.SHAPE), **units}
    record = {"format": "lineage-run", "video": stated, "stages": {}, "settings": {"video": units}}
    (run_dir / "run.json").write_text(dumps(record), encoding="utf-8")
    return run_dir


def near(picture: np.ndarray, colour: str) -> np.ndarray:
    """Pixels of about a colour."""
    return (np.abs(picture.astype(int) - list(bytes.fromhex(colour[1:]))) < 40).all(axis=-1)


def table(run):
    events = read_table(run / "events.csv", text=("daughter_ids", "verdict"))
    units = {"pixel_size_um": worlds.PIXEL_UM, "minutes_per_frame": worlds.MINUTES}
    return rings(events, read_table(run / "detections.csv"), **units)


def test_rings_hold_the_mother_and_then_the_daughters_and_end_after_an_hour(run):
    drawn = table(run)

    first = {t: [r for r in at if r.verdict == EVENT_VERDICT] for t, at in drawn.items()}
    assert [t for t, at in first.items() if at] == list(range(EVENT_FRAME - 3, EVENT_FRAME + 7))
    (before,), (after,) = first[EVENT_FRAME - 1], first[EVENT_FRAME]
    assert (before.y, before.x) == (100.0, 60.0)
    assert (after.y, after.x) == (100.0, 90.0)  # daughters at 80 and 100
    assert after.radius > before.radius


def test_a_rejected_proposal_has_no_ring(run):
    events = read_table(run / "events.csv")
    assert EVENT_VERDICT in set(events["verdict"])
    events["verdict"] = events["verdict"].replace(EVENT_VERDICT, "not_a_mitosis")
    write_table(events, run / "events.csv")

    assert EVENT_VERDICT not in {r.verdict for at in table(run).values() for r in at}


def test_pillow_reads_the_gif_back(run, tmp_path):
    result = command("movie", run, tmp_path / "a.gif", "--from", 5, "--to", 24, "--fps", 20, "--scale", 2)

    assert result.exit_code == 0, result.stderr
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.format, film.n_frames, film.size) == ("GIF", 20, (600, 400))
        assert (film.info["duration"], film.info["loop"]) == (50, 0)
        pictures = []
        for k in range(film.n_frames):
            film.seek(k)
            pictures.append(np.asarray(film.convert("RGB")))
    at = pictures[EVENT_FRAME - 5]
    assert near(at[180:220, 140:180], FOUNDERS[0]).any()  # cell 2 at (100, 80), twice as large
    assert near(at, VERDICTS[EVENT_VERDICT]).sum() > 100
    assert not near(pictures[0], VERDICTS[EVENT_VERDICT]).any()
    assert all((a != b).any() for a, b in pairwise(pictures))  # the clock goes on


def test_ffmpeg_reads_the_mp4_back(run, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra exports")
    result = command("movie", run, tmp_path / "a.mp4", "--fps", 12.5, "--scale", 3, "--colour-by", "verdict")

    assert result.exit_code == 0, result.stderr
    # Not by its `read_frames`, which leaves pipes open.
    words = [ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = subprocess.run(list(map(str, words)), capture_output=True, check=True)
    pictures = np.frombuffer(read.stdout, np.uint8).reshape(-1, 600, 900, 3)
    (about,) = [line for line in read.stderr.decode().splitlines() if "Video: h264" in line]
    assert {"900x600", "12.50 fps"} <= {word.split(" [")[0].strip() for word in about.split(",")}
    assert "yuv420p" in about
    assert len(pictures) == 30
    drawn = [near(p, VERDICTS[EVENT_VERDICT]).sum() for p in pictures]
    assert drawn[EVENT_FRAME] > drawn[0] + 100  # beside the outline of cell 1 and the legend


def test_without_ffmpeg_one_line_names_what_to_install_and_nothing_is_left(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    result = command("movie", run, tmp_path / "out" / "a.mp4")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "mitosis-lineage[exports]" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.gif", "--from", 30), "the movie has 0 to 29"),
        (("a.gif", "--from", 7, "--to", 6), "frames 7 to 6"),
        (("a.gif", "--to", 30), "frames 0 to 30"),
        (("a.avi",), ".gif or .mp4"),
        (("a.gif", "--scale", 16, "--to", 0), None),
    ],
)
def test_what_cannot_be_filmed_is_refused_in_one_line(run, tmp_path, words, said):
    result = command("movie", run, tmp_path / words[0], *words[1:])

    assert result.exit_code == (2 if said else 0)
    assert said is None or (said in result.stderr and len(result.stderr.splitlines()) == 1)
    assert (tmp_path / words[0]).exists() == (said is None)


def test_a_movie_that_is_gone_is_named(run, tmp_path):
    (run.parent / "video.tif").unlink()

    result = command("movie", run, tmp_path / "a.gif")

    assert result.exit_code == 2
    assert "video.tif is not there" in result.stderr


def test_pictures_are_even_and_never_empty():
    assert [size_of(shape, 0.01) for shape in ((1, 1), (100, 333))] == [(2, 2), (4, 2)]
