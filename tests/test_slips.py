import networkx as nx
import nuclei
import pytest

from lineage.tracking.slips import without_slips


def lineage_of(cells, edges, **of_cell):
    table = nuclei.table(cells, **of_cell)
    number = {name: k for k, name in enumerate(cells)}
    graph = nx.DiGraph()
    graph.add_nodes_from(number.values())
    graph.add_edges_from((number[a], number[b], {"log_odds": 3.0}) for a, b in edges)
    return table.assign(tracklet_id=table["name"].map(number)), graph


def cut_in_two(frames=(5, 6), **of_cell):
    cells = {
        "before": nuclei.still((50, 50), range(5)),
        "larger": nuclei.still((48, 50), frames),
        "smaller": nuclei.still((56, 50), frames),
        "after": nuclei.still((50, 50), range(frames[-1] + 1, 12)),
    }
    edges = [("before", "larger"), ("before", "smaller"), ("larger", "after"), ("smaller", "after")]
    return lineage_of(cells, edges, area_um2={"larger": 100.0, "smaller": 50.0}, **of_cell)


def test_a_nucleus_that_is_cut_in_two_for_a_frame_or_two_goes_on():
    for frames in ((5,), (5, 6)):
        table, graph, _ = without_slips(*cut_in_two(frames))
        assert list(graph.nodes) == [0]
        assert set(table.loc[table["name"] != "smaller", "tracklet_id"]) == {0}
        assert set(table.loc[table["name"] == "smaller", "tracklet_id"]) == {-1}


def test_what_stays_in_two_for_longer_or_was_in_mitosis_has_divided():
    for told in (cut_in_two((5, 6, 7)), cut_in_two(p_mitotic={"before": 0.9})):
        table, graph, _ = without_slips(*told)
        assert graph.number_of_edges() == 4
        assert table["tracklet_id"].tolist() == told[0]["tracklet_id"].tolist()


def test_what_goes_on_after_a_slip_keeps_its_daughters_and_its_death():
    table, graph = cut_in_two()
    graph.add_edge(3, 4, log_odds=7.0)
    graph.add_edge(3, 5, log_odds=7.0)
    graph.nodes[3]["dies"] = True
    more = table[table["name"] == "after"].iloc[[-1, -1]].assign(tracklet_id=[4, 5], frame=12)
    table = nuclei.pd.concat([table, more], ignore_index=True)
    table, graph, _ = without_slips(table, graph)
    assert sorted(graph.edges(data="log_odds")) == [(0, 4, 7.0), (0, 5, 7.0)]
    assert graph.nodes[0]["dies"]


@pytest.mark.parametrize("crossing", [False, True])
def test_two_nuclei_that_are_taken_for_one_for_a_frame_stay_two(crossing):
    cells = {
        "left": nuclei.still((50, 40), range(5)),
        "right": nuclei.still((50, 60), range(5)),
        "one": {5: (50, 49)},
        "first": nuclei.still((50, 60 if crossing else 40), range(6, 12)),
        "second": nuclei.still((50, 40 if crossing else 60), range(6, 12)),
    }
    edges = [("left", "one"), ("right", "one"), ("one", "first"), ("one", "second")]
    table, graph, _ = without_slips(*lineage_of(cells, edges))
    assert not graph.edges
    cell = table.groupby("name")["tracklet_id"].first()
    names = ("second", "first") if crossing else ("first", "second")
    assert (cell[names[0]], cell[names[1]]) == (cell["left"], cell["right"])
    assert cell["one"] == cell["left"], "the nearer one"
    condensed = lineage_of(cells, edges, p_mitotic={"one": 0.9})
    assert without_slips(*condensed)[1].number_of_edges() == 4


@pytest.mark.parametrize("share", [0.08, 0.3])
def test_a_micronucleus_is_no_daughter(share):
    cells = {
        "mother": nuclei.still((50, 50), range(5)),
        "nucleus": nuclei.still((50, 52), range(5, 12)),
        "small": nuclei.still((60, 50), range(5, 12)),
    }
    dna = {"nucleus": 1000.0, "small": 1000.0 * share}
    edges = [("mother", "nucleus"), ("mother", "small")]
    small = {"area_um2": {"small": 30.0}, "p_mitotic": {"mother": 0.9}}
    table, graph, _ = without_slips(*lineage_of(cells, edges, dna_mass=dna, **small))
    if share > 0.1:
        assert graph.number_of_edges() == 2
        return
    assert list(graph.nodes) == [0]
    assert set(table.loc[table["name"] == "small", "tracklet_id"]) == {-1}


def test_a_micronucleus_beside_two_daughters_makes_no_third():
    cells = {
        "mother": nuclei.still((50, 50), range(5)),
        "left": nuclei.still((50, 42), range(5, 12)),
        "right": nuclei.still((50, 58), range(5, 12)),
        "small": nuclei.still((60, 50), range(5, 12)),
    }
    edges = [("mother", d) for d in ("left", "right", "small")]
    small = {"dna_mass": {"small": 80.0}, "area_um2": {"small": 30.0}}
    _, graph, _ = without_slips(*lineage_of(cells, edges, **small))
    assert sorted(graph.edges) == [(0, 1), (0, 2)]


@pytest.mark.parametrize(("area", "stays"), [(30.0, False), (100.0, True)])
def test_a_pale_nucleus_that_comes_into_sight_is_no_daughter_and_stays_a_cell(area, stays):
    cells = {
        "mother": nuclei.still((50, 50), range(5)),
        "nucleus": nuclei.still((50, 52), range(5, 12)),
        "pale": nuclei.still((60, 50), range(5, 12)),
    }
    measures = {"dna_mass": {"nucleus": 1000.0, "pale": 30.0}, "area_um2": {"nucleus": 110.0, "pale": area}}
    edges = [("mother", "nucleus"), ("mother", "pale")]
    told = lineage_of(cells, edges, **measures)
    assert told[1].number_of_edges() == 2
    table, graph, _ = without_slips(*told)
    assert not graph.edges
    cell = table.groupby("name")["tracklet_id"].first()
    assert cell["nucleus"] == cell["mother"]
    assert (cell["pale"] in graph) is stays
    assert (cell["pale"] >= 0) == stays


def test_what_begins_as_a_speck_and_goes_on_as_a_nucleus_stays_a_cell():
    cells = {
        "mother": nuclei.still((50, 50), range(5)),
        "nucleus": nuclei.still((50, 52), range(5, 14)),
        "grows": nuclei.still((60, 50), range(5, 14)),
    }
    table, graph = lineage_of(cells, [("mother", "nucleus"), ("mother", "grows")])
    young = (table["name"] == "grows") & (table["frame"] < 8)
    table.loc[young, ["dna_mass", "area_um2"]] *= 0.05
    table, graph, _ = without_slips(table, graph)
    assert not graph.edges
    assert (table["tracklet_id"] >= 0).all()


@pytest.mark.parametrize(
    ("frames", "is_daughter"), [((5,), False), ((5, 6), False), ((5, 6, 7), True), ((10, 11), True)]
)
def test_a_seventh_of_the_dna_for_a_frame_is_no_daughter_unless_the_movie_ends(frames, is_daughter):
    cells = {
        "mother": nuclei.still((50, 50), range(frames[0])),
        "nucleus": nuclei.still((50, 52), range(frames[0], 12)),
        "speck": nuclei.still((60, 50), frames),
    }
    measures = {"dna_mass": {"nucleus": 700.0, "speck": 100.0}, "area_um2": {"speck": 30.0}}
    edges = [("mother", "nucleus"), ("mother", "speck")]
    table, graph, _ = without_slips(*lineage_of(cells, edges, **measures))
    assert graph.number_of_edges() == 2 * is_daughter
    assert (table.loc[table["name"] == "speck", "tracklet_id"] >= 0).all() == is_daughter


def divided_twice(birth, division, *, lasts=6):
    """`first` and `second`, sisters; `second` divides after `lasts` frames. Log-odds of both divisions."""
    later = range(5 + lasts, 30)
    cells = {
        "mother": nuclei.still((50, 50), range(5)),
        "first": nuclei.still((44, 50), range(5, 30)),
        "second": nuclei.still((54, 50), range(5, 5 + lasts)),
        "near": nuclei.still((53, 50), later),
        "far": nuclei.still((66, 50), later),
    }
    born = [("mother", "first"), ("mother", "second")]
    table, graph = lineage_of(cells, [*born, ("second", "near"), ("second", "far")])
    for a, b in graph.edges:
        graph.edges[a, b]["log_odds"] = birth if a == 0 else division
    return table, graph


def cells_of(table):
    return table.groupby("name")["tracklet_id"].first().to_dict()


def test_a_cell_that_seems_to_divide_soon_after_its_birth_goes_on():
    table, graph, n_too_soon = without_slips(*divided_twice(5.0, 2.0), min_life_frames=24)
    assert n_too_soon == 1
    cell = cells_of(table)
    assert cell["near"] == cell["second"]
    assert sorted(graph.edges) == [(cell["mother"], cell["first"]), (cell["mother"], cell["second"])]
    assert cell["far"] in graph  # it came into sight beside her


def test_of_two_divisions_in_a_row_the_surer_is_one():
    table, graph, n_too_soon = without_slips(*divided_twice(2.0, 5.0), min_life_frames=24)
    assert n_too_soon == 1
    cell = cells_of(table)
    assert cell["mother"] == cell["second"]  # the nearer of the two
    assert sorted(graph.edges) == [(cell["second"], cell["near"]), (cell["second"], cell["far"])]
    assert cell["first"] in graph


@pytest.mark.parametrize(("lasts", "min_life_frames"), [(6, 6), (6, 0), (24, 24)])
def test_a_cell_that_lives_long_enough_divides(lasts, min_life_frames):
    told = divided_twice(5.0, 2.0, lasts=lasts)
    _, graph, n_too_soon = without_slips(*told, min_life_frames=min_life_frames)
    assert sorted(graph.edges) == sorted(told[1].edges)
    assert n_too_soon == 0


def test_each_division_that_is_undone_is_counted_and_other_slips_are_not():
    table, graph = divided_twice(5.0, 2.0)
    near = table["name"] == "near"
    later = table[near & (table["frame"] >= 18)]
    for cell, x in ((5, 45.0), (6, 61.0)):  # of `near`, who divides, too
        table = nuclei.pd.concat([table, later.assign(name=f"{cell}", tracklet_id=cell, x_um=x)])
        graph.add_edge(3, cell, log_odds=1.0)
    table = table[(table["name"] != "near") | (table["frame"] < 18)].reset_index(drop=True)
    assert without_slips(table, graph, min_life_frames=24)[2] == 2
    assert without_slips(*cut_in_two(), min_life_frames=24)[2] == 0


def test_what_a_person_says_of_a_young_cell_stays():
    table, graph = divided_twice(5.0, 2.0)
    for edge in list(graph.out_edges(2)):
        graph.edges[edge]["said"] = True
    assert without_slips(table, graph, min_life_frames=24)[1].number_of_edges() == 4
