"""GraphML of a run, read and laid out by igraph: `python benchmarks/graphml_picture.py FILE OUT.png`.

Needs igraph (`pip install igraph`).
"""

from __future__ import annotations

import sys

import igraph
import matplotlib.pyplot as plt

from lineage.export.colours import PLAIN, VERDICTS


def main(graphml: str, out: str) -> None:
    """Draw the lineages of two cells or more; down the page, when each cell was born."""
    graph = igraph.Graph.Read_GraphML(graphml)
    lineages = graph.connected_components(mode="weak")
    graph = graph.induced_subgraph([cell for cells in lineages if len(cells) > 1 for cell in cells])
    founders = [cell.index for cell in graph.vs if cell.indegree() == 0]
    columns = [x for x, _ in graph.layout_reingold_tilford(mode="out", root=founders)]
    places = [(x, -minutes / 60) for x, minutes in zip(columns, graph.vs["birth_min"], strict=True)]
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    igraph.plot(
        graph.as_undirected(), target=axes, layout=places, vertex_size=9, vertex_frame_width=0.5,
        vertex_color=[VERDICTS.get(verdict, PLAIN) for verdict in graph.vs["verdict"]],
        edge_width=0.8, edge_color="#808080",
    )  # fmt: skip
    above = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center"}
    for cell in founders:
        axes.annotate(graph.vs[cell]["id"], places[cell], fontsize=6, **above)
    axes.set_aspect("auto")
    axes.axis("on")
    axes.autoscale()
    axes.margins(0.02, 0.06)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    hours = range(0, int(max(graph.vs["birth_min"]) / 60) + 2, 2)
    axes.set_xticks([])
    axes.set_yticks([-hour for hour in hours], [str(hour) for hour in hours], fontsize=7)
    axes.set_ylabel("birth, hours", fontsize=8)
    names = {**VERDICTS, "no mitosis": PLAIN}
    dots = [plt.Line2D([], [], ls="", marker="o", mfc=c, mec="k", mew=0.5, ms=5) for c in names.values()]
    axes.legend(
        dots, list(names), fontsize=7, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.14)
    )
    figure.savefig(out, dpi=200, bbox_inches="tight")


if __name__ == "__main__":
    main(*sys.argv[1:])
