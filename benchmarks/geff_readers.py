"""Our GEFF in the readers of those who edit it: what each takes, and in its own words what it does not.

Run with the Python of an environment that has readers, not ours; a reader that is not there is passed over:

    python -m venv readers && readers/bin/pip install motile_tracker napari-geff "napari[pyqt6]" traccuracy
    QT_QPA_PLATFORM=offscreen readers/bin/python benchmarks/geff_readers.py video.lineage/lineage.geff ...

A row a file and reader: nodes, edges, divisions (into three or more), fusions, properties, labels.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import networkx as nx
import zarr

KEPT = ("subtype", "verdict", "p_verdict", "p_abnormal", "confidence", "generation", "fate", "seg_id")


def labels_of(path: Path) -> tuple[Path, str] | None:
    """The label array that a graph points to, and the property by which."""
    stored = dict(zarr.open_group(path, mode="r").attrs)["geff"].get("related_objects") or []
    found = [(path / one["path"], one["node_prop"]) for one in stored if one["type"] == "labels"]
    return found[0] if found else None


def seen(graph: nx.DiGraph, properties: list[str], labels: str = "") -> str:
    """What of the graph is there, in words."""
    splits = [d for _, d in graph.out_degree if d > 1]
    fusions = sum(d > 1 for _, d in graph.in_degree)
    kept = [p for p in KEPT if p in properties]
    lost = [p for p in KEPT if p not in properties]
    return (
        f"{len(graph)} nodes, {graph.number_of_edges()} edges, {len(splits)} divisions "
        f"({sum(d > 2 for d in splits)} into more than two), {fusions} fusions; "
        f"{len(kept)} of {len(KEPT)} properties"
        + (f", not {', '.join(lost)}" if lost else "")
        + (f"; {labels}" if labels else "")
    )


def of_geff(path: Path) -> str:
    """All of its validators: structure, graph, lineage, tracklet, and labels against positions and ids."""
    import geff
    import numpy as np
    from geff.validate import segmentation as of_labels
    from geff.validate.data import ValidationConfig

    geff.validate_structure(path)
    every = ValidationConfig(graph=True, sphere=True, ellipsoid=True, lineage=True, tracklet=True)
    graph, metadata = geff.read(path, data_validation=every)
    found = labels_of(path)
    words = "no labels"
    if found:
        array, name = found
        memory = geff.core_io.read_to_memory(path)
        masks = np.asarray(zarr.open_array(array, mode="r")[:])
        checks = {
            "dtype": of_labels.has_valid_seg_id(memory, name),
            "axes": of_labels.axes_match_seg_dims(memory, masks),
            "frames": of_labels.graph_is_in_seg_bounds(memory, masks),
            "ids at frames": of_labels.has_seg_ids_at_time_points(
                masks,
                memory["node_props"]["t"]["values"],
                memory["node_props"][name]["values"],
                memory["metadata"],
            ),
            "ids at positions": of_labels.has_seg_ids_at_coords(
                masks,
                np.column_stack([memory["node_props"][a.name]["values"] for a in metadata.axes]),
                memory["node_props"][name]["values"],
            ),
        }
        words = "labels: " + ", ".join(f"{k} {'valid' if v[0] else v[1][:1]}" for k, v in checks.items())
    return seen(graph, list(metadata.node_props_metadata), words)


def of_funtracks(path: Path) -> str:
    """As motile_tracker's dialogs call it, with the labels."""
    from funtracks.import_export import import_from_geff

    found = labels_of(path)
    axes = dict(zarr.open_group(path, mode="r").attrs)["geff"]["axes"]
    scale = [1.0, *(a.get("scale") or 1.0 for a in axes[1:])]
    more = {"segmentation_path": found[0], "scale": scale} if found else {}
    tracks = import_from_geff(path, **more)
    graph = nx.DiGraph()
    graph.add_nodes_from(tracks.graph.node_ids())
    graph.add_edges_from(tracks.graph.edge_list())
    labels = f"labels {tracks.segmentation.shape}" if tracks.segmentation is not None else "no labels"
    return seen(graph, tracks.graph.node_attr_keys(), labels)


def of_motile_tracker(path: Path) -> str:
    """Its tree view and layers, without a window, of what funtracks imports."""
    from funtracks.import_export import import_from_geff
    from motile_tracker.data_views.views.tree_view.tree_widget_utils import extract_sorted_tracks
    from napari.utils.colormaps import label_colormap

    tracks = import_from_geff(path)
    shown = extract_sorted_tracks(tracks, label_colormap(49))
    table = shown[0] if isinstance(shown, tuple) else shown
    return f"tree view of {len(table)} nodes, {table['track_id'].nunique()} tracks"


def of_napari_geff(path: Path) -> str:
    """Its reader by napari's own contract, and the layers that napari makes of it."""
    from napari.layers import Labels, Tracks
    from napari_geff._reader import get_geff_reader

    read = get_geff_reader(str(path))
    if read is None:
        return "refused: get_geff_reader gives None"
    layers = {kind: (data, options) for data, options, kind in read(str(path))}
    data, options = layers["tracks"]
    tracks = Tracks(data, **options)
    labels = Labels(*layers["labels"][:1], **layers["labels"][1]).data.shape if "labels" in layers else "none"
    graph = options["metadata"]["nx_graph"]
    return seen(graph, list(tracks.features), f"labels {labels}, tracks {len(set(tracks.data[:, 0]))}")


def of_tracksdata(path: Path) -> str:
    """Its graph in memory."""
    import tracksdata as td

    graph, _ = td.graph.RustWorkXGraph.from_geff(path)
    plain = nx.DiGraph()
    plain.add_nodes_from(graph.node_ids())
    plain.add_edges_from(graph.edge_list())
    return seen(plain, graph.node_attr_keys())


def of_traccuracy(path: Path) -> str:
    """Its loader, with the labels, and its divisions."""
    from traccuracy.loaders import load_geff_data

    found = labels_of(path)
    more = {"seg_path": str(found[0]), "seg_property": found[1]} if found else {}
    tracks = load_geff_data(str(path), load_all_props=True, **more)
    properties = {k for _, node in tracks.graph.nodes(data=True) for k in node}
    labels = f"labels {tracks.segmentation.shape}" if found else "no labels"
    return seen(
        tracks.graph, sorted(properties), f"{labels}, {len(tracks.get_divisions())} divisions by its count"
    )


def of_traccuracy_alone(path: Path) -> str:
    """Its loader, told to find the labels by itself."""
    from traccuracy.loaders import load_geff_data

    return f"labels {load_geff_data(str(path), load_geff_seg=True).segmentation.shape}"


READERS = {
    "geff": of_geff,
    "funtracks": of_funtracks,
    "motile_tracker": of_motile_tracker,
    "napari-geff": of_napari_geff,
    "tracksdata": of_tracksdata,
    "traccuracy": of_traccuracy,
    "traccuracy load_geff_seg=True": of_traccuracy_alone,
}


def main(paths: list[Path]) -> None:
    """Print what each reader makes of each file."""
    for path in paths:
        for name, read in READERS.items():
            try:
                number = version(name.split()[0])
            except PackageNotFoundError:
                continue
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    outcome = read(path.resolve())
                except Exception as error:  # its own words are what is asked for
                    outcome = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            said = {str(w.message).splitlines()[0][:160] for w in caught if "geff" in str(w.message).lower()}
            print(f"{path.name} | {name} {number} | {outcome}" + "".join(f" [{s}]" for s in sorted(said)))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
