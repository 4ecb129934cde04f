"""The likeliest lineage, and nothing less without a word."""

import nuclei
import numpy as np
import pandas as pd
import pytest

from lineage.resolve import Unsolved, resolve, solve
from lineage.schema import DETECTION_COLUMNS, HYPOTHESIS_COLUMNS, Hypothesis, Tracklets

H = Hypothesis


def hypotheses(*rows):
    return pd.DataFrame(rows, columns=list(HYPOTHESIS_COLUMNS))


def basic(n, false=-5.0, start=-4.0, end=-4.0):
    kinds = ((H.FALSE_POSITIVE, false), (H.START, start), (H.END, end))
    return [(kind, i, -1, -1, cost) for i in range(n) for kind, cost in kinds]


def tracklets(rows, n):
    table = nuclei.table({str(i): {i: (10.0 * i, 0.0), i + 1: (10.0 * i, 0.0)} for i in range(n)})
    table["tracklet_id"] = (table["y_um"] / 10).astype(int)
    return Tracklets(table[list(DETECTION_COLUMNS)], hypotheses(*rows))


def test_a_link_joins_two_tracklets_into_one_cell():
    rows = basic(2)
    assert len(resolve(tracklets(rows, 2)).graph) == 0  # two false ones are cheaper than two whole lives
    rows.append((H.LINK, 0, 1, -1, -0.5))
    lineage = resolve(tracklets(rows, 2))
    assert list(lineage.graph) == [1]
    assert set(lineage.detections["tracklet_id"]) == {1}


def test_a_division_takes_one_mother_and_two_daughters():
    rows = [*basic(3, false=-20), (H.DIVISION, 0, 1, 2, -1.0), (H.LINK, 0, 1, -1, -0.5)]
    graph = resolve(tracklets(rows, 3)).graph
    assert sorted(graph.edges) == [(1, 2), (1, 3)]


def test_false_tracklets_belong_to_no_cell():
    rows = [*basic(1, false=-20), (H.FALSE_POSITIVE, 1, -1, -1, -0.1), (H.START, 1, -1, -1, -9.0)]
    rows.append((H.END, 1, -1, -1, -9.0))
    detections = resolve(tracklets(rows, 2)).detections
    assert detections.groupby("y_um")["tracklet_id"].first().tolist() == [1, -1]


def test_the_optimum_is_exact():
    # Every subset that explains each tracklet once is tried by hand.
    rng = np.random.default_rng(0)
    n = 5
    rows = [(k, i, -1, -1, -rng.random() * 5) for k, i, *_ in basic(n)]
    rows += [(H.LINK, i, j, -1, -rng.random() * 5) for i in range(n) for j in range(i + 1, n)]
    table = hypotheses(*rows)
    chosen = solve(table, n, time_limit_s=60).chosen

    def best(i, taken):
        """Best sum for tracklets i ... n-1 by dynamic programming over who is already begun by a link."""
        if i == n:
            return 0.0
        cost = {(k, a, b): c for k, a, b, _, c in rows}
        begin = 0.0 if i in taken else cost[H.START, i, -1]
        options = [begin + cost[H.END, i, -1] + best(i + 1, taken)]
        if i not in taken:
            options.append(cost[H.FALSE_POSITIVE, i, -1] + best(i + 1, taken))
        options += [
            begin + cost[H.LINK, i, j] + best(i + 1, taken | {j}) for j in range(i + 1, n) if j not in taken
        ]
        return max(options)

    assert table.loc[chosen, "log_likelihood"].sum() == pytest.approx(best(0, frozenset()))


@pytest.mark.parametrize("links", [(0, 1), (1, 0)])
def test_ties_are_broken_by_the_order_of_the_hypotheses(links):
    # Both links cost the same, and so do the two ends that they leave open.
    ends = [(H.END, i, -1, -1, -4.0) for i in (0, 1, 2)]
    starts = [(H.START, i, -1, -1, -4.0) for i in (0, 1, 2)]
    rows = [*((H.LINK, i, 2, -1, -1.0) for i in links), *starts, *reversed(ends)]
    rows = rows if links == (0, 1) else [*rows[:2], *starts, *ends]
    chosen = solve(hypotheses(*rows), 3, time_limit_s=60).chosen
    assert list(chosen[:2]) == [True, False]


def test_no_solution_is_an_error_that_says_so():
    with pytest.raises(Unsolved, match="no lineage was found"):
        solve(hypotheses((H.START, 0, -1, -1, -1.0)), 1, time_limit_s=60)


def test_nothing_resolves_to_nothing():
    assert len(resolve(tracklets(basic(1), 1)).graph) <= 1
    empty = tracklets(basic(1), 1)
    empty = Tracklets(empty.detections.iloc[:0], empty.hypotheses.iloc[:0])
    assert len(resolve(empty).graph) == 0
