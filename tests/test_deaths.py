import networkx as nx
import nuclei

from lineage.tracking.deaths import with_deaths


def lineage_of(cells, edges=(), dead=()):
    table = nuclei.table(cells, p_dead=dict.fromkeys(dead, 0.9))
    number = {name: k for k, name in enumerate(cells)}
    graph = nx.DiGraph()
    graph.add_nodes_from(number.values())
    graph.add_edges_from((number[a], number[b], {"log_odds": 3.0}) for a, b in edges)
    return table.assign(tracklet_id=table["name"].map(number)), graph


def falls_apart(dead=("left", "right", "far")):
    cells = {
        "whole": nuclei.still((50, 50), range(5)),
        "left": nuclei.still((45, 50), range(5, 9)),
        "right": nuclei.still((55, 50), range(5, 9)),
        "far": nuclei.still((56, 52), range(9, 12)),
        "bystander": nuclei.still((90, 90), range(12)),
    }
    edges = [("whole", "left"), ("whole", "right"), ("right", "far")]
    return lineage_of(cells, edges, dead)


def test_a_division_into_what_looks_dead_is_a_death_and_its_pieces_are_no_cells():
    table, graph = with_deaths(*falls_apart())
    assert sorted(graph) == [0, 4]
    assert not graph.edges
    assert graph.nodes[0]["dies"]
    assert "dies" not in graph.nodes[4]
    assert set(table.loc[table["name"].isin(["left", "right", "far"]), "tracklet_id"]) == {-1}


def test_one_daughter_that_dies_leaves_a_division():
    table, graph = with_deaths(*falls_apart(dead=("left",)))
    assert set(graph.successors(0)) == {1, 2}
    assert graph.nodes[1]["dies"]
    assert (table["tracklet_id"] >= 0).all()


def test_what_lives_on_or_takes_in_another_cell_is_no_piece():
    table, graph = falls_apart()
    table.loc[table["name"] == "far", "p_dead"] = 0.01
    kept, _ = with_deaths(table, graph)
    assert (kept["tracklet_id"] >= 0).all()
    table, graph = falls_apart()
    graph.add_edge(4, 3)  # the bystander goes into what follows
    kept, _ = with_deaths(table, graph)
    assert (kept["tracklet_id"] >= 0).all()


def test_what_looks_dead_to_its_end_has_died_and_a_frame_of_it_is_not_enough():
    cells = {name: nuclei.still((50, 50 + 40 * k), range(6)) for k, name in enumerate(("one", "two"))}
    table, graph = lineage_of(cells)
    table.loc[(table["name"] == "one") & (table["frame"] >= 3), "p_dead"] = 0.95
    table.loc[(table["name"] == "two") & (table["frame"] == 5), "p_dead"] = 0.95
    _, graph = with_deaths(table, graph)
    assert [d.get("dies") for _, d in graph.nodes(data=True)] == [True, None]


def test_pieces_that_appear_beside_a_dying_cell_belong_to_it_and_those_far_away_do_not():
    cells = {
        "dying": nuclei.still((50, 50), range(8)),
        "piece": nuclei.still((50, 62), range(6, 10)),
        "elsewhere": nuclei.still((150, 150), range(6, 10)),
    }
    table, graph = with_deaths(*lineage_of(cells, dead=("dying", "piece", "elsewhere")))
    assert sorted(graph) == [0, 2]
    assert graph.nodes[0]["dies"]
    assert set(table.loc[table["name"] == "piece", "tracklet_id"]) == {-1}
