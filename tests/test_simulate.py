"""The simulator: same seed same pixels, a truth that agrees with itself and with what was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from lineage.schema import CellKey, Fate, InputError, MitosisClass
from lineage.simulate import nucleus_field
from lineage.simulate.__main__ import app
from lineage.simulate.bodies import Body, paint
from lineage.simulate.chromatin import chromatin, dna_mass
from lineage.simulate.course import alive
from lineage.simulate.motion import move
from lineage.simulate.movie import CHANNELS, simulate, truth_folder
from lineage.simulate.population import Cell, Mitosis, Subtype, abnormal_rates, grow
from lineage.simulate.settings import Settings
from lineage.simulate.stage import drift_px

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Settings(frames=36, size=180, founders=12, dose_gy=10, cycle_hours=8, seed=3, blank_frames=(7,))


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


def one_division(subtype: Subtype = Subtype.NORMAL) -> tuple[Cell, list[Cell]]:
    """1 --+-- 2
    +-- 3   at 100 min"""
    mitosis = Mitosis(subtype, 40, 65, 100, axis=0.5, tilt=0.0)
    mother = Cell(
        1, (), 0, 1, -500, 1.0, 7, 600, 0, mitosis=mitosis, end_min=100, fate=Fate.DIVIDED, daughters=(2, 3)
    )
    axes = (0.5, 0.5 + np.pi)
    daughters = [
        Cell(2 + k, (1,), 1, 1, 100, 1.0, 8 + k, 600, axis, siblings=2) for k, axis in enumerate(axes)
    ]
    return mother, daughters


def drawn_mass(cell: Cell, minutes: float) -> float:
    bodies = [body for _, body in chromatin(cell, minutes, np.array([60.0, 60.0]))]
    return float(paint(((0, body) for body in bodies), (120, 120))[0].sum())


def peak(cell: Cell, minutes: float) -> float:
    bodies = [body for _, body in chromatin(cell, minutes, np.array([60.0, 60.0]))]
    return float(paint(((0, body) for body in bodies), (120, 120))[0].max())


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
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True) if a.is_file())


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
    assert {"normal", "sister_fusion"} <= set(divisions["subtype"])
    for event in divisions.itertuples():
        mother, frame = event.mother_id, event.frame
        assert mother in masks[frame - 1]
        assert mother not in masks[frame]
        for daughter in map(int, event.daughter_ids.split()):
            assert daughter not in masks[frame - 1]
            y, x = (axis.mean() for axis in np.nonzero(masks[frame] == daughter))
            assert np.hypot(y - event.y_px, x - event.x_px) < 15


def test_graph_reads_back_and_agrees_with_events(
    graph: nx.DiGraph, events: pd.DataFrame, masks: np.ndarray
) -> None:
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.graph["pixel_size_um"] == SMALL.pixel_size_um
    for event in events.itertuples():
        node = graph.nodes[event.mother_id]
        assert node[CellKey.EVENT_ID] == event.event_id
        assert node[CellKey.MITOSIS] == event.mitosis_class
        assert " ".join(map(str, sorted(graph.successors(event.mother_id)))) == event.daughter_ids
    for cell, node in graph.nodes(data=True):
        assert cell in masks[node[CellKey.FIRST_FRAME]]
        assert Fate(node[CellKey.FATE])
    assert any(graph.in_degree(cell) == 2 for cell in graph)


def test_every_subtype_but_normal_is_abnormal() -> None:
    assert {s for s in Subtype if s.mitosis_class is MitosisClass.NORMAL} == {Subtype.NORMAL}


def test_abnormal_rates_pass_through_the_published_ones() -> None:
    assert abnormal_rates(0)[Subtype.SISTER_FUSION] == pytest.approx(0.009)
    assert abnormal_rates(5)[Subtype.SISTER_FUSION] == pytest.approx(0.22, abs=0.01)
    multipolar = abnormal_rates(5)[Subtype.TRIPOLAR] + abnormal_rates(5)[Subtype.TETRAPOLAR]
    assert multipolar == pytest.approx(0.055, abs=0.003)
    assert sum(abnormal_rates(50).values()) < 1


def test_dna_doubles_through_the_cycle_and_division_conserves_it() -> None:
    mother, daughters = one_division()
    assert mother.dna_at(99) == 2 * mother.dna_at(-500)
    assert dna_mass(mother, 99) == pytest.approx(sum(dna_mass(d, 101) for d in daughters))
    assert drawn_mass(mother, 99) == pytest.approx(sum(drawn_mass(d, 101) for d in daughters), rel=0.01)


def test_condensing_nucleus_brightens_without_gaining_mass() -> None:
    mother, _ = one_division()
    assert drawn_mass(mother, 30) == pytest.approx(drawn_mass(mother, 95), rel=0.01)
    assert 3 < peak(mother, 95) / peak(mother, 30) < 8


def test_sister_plates_are_7_to_17_px_apart_when_first_separate() -> None:
    mother, daughters = one_division()
    settings = Settings(frames=12, founders=1)
    places = list(move(np.random.default_rng(0), [mother, *daughters], settings))
    assert set(places[9]) == {1}
    apart = np.linalg.norm(places[10][2] - places[10][3]) / settings.pixel_size_um
    assert 7 <= apart <= 17
    assert np.linalg.norm(places[11][2] - places[11][3]) / settings.pixel_size_um > apart


def test_living_cells_do_not_pile_up() -> None:
    settings = Settings(frames=20, size=300, founders=40, dose_gy=0, cycle_hours=20)
    cells = grow(np.random.default_rng(1), settings)
    *_, places = move(np.random.default_rng(1), cells, settings)
    at = np.array([places[c.cell_id] for c in cells if alive(c, settings.minutes)])
    distance = np.linalg.norm(at[:, None] - at[None], axis=-1) + 1e9 * np.eye(len(at))
    assert len(at) >= 40
    assert distance.min() > 7
    assert np.median(distance.min(axis=1)) > 17


def test_fused_sisters_go_on_as_one_cell_with_all_their_dna() -> None:
    settings = Settings(frames=72, founders=60, dose_gy=20, cycle_hours=10)
    cells = {c.cell_id: c for c in grow(np.random.default_rng(2), settings)}
    fused = [c for c in cells.values() if len(c.parents) > 1]
    assert len(fused) > 5
    for cell in fused:
        parents = [cells[p] for p in cell.parents]
        assert {p.fate for p in parents} == {Fate.FUSED}
        assert {p.end_min for p in parents} == {cell.born_min}
        assert cell.dna == pytest.approx(sum(p.dna for p in parents))


def test_stage_jumps_where_it_is_told_to() -> None:
    steady = Settings(frames=30, drift_px_per_hour=0.3)
    jumpy = steady.model_copy(update={"jump_frames": (20,), "jump_px": 12.0})
    step = [
        np.linalg.norm(np.diff(drift_px(np.random.default_rng(0), s), axis=0), axis=1)
        for s in (steady, jumpy)
    ]
    assert step[0].max() < 1
    assert step[1].argmax() == 19
    assert step[1].max() == pytest.approx(12, abs=1)


def test_mask_is_the_contour_at_half_maximum() -> None:
    disc = Body(y=30, x=30, length=24, width=24, angle=0, mass=1000, seed=0, blur=1.5)
    density, mask = paint([(1, disc)], (60, 60))
    np.testing.assert_array_equal(mask > 0, density > density.max() / 2)


def test_bodies_at_the_border_are_cut_not_moved() -> None:
    corner = Body(y=0, x=0, length=20, width=20, angle=0, mass=400, seed=0)
    density, mask = paint([(1, corner)], (40, 40))
    assert density.sum() == pytest.approx(100, rel=0.2)
    assert mask[0, 0] == 1
    far = Body(y=-500, x=20, length=20, width=20, angle=0, mass=400, seed=0)
    assert not paint([(1, far)], (40, 40))[0].any()


def test_field_is_reproducible_and_its_masks_are_bright() -> None:
    image, masks = nucleus_field(np.random.default_rng(5), size=128, n_nuclei=8)
    again, _ = nucleus_field(np.random.default_rng(5), size=128, n_nuclei=8)
    np.testing.assert_array_equal(image, again)
    assert image.dtype == np.float32
    assert masks.dtype == np.uint16
    assert set(np.unique(masks)) == set(range(masks.max() + 1))
    assert masks.max() >= 4
    levels = [image[masks == k].mean() for k in range(1, masks.max() + 1)]
    assert min(levels) > np.median(image[masks == 0])


def test_empty_field_has_no_masks() -> None:
    image, masks = nucleus_field(np.random.default_rng(0), size=64, n_nuclei=0)
    assert not masks.any()
    assert image.std() > 0


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
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.tif").touch()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["old.tif"]


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
