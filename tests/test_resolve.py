"""The likeliest lineage, how sure each event is, and nothing less without a word."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import worlds

from lineage.schema import DETECTION_COLUMNS, Hypotheses, Hypothesis
from lineage.tracking import resolve as program
from lineage.tracking.resolve import Unsolved, against_next_best, resolve, solve

H = Hypothesis
FOREVER = {"time_limit_s": 60.0}


def hypotheses(*rows):
    """From (kind, ends, starts, log-odds)."""

    def padded(side, width):
        return [*side, *[-1] * (width - len(side))]

    return Hypotheses(
        np.array([r[0] for r in rows], object),
        np.array([padded(r[1], 2) for r in rows], int).reshape(-1, 2),
        np.array([padded(r[2], 4) for r in rows], int).reshape(-1, 4),
        np.array([r[3] for r in rows], float),
    )


def alone(n, *, false=-20.0, start=-4.0, end=-4.0):
    """What may be true of each tracklet by itself."""
    return [
        row
        for i in range(n)
        for row in ((H.FALSE_POSITIVE, [i], [i], false), (H.START, [], [i], start), (H.END, [i], [], end))
    ]


def nuclei_of(frames, places=None):
    """Detections of tracklet k in frames[k], at x = places[k]."""
    lives = dict(enumerate(frames))
    graph = worlds.nx.DiGraph()
    graph.add_nodes_from(lives)
    at = {k: (100.0, 60.0 + 20 * k if places is None else places[k]) for k in lives}
    return worlds.as_lineage(graph, lives=lives, positions_px=at).detections


def edges(lineage):
    """Mothers and daughters, by the labels (tracklets) that their nuclei were drawn as."""
    drawn_as = lineage.detections.groupby("tracklet_id")["label"].agg(lambda s: tuple(sorted(set(s))))
    return sorted((drawn_as[a], drawn_as[b]) for a, b in lineage.graph.edges)


def test_a_link_joins_two_tracklets_into_one_cell():
    seen = nuclei_of([range(3), range(3, 6)])
    rows = alone(2)
    assert list(resolve(seen, hypotheses(*rows)).graph) == [1, 2]
    lineage = resolve(seen, hypotheses(*rows, (H.LINK, [0], [1], -0.5)))
    assert list(lineage.graph) == [1]
    assert set(lineage.detections["tracklet_id"]) == {1}


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_division_takes_one_mother_and_all_her_daughters(n):
    seen = nuclei_of([range(3), *[range(3, 9)] * n])
    rows = [*alone(n + 1), (H.LINK, [0], [1], -0.5)]
    assert resolve(seen, hypotheses(*rows)).graph.number_of_edges() == 0
    graph = resolve(seen, hypotheses(*rows, (H.DIVISION, [0], range(1, n + 1), -1.0))).graph
    assert sorted(graph.edges) == [(1, d) for d in range(2, n + 2)]


def test_a_fusion_takes_two_cells_and_makes_one():
    seen = nuclei_of([range(3), range(3), range(3, 6)])
    rows = [*alone(3), (H.LINK, [0], [2], -0.5), (H.FUSION, [0, 1], [2], -1.0)]
    assert sorted(resolve(seen, hypotheses(*rows)).graph.edges) == [(1, 3), (2, 3)]


def test_a_cell_that_is_likelier_dead_than_lost_dies():
    seen = nuclei_of([range(3), range(3)])
    rows = [*alone(2), (H.DEATH, [0], [], -1.0), (H.DEATH, [1], [], -9.0)]
    graph = resolve(seen, hypotheses(*rows)).graph
    assert {c: d.get("dies", False) for c, d in graph.nodes(data=True)} == {1: True, 2: False}


def test_false_tracklets_belong_to_no_cell():
    rows = [*alone(1), (H.FALSE_POSITIVE, [1], [1], -0.1), (H.START, [], [1], -9.0), (H.END, [1], [], -9.0)]
    lineage = resolve(nuclei_of([range(3), range(3)]), hypotheses(*rows))
    assert lineage.detections.groupby("label")["tracklet_id"].first().tolist() == [1, -1]
    assert list(lineage.graph) == [1]


# --- The optimum


def drawn_at_random(seed, n=6):
    """Hypotheses of every kind about `n` tracklets, later ones following earlier ones."""
    rng = np.random.default_rng(seed)
    rows = alone(n)
    for i in range(n):
        later = range(i + 1, n)
        rows += [(H.LINK, [i], [j], 0) for j in later]
        rows += [(H.DIVISION, [i], [j, k], 0) for j in later for k in later if j < k]
        rows += [(H.DIVISION, [i], [j, j + 1, j + 2], 0) for j in range(i + 1, n - 2)]
        rows += [(H.DIVISION, [i], range(j, j + 4), 0) for j in range(i + 1, n - 3)]
        rows += [(H.FUSION, [i, j], [k], 0) for j in later for k in range(j + 1, n)]
    return hypotheses(*((kind, e, s, -5 * rng.random()) for kind, e, s, _ in rows))


def best_by_hand(h, n, *, without=-1):
    """(the greatest sum, its hypotheses) of all sets that explain each end and each beginning once."""
    sides = [
        {("end", t) for t in e if t >= 0} | {("start", t) for t in s if t >= 0}
        for e, s in zip(h.ends.tolist(), h.starts.tolist(), strict=True)
    ]
    known = {}

    def best(left):
        if not left:
            return 0.0, ()
        if left not in known:
            first = min(left)
            tried = [
                (h.log_odds[k] + rest, (k, *others))
                for k, explains in enumerate(sides)
                if k != without and first in explains and explains <= left
                for rest, others in [best(left - explains)]
            ]
            known[left] = max(tried, default=(-np.inf, ()))
        return known[left]

    return best(frozenset((side, t) for side in ("end", "start") for t in range(n)))


@pytest.mark.parametrize("seed", range(5))
def test_the_optimum_is_that_of_all_possible_lineages(seed):
    h = drawn_at_random(seed)
    chosen = solve(h, 6, **FOREVER).chosen
    total, which = best_by_hand(h, 6)
    assert h.log_odds[chosen].sum() == pytest.approx(total)
    assert np.flatnonzero(chosen).tolist() == sorted(which)


def test_the_optima_are_of_every_kind():
    # Else the test above would show nothing about it.
    kinds = {
        k for seed in range(5) for h in [drawn_at_random(seed)] for k in h.kind[list(best_by_hand(h, 6)[1])]
    }
    assert {H.LINK, H.DIVISION, H.FUSION} <= kinds


@pytest.mark.parametrize("seed", range(5))
def test_log_odds_are_against_the_best_of_all_lineages_without_the_event(seed):
    h = drawn_at_random(seed)
    chosen = solve(h, 6, **FOREVER).chosen
    odds = against_next_best(h, chosen, 6, **FOREVER)
    events = [k for k in np.flatnonzero(chosen).tolist() if h.kind[k] in (H.DIVISION, H.FUSION)]
    assert sorted(odds) == events
    for event, got in odds.items():
        assert got == pytest.approx(best_by_hand(h, 6)[0] - best_by_hand(h, 6, without=event)[0])


def test_parts_solved_apart_are_as_good_as_together(monkeypatch):
    parts = [drawn_at_random(seed) for seed in range(4)]
    both = Hypotheses(
        np.concatenate([p.kind for p in parts]),
        np.concatenate([np.where(p.ends >= 0, p.ends + 6 * k, -1) for k, p in enumerate(parts)]),
        np.concatenate([np.where(p.starts >= 0, p.starts + 6 * k, -1) for k, p in enumerate(parts)]),
        np.concatenate([p.log_odds for p in parts]),
    )
    assert len(program.batches(both, 24)) == 1
    together = solve(both, 24, **FOREVER).chosen
    monkeypatch.setattr(program, "BATCH", 100)
    assert len(program.batches(both, 24)) > 1
    assert np.array_equal(solve(both, 24, **FOREVER).chosen, together)
    assert both.log_odds[together].sum() == pytest.approx(sum(best_by_hand(p, 6)[0] for p in parts))


def test_the_order_of_hypotheses_and_nuclei_changes_nothing():
    seen, h = nuclei_of([range(2 * k, 2 * k + 4) for k in range(6)]), drawn_at_random(3)
    order = np.random.default_rng(0).permutation(len(h.kind))
    shuffled = Hypotheses(h.kind[order], h.ends[order], h.starts[order], h.log_odds[order])
    a, b = resolve(seen, h), resolve(seen.sample(frac=1, random_state=1), shuffled)
    assert a.graph.number_of_edges() > 0
    assert sorted(a.graph.edges) == sorted(b.graph.edges)
    columns = ["detection_id", "tracklet_id"]
    assert a.detections[columns].equals(b.detections[columns].sort_index())


@pytest.mark.parametrize("links", [(0, 1), (1, 0)])
def test_ties_are_broken_by_the_order_of_the_hypotheses(links):
    # Both links cost the same, and so do the two ends that they leave open.
    starts = [(H.START, [], [i], -4.0) for i in (0, 1, 2)]
    ends = [(H.END, [i], [], -4.0) for i in (*reversed(links), 2)]
    rows = [*((H.LINK, [i], [2], -1.0) for i in links), *starts, *ends]
    assert solve(hypotheses(*rows), 3, **FOREVER).chosen[:2].tolist() == [True, False]


# --- What is not solved


def test_no_solution_is_an_error_that_names_the_part():
    # The ends of 2 and of 3 are explained by fusions with 1 alone, which ends once.
    rows = [(H.START, [], [i], -1.0) for i in range(1, 4)] + [(H.END, [i], [], -1.0) for i in (4, 5)]
    rows += [(H.FUSION, [1, 2], [4], -1.0)]
    solve(hypotheses(*rows), 6, **FOREVER)
    rows += [(H.FUSION, [1, 3], [5], -1.0)]
    with pytest.raises(
        Unsolved, match=r"no lineage .* 60 s .* 7 hypotheses about the tracklets 1, 2, 3, 4, 5 .*time_limit_s"
    ):
        solve(hypotheses(*rows), 6, **FOREVER)


def test_a_lineage_that_is_not_proven_is_said_to_be_so_with_a_count(monkeypatch):
    real, calls = program._optimum, count()

    def stopped(*args, **kwargs):
        chosen, _, _ = real(*args, **kwargs)
        return (chosen, False, 0.02) if next(calls) < 2 else (chosen, True, 0.0)

    seen, h = nuclei_of([range(3)] * 3), hypotheses(*alone(3))
    proven = resolve(seen, h)
    assert (proven.warnings, "proven optimal" in proven.notes[0]) == ((), True)
    monkeypatch.setattr(program, "BATCH", 3)
    monkeypatch.setattr(program, "_optimum", stopped)
    lineage = resolve(seen, h)
    (warning,) = lineage.warnings
    assert warning.startswith("2 part(s) of the lineage are not proven")
    assert "2.00%" in warning
    assert "time_limit_s" in warning
    assert "proven optimal" not in lineage.notes[0]


def test_nothing_resolves_to_nothing():
    nobody = nuclei_of([range(3)]).iloc[:0]
    assert list(nobody.columns) == list(DETECTION_COLUMNS)
    assert len(resolve(nobody, hypotheses()).graph) == 0


# --- Masks come apart one by one


def two_divisions(between, **settings):
    """0 --+-- 2               into two; one of them lives `between` frames and is two again
    +-- 1 --+-- 3
            +-- 4"""
    frames = [range(5), range(5, 5 + between), range(5, 20), *[range(5 + between, 20)] * 2]
    seen = nuclei_of(frames, places=[100, 110, 90, 104, 120])
    rows = [*alone(5), (H.DIVISION, [0], [1, 2], -1.0), (H.DIVISION, [1], [3, 4], -3.0)]
    return resolve(seen, hypotheses(*rows), **settings)


def two_fusions(between):
    """0 --+-- 1 --+-- 4       two become one, which lives `between` frames and fuses again
    2 --+       |
    3 ----------+"""
    frames = [range(5), range(5, 5 + between), range(5), range(5 + between), range(5 + between, 20)]
    seen = nuclei_of(frames, places=[100, 104, 120, 150, 110])
    rows = [*alone(5), (H.FUSION, [0, 2], [1], -1.0), (H.FUSION, [1, 3], [4], -1.0)]
    return resolve(seen, hypotheses(*rows))


def test_two_divisions_within_a_few_frames_are_one_of_three():
    assert edges(two_divisions(between=4)) == [((0,), (1,)), ((0,), (2,)), ((1,), (3,)), ((1,), (4,))]
    # The short-lived body goes to the daughter that is nearer to it.
    assert edges(two_divisions(between=3)) == [((0,), (1, 3)), ((0,), (2,)), ((0,), (4,))]


def test_two_fusions_within_a_few_frames_are_one_of_three():
    assert edges(two_fusions(between=4)) == [((0,), (1,)), ((1,), (4,)), ((2,), (1,)), ((3,), (4,))]
    assert edges(two_fusions(between=3)) == [((0, 1), (4,)), ((2,), (4,)), ((3,), (4,))]


def test_what_becomes_one_step_is_as_sure_as_its_weaker_part():
    apart = {d["log_odds"] for *_, d in two_divisions(between=4).graph.edges(data=True)}
    assert len(apart) == 2
    assert min(d["log_odds"] for *_, d in two_divisions(between=3).graph.edges(data=True)) == min(apart)


def test_how_many_divisions_are_undone_since_they_are_too_soon_is_said():
    whole = two_divisions(between=4)
    assert (whole.graph.number_of_edges(), whole.n_divided_too_soon) == (4, 0)
    undone = two_divisions(between=4, min_life_frames=5)
    assert (undone.graph.number_of_edges(), undone.n_divided_too_soon) == (2, 1)


def test_cells_are_numbered_by_first_frame_then_place():
    seen = nuclei_of([range(3, 6), range(6), range(6)], places=[60, 200, 80])
    lineage = resolve(seen, hypotheses(*alone(3)))
    number = lineage.detections.groupby("label")["tracklet_id"].first().to_dict()
    assert number == {2: 1, 1: 2, 0: 3}


def drawn(rng, n=12):
    """Hypotheses about tracklets that may all be joined to each other, most of them unlikely."""
    rows = alone(n, start=-3.0, end=-2.0)
    some = [rng.permutation(n)[:3].tolist() for _ in range(60)]
    odds = rng.normal(-5, 3, (3, 60))
    rows += [(H.LINK, [a], [b], odds[0, k]) for k, (a, b, _) in enumerate(some)]
    rows += [(H.DIVISION, [a], [b, c], odds[1, k]) for k, (a, b, c) in enumerate(some[:40])]
    rows += [(H.FUSION, [a, b], [c], odds[2, k]) for k, (a, b, c) in enumerate(some[40:])]
    return hypotheses(*rows), n


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_out_beforehand_is_in_no_likeliest_lineage(seed):
    given, n = drawn(np.random.default_rng(seed))
    left = ~program.hopeless(given, n)
    assert 20 < (~left).sum() < 120
    whole = solve(given, n, **FOREVER).chosen
    assert not whole[~left].any()
    assert np.array_equal(solve(given.subset(left), n, **FOREVER).chosen, whole[left])


def test_half_of_a_division_may_be_likelier_as_a_link():
    rows = [*alone(3), (H.LINK, [0], [1], -1.0)]
    for odds, is_hopeless in ((-5.01, True), (-4.99, False)):  # the link, and a beginning: -1 - 4
        given = hypotheses(*rows, (H.DIVISION, [0], [1, 2], odds))
        assert program.hopeless(given, 3).tolist() == [*[True, False, False] * 3, False, is_hopeless]


def test_what_has_no_other_explanation_is_kept():
    rows = [r for r in alone(2) if r[0] is not H.START or r[2] != [1]]
    given = hypotheses(*rows, (H.LINK, [0], [1], -50.0))
    assert not program.hopeless(given, 2)[-1]


def test_how_the_hypotheses_were_found_is_said_first():
    given = replace(hypotheses(*alone(1)), notes=("found so",))
    said = resolve(nuclei_of([range(3)]), given, **FOREVER).notes
    assert said[0] == "found so"
    assert "proven optimal" in said[1]
