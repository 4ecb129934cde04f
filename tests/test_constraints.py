"""What a person says of tracks holds in the lineage, and nothing else changes for it."""

import nuclei
import numpy as np
import pytest

from lineage.corrections.journal import OVERRULED
from lineage.corrections.lines import make
from lineage.schema import LOOK_COLUMNS, Geometry
from lineage.tracking.constraints import GONE, constraints_of
from lineage.tracking.track import track


def nucleus(drawn, name, frame):
    """As a correction names it."""
    (row,) = drawn[(drawn["name"] == name) & (drawn["frame"] == frame)].to_dict("records")
    return {"frame": frame, "y_px": row["y_px"], "x_px": row["x_px"]}


def said(what, **more):
    return make({"what": what, **more}, who="anna")


def tracked(drawn, *lines, **outlined):
    """The lineage that these lines leave, its edges by name, and what was not applied."""
    found = constraints_of(drawn, lines, pixel_size_um=1.0, **outlined)
    n_frames = int(drawn["frame"].max()) + 1
    geometry = Geometry(n_frames, tuple(map(int, nuclei.SHAPE_UM)), 1.0, 10.0)
    lineage = track(drawn, usable=np.ones(n_frames, bool), geometry=geometry, constraints=found)
    seen = lineage.detections[lineage.detections["tracklet_id"] > 0].sort_values("frame")
    names = seen.groupby("tracklet_id")["name"].agg(lambda s: " ".join(dict.fromkeys(s)))
    edges = sorted((names[a], names[b]) for a, b in lineage.graph.edges)
    found = found.checked(lineage.detections, lineage.graph)
    return lineage, edges, dict(found.not_applied)


def cells_of(lineage, name):
    of_name = lineage.detections[lineage.detections["name"] == name]
    return set(of_name["tracklet_id"])


def two_cells(until=14):
    """A cell that passes 12 um from another one."""
    cells = nuclei.bystanders(until) | {
        "one": nuclei.still((150.0, 150.0), range(until)),
        "other": nuclei.still((150.0, 162.0), range(until)),
    }
    return nuclei.looking(nuclei.table(cells), {})


def test_without_a_word_nothing_changes():
    drawn = nuclei.mitosis(2)
    _, edges, _ = tracked(drawn)
    assert edges == [("mother", "daughter 0"), ("mother", "daughter 1")]
    assert not constraints_of(drawn, [], pixel_size_um=1.0)


@pytest.mark.parametrize("n", [2, 3])
def test_a_division_that_is_denied_is_none(n):
    drawn = nuclei.mitosis(n)
    _, edges, not_applied = tracked(drawn, said("no_division", mother=nucleus(drawn, "mother", 7)))
    assert edges == []
    assert not_applied == {}


@pytest.mark.parametrize("n", [2, 3, 4])
def test_daughters_that_are_named_are_the_daughters(n):
    cells = nuclei.bystanders(16) | {"mother": nuclei.still((150.0, 150.0), range(16))}
    cells |= {f"late {k}": nuclei.still((150.0 + 14 * k, 175.0), range(8, 16)) for k in range(1, n)}
    drawn = nuclei.looking(nuclei.table(cells), {})  # in interphase all along: nobody would propose it
    assert tracked(drawn)[1] == []
    daughters = [nucleus(drawn, "mother", 8), *(nucleus(drawn, f"late {k}", 8) for k in range(1, n))]
    line = said("division", mother=nucleus(drawn, "mother", 7), daughters=daughters)
    lineage, edges, not_applied = tracked(drawn, line)
    assert not_applied == {}
    assert edges == sorted([("mother", "mother"), *(("mother", f"late {k}") for k in range(1, n))])
    assert len(cells_of(lineage, "mother")) == 2


def test_a_division_into_two_that_is_said_is_not_made_one_of_three():
    """Though a third begins beside them two frames later."""
    drawn = nuclei.mitosis(3)
    late = (drawn["name"] == "daughter 2") & (drawn["frame"] < 10)
    drawn = drawn[~late].reset_index(drop=True)
    two = [nucleus(drawn, f"daughter {k}", 8) for k in range(2)]
    line = said("division", mother=nucleus(drawn, "mother", 7), daughters=two)
    _, edges, not_applied = tracked(drawn, line)
    assert not_applied == {}
    assert ("mother", "daughter 2") not in edges
    assert {d for m, d in edges if m == "mother"} == {"daughter 0", "daughter 1"}


def test_a_cut_track_is_two_cells():
    drawn = two_cells()
    pair = {"before": nucleus(drawn, "one", 6), "after": nucleus(drawn, "one", 7)}
    assert len(cells_of(tracked(drawn)[0], "one")) == 1
    lineage, edges, not_applied = tracked(drawn, said("cut", **pair))
    assert len(cells_of(lineage, "one")) == 2
    assert edges == []
    assert not_applied == {}


def test_joined_nuclei_are_one_cell_across_any_gap():
    drawn = two_cells()
    gone = (drawn["name"] == "one") & drawn["frame"].between(4, 10)
    drawn = drawn[~gone].reset_index(drop=True)
    assert len(cells_of(tracked(drawn)[0], "one")) == 2
    pair = {"before": nucleus(drawn, "one", 3), "after": nucleus(drawn, "one", 11)}
    lineage, _, not_applied = tracked(drawn, said("join", **pair))
    assert len(cells_of(lineage, "one")) == 1
    assert not_applied == {}


def test_tracks_that_were_swapped_are_swapped_back():
    drawn = two_cells()
    a = {"before": nucleus(drawn, "one", 6), "after": nucleus(drawn, "other", 7)}
    b = {"before": nucleus(drawn, "other", 6), "after": nucleus(drawn, "one", 7)}
    lineage, _, not_applied = tracked(drawn, said("join", **a), said("join", **b))
    assert not_applied == {}
    cell = lineage.detections.set_index(["name", "frame"])["tracklet_id"]
    assert cell["one", 6] == cell["other", 7] == cell["other", 13]
    assert cell["other", 6] == cell["one", 7] == cell["one", 13]
    assert cell["one", 6] != cell["one", 7]


def test_a_fusion_that_is_said_is_one():
    drawn = two_cells()
    drawn = drawn[~((drawn["name"] == "other") & (drawn["frame"] > 6))].reset_index(drop=True)
    ends = [nucleus(drawn, name, 6) for name in ("one", "other")]
    _, edges, not_applied = tracked(drawn, said("fusion", parents=ends, fused=nucleus(drawn, "one", 7)))
    assert not_applied == {}
    assert edges == [("one", "one"), ("other", "one")]


def test_a_cell_dies_where_a_person_says_and_lives_where_they_say_it_does():
    drawn = two_cells()
    drawn = drawn[~((drawn["name"] == "one") & (drawn["frame"] > 8))].reset_index(drop=True)
    last = nucleus(drawn, "one", 8)
    lineage, _, not_applied = tracked(drawn, said("death", nucleus=last))
    (cell,) = cells_of(lineage, "one")
    assert lineage.graph.nodes[cell]["dies"]
    assert not_applied == {}
    dead = drawn["name"].eq("one") & drawn["frame"].ge(4)
    drawn[list(LOOK_COLUMNS)] = 0.001
    drawn["look_interphase"] = np.where(dead, 0.001, 0.99)
    drawn["look_dead"] = np.where(dead, 0.99, 0.001)
    drawn.loc[dead, ["area_um2", "mean_intensity"]] = [40.0, 4 * drawn["mean_intensity"].median()]
    dying, _, _ = tracked(drawn)
    (cell,) = cells_of(dying, "one")
    assert dying.graph.nodes[cell].get("dies")
    lineage, _, not_applied = tracked(drawn, said("no_death", nucleus=last))
    (cell,) = cells_of(lineage, "one")
    assert not lineage.graph.nodes[cell].get("dies")
    assert not_applied == {}


def test_a_cell_that_is_said_to_die_early_ends_there():
    drawn = two_cells()
    lineage, _, not_applied = tracked(drawn, said("death", nucleus=nucleus(drawn, "one", 5)))
    cell = lineage.detections.set_index(["name", "frame"])["tracklet_id"]
    assert lineage.graph.nodes[cell["one", 5]]["dies"]
    assert cell["one", 5] != cell["one", 6]
    assert not_applied == {}


def test_what_a_person_outlined_is_no_debris():
    """Seen in one frame only, and hardly there."""
    cells = nuclei.bystanders(14) | {"speck": nuclei.still((150.0, 150.0), [7])}
    drawn = nuclei.table(cells, probability={"speck": 0.2})
    label = int(drawn.loc[drawn["name"] == "speck", "label"].iloc[0])
    assert cells_of(tracked(drawn)[0], "speck") == {-1}
    (cell,) = cells_of(tracked(drawn, outlined={7: [label]})[0], "speck")
    assert cell > 0


def test_the_later_of_two_words_holds():
    drawn = two_cells()
    pair = {"before": nucleus(drawn, "one", 6), "after": nucleus(drawn, "one", 7)}
    cut, join = said("cut", **pair), said("join", **pair)
    lineage, _, not_applied = tracked(drawn, cut, join)
    assert len(cells_of(lineage, "one")) == 1
    assert not_applied == {cut.id: OVERRULED}
    lineage, _, not_applied = tracked(drawn, join, cut)
    assert len(cells_of(lineage, "one")) == 2
    assert not_applied == {join.id: OVERRULED}
    dies = said("death", nucleus=nucleus(drawn, "one", 6))
    _, _, not_applied = tracked(drawn, dies, join)  # both say what ends there
    assert not_applied == {dies.id: OVERRULED}
    mitosis = nuclei.mitosis(2)
    none = said("no_division", mother=nucleus(mitosis, "mother", 7))
    daughters = [nucleus(mitosis, f"daughter {k}", 8) for k in range(2)]
    division = said("division", mother=nucleus(mitosis, "mother", 7), daughters=daughters)
    assert tracked(mitosis, none, division)[2] == {none.id: OVERRULED}
    assert tracked(mitosis, division, none)[1:] == ([], {division.id: OVERRULED})


def test_a_word_on_a_division_is_known_again_a_frame_away():
    """Whoever says that none is here need not name the very nucleus that the other named as the mother."""
    drawn = nuclei.mitosis(2)
    daughters = [nucleus(drawn, f"daughter {k}", 8) for k in range(2)]
    division = said("division", mother=nucleus(drawn, "mother", 7), daughters=daughters)
    none = said("no_division", mother=nucleus(drawn, "mother", 6))
    assert tracked(drawn, none, division)[1:] == (tracked(drawn)[1], {none.id: OVERRULED})
    assert tracked(drawn, division, none)[1:] == ([], {division.id: OVERRULED})


def test_a_word_on_one_cell_is_none_on_its_neighbour():
    """They touch: 0.7 diameters apart."""
    apart = 0.7 * 2 * np.sqrt(nuclei.mitosis(2)["area_um2"].median() / np.pi)
    cells = nuclei.bystanders(14) | {
        "one": nuclei.still((150.0, 150.0), range(14)),
        "other": nuclei.still((150.0, 150.0 + apart), range(9)),
    }
    drawn = nuclei.looking(nuclei.table(cells), {})
    lives = said("no_death", nucleus=nucleus(drawn, "one", 8))
    dies = said("death", nucleus=nucleus(drawn, "other", 7))
    for lines in ((lives, dies), (dies, lives)):
        assert tracked(drawn, *lines)[2] == {}


def test_what_is_said_twice_is_no_contradiction():
    drawn = nuclei.mitosis(2)
    two = [nucleus(drawn, f"daughter {k}", 8) for k in range(2)]
    mother = nucleus(drawn, "mother", 7)
    twice = [said("division", mother=mother, daughters=daughters) for daughters in (two, two[::-1])]
    _, edges, not_applied = tracked(drawn, *twice)
    assert edges == [("mother", "daughter 0"), ("mother", "daughter 1")]
    assert not_applied == {}


def test_what_names_a_nucleus_that_is_gone_is_listed():
    drawn = two_cells()
    nowhere = {"frame": 6, "y_px": 299.0, "x_px": 299.0}
    cut = said("cut", before=nowhere, after=nucleus(drawn, "one", 7))
    twice = said("fusion", parents=[nucleus(drawn, "one", 6)] * 2, fused=nucleus(drawn, "one", 7))
    lineage, _, not_applied = tracked(drawn, cut, twice)
    assert not_applied == {cut.id: GONE, twice.id: "two of the nuclei that it names are one"}
    assert len(cells_of(lineage, "one")) == 1


def test_whatever_is_said_a_lineage_is_found_in_which_the_rest_is_as_it_was():
    """Random words, most of them nonsense: none makes the program unsolvable, none reaches far."""
    rng = np.random.default_rng(3)
    drawn = nuclei.mitosis(3)
    names = {n: sorted(f) for n, f in drawn.groupby("name")["frame"]}
    before = tracked(drawn)[0].detections
    far = before["name"].str.startswith("bystander")

    def some(frame):
        here = [n for n, frames in names.items() if frame in frames and not n.startswith("bystander")]
        return nucleus(drawn, here[rng.integers(len(here))], frame)

    for _ in range(40):
        lines = []
        for _ in range(6):
            t = int(rng.integers(2, 15))
            lines.append([
                lambda t: said("cut", before=some(t), after=some(t + 1)),
                lambda t: said("join", before=some(t), after=some(t + 2)),
                lambda t: said("division", mother=some(t), daughters=[some(t + 1), some(t + 2)]),
                lambda t: said("fusion", parents=[some(t), some(t)], fused=some(t + 1)),
                lambda t: said("death", nucleus=some(t)),
                lambda t: said("no_division", mother=some(t)),
                lambda t: said("no_death", nucleus=some(t)),
            ][rng.integers(7)](t))  # fmt: skip
        lineage, _, _ = tracked(drawn, *lines)
        after = lineage.detections
        pairs = set(zip(before.loc[far, "name"], after.loc[far, "tracklet_id"], strict=True))
        assert len(pairs) == far.sum() / 18
