"""GEFF, a graph in Zarr -> GivenTracks. Format: https://liveimagetrackingtools.org/geff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.imports import record
from lineage.imports.record import GivenTracks
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORM = "GEFF"


def is_geff(path: Path) -> bool:
    """Whether a folder is one: by its name, or by its attributes."""
    import json

    if not path.is_dir():
        return False
    for name in ("zarr.json", ".zattrs"):
        if (path / name).is_file():
            try:
                stored = json.loads((path / name).read_text(encoding="utf-8"))
            except ValueError:
                return False
            return "geff" in stored or "geff" in stored.get("attributes", {})
    return path.suffix == ".geff"


def read(path: Path) -> GivenTracks:
    """Read a graph with one node for each nucleus in each frame.

    Args:
        path: the Zarr group.

    Raises:
        InputError: damage, an undirected graph, no axis of time or two of space, or times that are no frames.
    """
    from geff.core_io import read_to_memory

    try:
        found = read_to_memory(path)
    except Exception as error:  # Zarr and pydantic meet damage with whatever their parsing runs into
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{path.name} cannot be read as GEFF ({words}): write it again") from error
    metadata, props = found["metadata"], found["node_props"]
    if not metadata.directed:
        raise InputError(f"{path.name} is an undirected graph; wanted are links from a mother to a daughter")
    axes = {kind: [a for a in metadata.axes or [] if a.type == kind] for kind in ("time", "space")}
    if len(axes["time"]) != 1 or len(axes["space"]) < 2:
        raise InputError(
            f"{path.name} has {len(axes['time'])} axes of time and {len(axes['space'])} of space; wanted are "
            "one and two"
        )
    *deeper, y, x = axes["space"]
    unit, size, factors = _space(y, x, path.name)
    n = len(found["node_ids"])
    column = {a.name: np.asarray(props[a.name]["values"], float) for a in (axes["time"][0], *deeper, y, x)}
    labels, masks = _labels(path, metadata, props, n)
    spots = pd.DataFrame(
        {
            "spot_id": np.asarray(found["node_ids"]).astype(np.int64),
            "frame": _frames(column[axes["time"][0].name], axes["time"][0], path.name),
            "y": column[y.name] * factors[0],
            "x": column[x.name] * factors[1],
            "radius": np.nan,
            "label": labels,
        }
    )
    return GivenTracks(
        source=path.name,
        form=FORM,
        spots=record.typed(spots),
        links=np.unique(np.asarray(found["edge_ids"]).astype(np.int64).reshape(-1, 2), axis=0),
        unit=unit,
        pixel_size_um=size,
        minutes_per_frame=_interval(axes["time"][0]),
        masks=masks,
        notes=record.left_out_z(column[deeper[0].name]) if deeper else (),
    )


def _frames(t: np.ndarray, axis: Any, name: str) -> np.ndarray:
    is_none = ~np.isfinite(t) | (t % 1 != 0)
    if is_none.any():
        one = f"{t[is_none][0]:g} ({axis.unit or 'no unit'})"
        raise InputError(f"{name}: axis {axis.name} holds {one}; wanted are frame numbers")
    return t.astype(np.int64)


def _space(y: Any, x: Any, name: str) -> tuple[str, float | None, tuple[float, float]]:
    """The unit of positions, the pixel size as far as it is stated, and what positions are multiplied by."""
    word = (x.unit or "pixel").lower()
    unit = record.length_unit(word)
    # `scale` leads from `unit` to `scaled_unit`.
    is_scaled = bool(x.scale and y.scale) and record.length_unit(x.scaled_unit or "") == record.MICROMETRES
    if unit is None and is_scaled:
        return record.MICROMETRES, None, (y.scale, x.scale)
    if unit is None:
        raise InputError(f"{name}: positions are in {word!r}; wanted are pixels or micrometres")
    return unit, float(x.scale) if is_scaled and unit == record.PIXELS else None, (1.0, 1.0)


def _interval(axis: Any) -> float | None:
    return record.in_minutes(axis.scale, axis.scaled_unit or "") if axis.scale else None


def _labels(path: Path, metadata: Any, props: Any, n: int) -> tuple[np.ndarray, Path | None]:
    """(N,) the label of each node, -1 for none, and the array that it is in, if that is there."""
    for related in metadata.related_objects or []:
        if related.type == "labels" and related.node_prop in props:
            stored = props[related.node_prop]
            values = np.asarray(stored["values"]).astype(np.int64)
            missing = stored["missing"]
            labels = values if missing is None else np.where(missing, -1, values)
            masks = (path / related.path).resolve()
            return (labels, masks) if masks.exists() else (np.full(n, -1), None)
    return np.full(n, -1), None
