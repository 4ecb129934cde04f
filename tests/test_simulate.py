"""The simulator: same seed same pixels, a truth that agrees with itself and with what was drawn."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from lineage.schema import EVENT_COLUMNS, CellKey, Fate, InputError
from lineage.simulate import population
from lineage.simulate.__main__ import app, read
from lineage.simulate.microscope import set_up
from lineage.simulate.movie import CHANNELS, simulate, truth_folder
from lineage.simulate.settings import CellLine, Settings

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = Settings(
    frames=60,
    size=180,
    founders=26,
    dose_gy=5,
    irradiated_min_before_start=600,
    cycle_hours=8,
    seed=3,
    blank_frames=(7,),
)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("movie") / "small.tif"
    simulate(out, SMALL)
    return out


@pytest.fixture(scope="module")
def masks(movie: Path) -> np.ndarray:
    files = sorted((truth_folder(movie) / "TRA").glob("man_track*.tif"))
    return np.stack([tifffile.imread(file) for file in files])


@pytest.fixture(scope="module")
def events(movie: Path) -> pd.DataFrame:
    return pd.read_csv(truth_folder(movie) / "events.csv", dtype={"daughter_ids": str}, keep_default_na=False)


@pytest.fixture(scope="module")
def graph(movie: Path) -> nx.DiGraph:
    return nx.read_graphml(truth_folder(movie) / "lineage.graphml", node_type=int)


def test_same_seed_same_pixels_other_seed_others(tmp_path: Path) -> None:
    again, other = tmp_path / "again.tif", tmp_path / "other.tif"
    short = SMALL.model_copy(update={"frames": 3})
    simulate(again, short)
    simulate(other, short.model_copy(update={"seed": 4}))
    twice = tmp_path / "twice.tif"
    simulate(twice, short)
    assert again.read_bytes() != other.read_bytes()
    np.testing.assert_array_equal(tifffile.imread(again), tifffile.imread(twice))
    first, second = (sorted(truth_folder(p).rglob("*.*")) for p in (again, twice))
    assert [f.name for f in first] == [f.name for f in second]
    for a, b in zip(first, second, strict=True):
        assert a.is_dir() or a.read_bytes() == b.read_bytes().replace(b"twice", b"again")


def test_movie_has_its_channels_and_calibration(movie: Path) -> None:
    with tifffile.TiffFile(movie) as tiff:
        assert tiff.series[0].axes == "TCYX"
        assert tiff.series[0].shape == (SMALL.frames, 2, SMALL.size, SMALL.size)
        ome = tiff.ome_metadata or ""
    assert all(f'Name="{name}"' in ome for name in CHANNELS)
    assert 'PhysicalSizeX="1.1518"' in ome
    assert 'TimeIncrement="600.0"' in ome


def test_blank_frame_is_dark_and_keeps_its_truth(movie: Path, masks: np.ndarray) -> None:
    pixels = tifffile.imread(movie)
    assert pixels[6].mean() > 20
    assert pixels[7].max() < 8
    assert masks[7].any()


def test_a_label_is_in_every_frame_from_its_first_to_its_last(movie: Path, masks: np.ndarray) -> None:
    table = np.loadtxt(truth_folder(movie) / "TRA" / "man_track.txt", dtype=int, ndmin=2)
    seen = [set(np.unique(frame)) - {0} for frame in masks]
    assert set(table[:, 0]) == set().union(*seen)
    for label, first, last, _ in table:
        assert [t for t in range(SMALL.frames) if label in seen[t]] == list(range(first, last + 1))


def test_parents_end_before_their_daughters_begin(movie: Path) -> None:
    table = np.loadtxt(truth_folder(movie) / "TRA" / "man_track.txt", dtype=int, ndmin=2)
    last = {label: end for label, _, end, _ in table}
    with_parent = table[table[:, 3] > 0]
    assert len(with_parent) > 4
    assert all(last[parent] < first for _, first, _, parent in with_parent)


def test_daughters_appear_at_their_events_frame_near_it(masks: np.ndarray, events: pd.DataFrame) -> None:
    divisions = events[events["daughter_ids"] != ""]
    assert len(divisions) > 5
    assert len(set(divisions["subtype"])) > 2
    for event in divisions.itertuples():
        mother, frame = event.mother_id, event.frame
        assert mother in masks[frame - 1]
        assert mother not in masks[frame]
        for daughter in map(int, event.daughter_ids.split()):
            assert daughter not in masks[frame - 1]
            y, x = (axis.mean() for axis in np.nonzero(masks[frame] == daughter))
            assert np.hypot(y - event.y_px, x - event.x_px) < 20


def test_events_have_the_run_folders_columns_and_the_subtype(events: pd.DataFrame) -> None:
    assert tuple(events.columns) == EVENT_COLUMNS


def test_graph_reads_back_and_agrees_with_events(
    graph: nx.DiGraph, events: pd.DataFrame, masks: np.ndarray
) -> None:
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.graph["pixel_size_um"] == SMALL.pixel_size_um
    for event in events.itertuples():
        node = graph.nodes[event.mother_id]
        assert node[CellKey.EVENT_ID] == event.event_id
        assert node[CellKey.MITOSIS] == event.mitosis_class
        daughters = [int(d) for d in event.daughter_ids.split()]
        assert set(daughters) <= set(graph.successors(event.mother_id))
    for cell, node in graph.nodes(data=True):
        assert cell in masks[node[CellKey.FIRST_FRAME]]
        assert Fate(node[CellKey.FATE])
    assert any(graph.in_degree(cell) > 1 for cell in graph)


def test_a_birth_out_of_sight_has_no_parent_in_the_truth(graph: nx.DiGraph) -> None:
    assert graph.edges
    for mother, daughter in graph.edges:
        apart = graph.nodes[daughter][CellKey.FIRST_FRAME] - graph.nodes[mother][CellKey.LAST_FRAME]
        assert apart in (1, 2)


def test_cells_come_into_view_and_leave_it(graph: nx.DiGraph) -> None:
    came = [c for c in graph if not graph.in_degree(c) and graph.nodes[c][CellKey.FIRST_FRAME] > 0]
    left = [c for c in graph if graph.nodes[c][CellKey.FATE] == Fate.LEFT_FIELD]
    assert came
    assert left
    for cell in came:
        node = graph.nodes[cell]
        y, x = node[CellKey.Y_UM], node[CellKey.X_UM]
        assert min(y, x, SMALL.field_um - y, SMALL.field_um - x) < 30  # at the border


def test_stage_jumps_where_it_is_told_to() -> None:
    steady = Settings(frames=30, drift_px_per_hour=0.3)
    jumpy = steady.model_copy(update={"jump_frames": (20,), "jump_px": 12.0})
    step = [
        np.linalg.norm(np.diff(set_up(np.random.default_rng(0), s).drift_px, axis=0), axis=1)
        for s in (steady, jumpy)
    ]
    assert step[0].max() < 1
    assert step[1].argmax() == 19
    assert step[1].max() == pytest.approx(12, abs=1)


def test_bad_frames_are_blank_or_blurred_as_often_as_told() -> None:
    settings = Settings(frames=2000, bad_frame_share=0.1, blurred_frames=(3,), blank_frames=(4,))
    found = set_up(np.random.default_rng(0), settings)
    assert 3 in found.blurred
    assert 4 in found.blank
    assert not found.blurred & found.blank
    assert len(found.blurred | found.blank) / 2000 == pytest.approx(0.1, abs=0.03)
    assert abs(found.focus_um[3]) > 5 * settings.focus_drift_um


def test_the_same_pixels_whatever_the_number_of_processes(tmp_path: Path) -> None:
    short = SMALL.model_copy(update={"frames": 4})
    for workers in (1, 2):
        simulate(tmp_path / f"{workers}.tif", short, workers=workers)
    one, two = (tifffile.imread(tmp_path / f"{n}.tif") for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def checksum(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:16]


def test_the_same_pixels_as_on_the_machine_that_wrote_this(movie: Path) -> None:
    """Another processor, another system: no digit may differ. It changes whenever the simulator does."""
    assert checksum(tifffile.imread(movie)) == "a7da019ba333efd5"


def test_the_same_pixels_on_a_simpler_processor(tmp_path: Path) -> None:
    from numpy._core._multiarray_umath import __cpu_features__ as features

    if not features.get("X86_V3"):
        pytest.skip("this processor, or this numpy, has no wide instructions to do without")
    short = SMALL.model_copy(update={"frames": 4, "blank_frames": ()})
    simulate(tmp_path / "here.tif", short)
    code = (
        "from numpy._core._multiarray_umath import __cpu_features__; assert not __cpu_features__['X86_V3']; "
        "import sys, pathlib; from lineage.simulate.movie import simulate; "
        "from lineage.simulate.settings import Settings; "
        "simulate(pathlib.Path(sys.argv[1]), Settings.model_validate_json(sys.argv[2]))"
    )
    # Neither numpy nor numba may use wide registers or fused multiplication.
    plain = {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-c", code, str(tmp_path / "there.tif"), short.model_dump_json()]
    subprocess.run(command, env=os.environ | plain, check=True)
    here, there = (tifffile.imread(tmp_path / name) for name in ("here.tif", "there.tif"))
    np.testing.assert_array_equal(here, there)


def test_uneven_light_darkens_the_stain_and_neither_phase_nor_truth(tmp_path: Path) -> None:
    even = SMALL.model_copy(update={"frames": 2, "blank_frames": (), "founders": 0})
    uneven = even.model_copy(update={"vignetting": 0.6, "brightest_at": (0.25, 0.5)})
    for name, settings in (("even", even), ("uneven", uneven)):
        simulate(tmp_path / f"{name}.tif", settings)
    before, after = (tifffile.imread(tmp_path / f"{n}.tif")[0].astype(float) for n in ("even", "uneven"))
    np.testing.assert_array_equal(before[0], after[0])
    share = after[1] / before[1]
    assert share[30:60, 75:105].mean() == pytest.approx(1, abs=0.03)
    assert share[-10:, :10].mean() == pytest.approx(0.4, abs=0.08)


def test_movie_without_cells_has_an_empty_truth(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "empty.tif", Settings(frames=2, size=64, founders=0))
    assert len(nx.read_graphml(truth / "lineage.graphml")) == 0
    assert (truth / "TRA" / "man_track.txt").read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["movie.png"], "name that ends in .tif"),
        (["nowhere/movie.tif"], "no such folder"),
        (["movie.tif", "--frames", "1"], "frames: 1 was given"),
        (["movie.tif", "--dose-gy", "-4"], "dose_gy: -4.0 was given"),
        (["old.tif"], "already there"),
        (["movie.tif", "--frames", "3", "--jump-frame", "100"], "jump_frames: 100 was given"),
        (["movie.tif", "--blank-frame", "-1"], "blank_frames: -1 was given"),
        (["movie.tif", "--founders", "500", "--frames", "99", "--dose-gy", "0"], "more than 500 cells"),
        (["movie.tif", "--config", "none.toml"], "cannot be read"),
        (["movie.tif", "--config", "odd.toml"], "colour: green was given"),
        (["movie.tif", "--config", "dark.toml"], "brightest_at: (0.5, 2.0) was given"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(population, "LARGEST_LABEL", 500)  # to grow as many as are too many takes seconds
    (tmp_path / "old.tif").touch()
    (tmp_path / "odd.toml").write_text('colour = "green"')
    (tmp_path / "dark.toml").write_text("brightest_at = [0.5, 2.0]")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"old.tif", "odd.toml", "dark.toml"}


def test_interrupted_simulation_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(frame: int) -> None:
        if frame == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "movie.tif", Settings(frames=3, size=64, founders=1), progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(movie: Path) -> None:
    with pytest.raises(InputError, match="--overwrite"):
        simulate(movie, SMALL)


def test_an_option_goes_before_the_config(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("frames = 3\nsize = 64\nfounders = 1\ndose_gy = 2.0\n")
    arguments = [str(tmp_path / "m.tif"), "--config", str(tmp_path / "plan.toml"), "--dose-gy", "6"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    written = Settings.model_validate_json((tmp_path / "m.truth" / "settings.json").read_text())
    assert (written.frames, written.size, written.dose_gy) == (3, 64, 6.0)


def test_the_example_of_a_plan_can_be_read() -> None:
    plan = read(EXAMPLES / "experiment.toml", {"dose_gy": 0.0})
    assert (plan.cell_line, plan.well, plan.dose_gy) == (CellLine.PC3, 3, 0.0)
