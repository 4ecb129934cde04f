"""Ground truth as others write it, and the Challenge's measures as the Challenge counts them."""

from __future__ import annotations

import shutil

import networkx as nx
import numpy as np
import pytest
import tifffile
import worlds
from ctc_metrics import evaluate_sequence
from ctc_metrics.metrics import ALL_METRICS
from folders import N_FRAMES, compared, paint, run_in_memory, write_truth
from worlds import as_lineage

from lineage.evaluate import tracking
from lineage.evaluate.inputs import read_truth
from lineage.evaluate.match import match
from lineage.export import ctc
from lineage.schema import InputError


def bare(folder, lineage):
    """The truth as the Challenge has it: TRA alone."""
    write_truth(folder, lineage)
    for name in ("lineage.graphml", "events.csv", "settings.json"):
        (folder / name).unlink()
    return folder


def messy(lineage):
    """The masks of a run with most kinds of error: missed, false, merged, split, shifted, swapped."""
    rng = np.random.default_rng(3)
    tracked = paint(lineage)
    for t in range(len(tracked)):
        cells = np.unique(tracked[t])[1:]
        if len(cells) and rng.random() < 0.4:
            tracked[t][tracked[t] == rng.choice(cells)] = 0
        if len(cells) > 1 and rng.random() < 0.4:
            a, b = rng.choice(cells, 2, replace=False)
            ys, xs = np.nonzero((tracked[t] == a) | (tracked[t] == b))
            if len(ys):
                tracked[t][ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = a
        if rng.random() < 0.4:
            tracked[t] = np.roll(tracked[t], int(rng.integers(-3, 4)), axis=1)
        if len(cells) and rng.random() < 0.3:
            tracked[t, 5:9, 5:9] = rng.choice(cells)
    return np.where(paint(lineage) == 9, 9, tracked)


@pytest.mark.parametrize("world", [worlds.two_generations, worlds.clones_fuse])
def test_measures_are_those_that_the_package_finds_in_the_folders(tmp_path, world):
    graph = world()
    graph.add_node(9)  # the package cannot take frames without any nucleus
    lineage = as_lineage(graph, lives={9: range(N_FRAMES)})
    truth = write_truth(tmp_path / "01_GT", lineage)
    shutil.copytree(truth / "TRA", truth / "SEG")
    for mask in (truth / "SEG").glob("*.tif"):
        mask.rename(mask.with_name(mask.name.replace("man_track", "man_seg")))
    run = run_in_memory(tmp_path / "x.lineage", lineage)
    object.__setattr__(run, "tracked", messy(lineage))
    for cell in set(np.unique(run.tracked)) ^ (set(run.tree) | {0}):
        run.tree.add_node(int(cell))
    ctc.write(run.tree, run.tracked, tmp_path)

    ours = compared(run, read_truth(truth)).tally
    theirs = evaluate_sequence(str(tmp_path / "01_RES"), str(truth), metrics=[*ALL_METRICS], threads=1)

    assert theirs["Valid"] == 1
    for name in ("NS", "FN", "FP", "ED", "EA", "EC"):
        assert ours.operations[name] == theirs[f"AOGM_{name}"], name
    assert min(ours.operations[name] for name in ("NS", "FN", "FP", "ED", "EA")) > 0
    for name, value in ours.measures().items():
        assert value == pytest.approx(theirs[name]), name


# --- Truth of the Challenge


def test_truth_of_the_challenge_has_no_events_fusions_or_full_masks(tmp_path):
    lineage = as_lineage(worlds.two_generations())

    scores = compared(
        run_in_memory(tmp_path / "x.lineage", lineage), read_truth(bare(tmp_path / "01_GT", lineage))
    )

    assert scores.links.f1 == scores.divisions[0].f1 == 1.0
    assert (scores.fusions, scores.slippages, scores.outcomes) == (None, None, None)
    assert scores.tally.measures()["SEG"] is None
    assert scores.tally.measures()["DET"] == 1.0
    assert len(scores.notes) == 3


def test_seg_is_measured_in_the_frames_that_have_it(tmp_path):
    lineage = as_lineage(worlds.lone_cell())
    truth = bare(tmp_path / "01_GT", lineage)
    (truth / "SEG").mkdir()
    mask = paint(lineage, half=4)[2].astype(np.uint16)  # 9 x 9 px; the run's are 7 x 7
    tifffile.imwrite(truth / "SEG" / "man_seg002.tif", mask)

    scores = compared(run_in_memory(tmp_path / "x.lineage", lineage), read_truth(truth))

    assert scores.tally.n_seg == 1
    assert scores.tally.measures()["SEG"] == pytest.approx(49 / 81)


@pytest.mark.parametrize("given", ["set", "set/01_GT", "set/01_GT/TRA"])
def test_truth_is_found_in_a_data_set_its_folder_or_tra(tmp_path, given):
    bare(tmp_path / "set" / "01_GT", as_lineage(worlds.one_division()))

    truth = read_truth(tmp_path / given)

    assert truth.n_frames == N_FRAMES
    assert sorted(truth.graph.edges) == [(1, 2), (1, 3)]
    assert not truth.knows_fusions


def test_a_cell_seen_again_is_one_cell_and_divides_after_a_gap(tmp_path):
    """The truth sees cell 1 in frames 0 to 3 and 6 to 7, its daughters from frame 10 on."""
    unseen = {1: [4, 5, 8, 9]}
    true = as_lineage(worlds.one_division(), unseen=unseen)
    truth = read_truth(bare(tmp_path / "01_GT", true))
    assert len(truth.tracks) == 4
    assert sorted(truth.graph.edges) == [(1, 2), (1, 3)]

    matches = match(truth, paint(as_lineage(worlds.one_division())))

    assert tracking.divisions(truth.graph, matches.truth) == [tracking.Junction(10, (1,), (2, 3))]
    scores = compared(run_in_memory(tmp_path / "x.lineage", true), truth)
    assert scores.divisions[0].f1 == scores.links.f1 == 1.0
    assert scores.links.truth == (6 - 1) + 2 + 2 * 9


def test_an_only_daughter_is_a_cell_of_its_own_where_the_graph_says_so(tmp_path):
    lineage = as_lineage(nx.DiGraph([(1, 2)]))

    assert read_truth(write_truth(tmp_path / "a", lineage)).cell_of == {1: 1, 2: 2}
    assert read_truth(bare(tmp_path / "b", lineage)).cell_of == {1: 1, 2: 1}


# --- Truth that cannot be used


def broken(folder, change):
    truth = write_truth(folder, as_lineage(worlds.one_division()))
    change(truth)
    return truth


def rewrite_tracks(old, new):
    def change(truth):
        path = truth / "TRA" / "man_track.txt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def crop_mask(truth):
    path = truth / "TRA" / "man_track003.tif"
    tifffile.imwrite(path, tifffile.imread(path)[:, :-1])


def lose_subtypes(truth):
    path = truth / "events.csv"
    path.write_text(path.read_text().replace("subtype", "kind"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: (t / "TRA" / "man_track003.tif").unlink(), f"{N_FRAMES - 1} files man_trackNNN.tif"),
        (lambda t: (t / "TRA" / "man_track039.tif").unlink(), "has 39 frames, the run has 40"),
        (lambda t: (t / "TRA" / "man_track.txt").unlink(), "holds no TRA/man_track.txt"),
        (rewrite_tracks("1 0 9 0\n", "1 0 9\n"), "not four whole numbers"),
        (rewrite_tracks("1 0 9 0\n", ""), "names a parent 1 that has no line"),
        (rewrite_tracks("3 10 19 1\n", ""), "hold label 3, which man_track.txt does not list"),
        (
            rewrite_tracks("3 10 19 1\n", "3 10 18 1\n"),
            "label 3 in frames 10 to 18, the masks in frames 10 to 19",
        ),
        (
            rewrite_tracks("1 0 9 0\n", "1 0 9 0\n7 0 3 0\n"),
            "label 7 in frames 0 to 3, the masks in no frame",
        ),
        (crop_mask, "man_track003.tif is 299 x 200 px, the run's frames are 300 x 200"),
        (lose_subtypes, "events.csv lacks subtype; it has event_id"),
        (lambda t: (t / "settings.json").write_text("{"), "not the simulator's settings"),
    ],
)
def test_truth_that_cannot_be_used_is_named(tmp_path, change, words):
    run = run_in_memory(tmp_path / "x.lineage", as_lineage(worlds.one_division()))

    with pytest.raises(InputError, match=words):
        compared(run, read_truth(broken(tmp_path / "truth", change)))


def test_two_sequences_of_a_data_set_are_not_guessed_between(tmp_path):
    for name in ("01_GT", "02_GT"):
        bare(tmp_path / name, as_lineage(worlds.lone_cell()))

    with pytest.raises(InputError, match="holds 01_GT, 02_GT; give one"):
        read_truth(tmp_path)


def test_where_there_are_no_events_the_mistakes_are_divisions(tmp_path):
    graph = worlds.two_generations()
    found = nx.DiGraph([(1, 2), (1, 3), (3, 4), (3, 8)])
    found.add_node(5)
    lives = worlds.lives_of(graph)
    run = run_in_memory(tmp_path / "x.lineage", as_lineage(found, lives=lives))
    truth = read_truth(bare(tmp_path / "01_GT", as_lineage(graph)))

    mistakes = compared(run, truth).mistakes()

    assert mistakes["kind"].tolist() == ["missed division", "false division"]
    assert mistakes["words"].tolist() == ["missed division into 2", "false division into 2"]
    assert mistakes["run_event"].tolist() == [-1, 8]
    assert mistakes["frame"].tolist() == [20, 0]
    assert (mistakes["y_px"][0], mistakes["x_px"][0]) == (100, 60 + 20 * 3.5)
