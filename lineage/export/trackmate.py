"""Detections + annotated tree + tracked labels -> an XML file of TrackMate, for Fiji.

There is no published schema: the form is that of files which TrackMate 7 and 8 wrote, and of what
`fiji.plugin.trackmate.io.TmXmlReader` asks for. Pages: https://imagej.net/plugins/trackmate
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd

from lineage.export import colours
from lineage.export.geff import components, links
from lineage.export.graphml import FORBIDDEN
from lineage.io.files import atomic_write
from lineage.outlines import outlines
from lineage.schema import CellKey, Decision, Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import networkx as nx

    from lineage.io.labels import Frames

VERSION = "7.11.1"  # whose form this is
SUFFIX = ".xml"
VERDICTS = {verdict.value: number for number, verdict in enumerate(Decision, start=1)}
FATES = {fate.value: number for number, fate in enumerate(Fate, start=1)}
READ = (
    "detection_id", "tracklet_id", "frame", "y_px", "x_px", "area_um2", "dna_mass", "mean_intensity",
    "probability",
)  # fmt: skip
# Whose numbers TrackMate makes anew after a correction by hand.
ANALYZERS = {
    "SpotAnalyzers": ("Manual spot color",),
    "EdgeAnalyzers": ("Edge speed", "Edge target", "Edge location"),
    "TrackAnalyzers": ("Branching analyzer", "Track duration", "Track index", "Track location"),
}
NO_COST = -1.0  # as TrackMate has it of links that a person draws


def _argb(colour: str) -> int:
    """`#RRGGBB` as Java packs it: 32 bits with a sign, opaque.

    >>> _argb("#FFFFFF"), _argb("#000000")
    (-1, -16777216)
    """
    return int(colour[1:], 16) - 2**24


COLOURS = {verdict.value: _argb(colour) for verdict, colour in colours.VERDICTS.items()}


class Feature(NamedTuple):
    """A number of a spot, an edge or a track, as it is declared."""

    key: str
    name: str
    short: str
    dimension: str = "NONE"
    is_int: bool = False


def _coded(what: str, codes: Mapping[str, int]) -> str:
    return f"{what} ({', '.join(f'{number} {word}' for word, number in codes.items())})"


SPOT = (
    Feature("QUALITY", "Quality", "Quality", "QUALITY"),
    Feature("POSITION_X", "X", "X", "POSITION"),
    Feature("POSITION_Y", "Y", "Y", "POSITION"),
    Feature("POSITION_Z", "Z", "Z", "POSITION"),
    Feature("POSITION_T", "T", "T", "TIME"),
    Feature("FRAME", "Frame", "Frame", is_int=True),
    Feature("RADIUS", "Radius", "R", "LENGTH"),
    Feature("VISIBILITY", "Visibility", "Visibility", is_int=True),
    Feature("MANUAL_SPOT_COLOR", "Manual spot color", "Spot color", is_int=True),
    Feature("AREA", "Area", "Area", "AREA"),
    Feature("DNA_MASS", "DNA mass", "DNA mass", "INTENSITY"),
    Feature("DNA_MEAN_INTENSITY", "DNA mean intensity", "DNA mean", "INTENSITY"),
    Feature("CELL", "Cell", "Cell", is_int=True),
    Feature("GENERATION", "Generation", "Gen.", is_int=True),
    Feature("FATE", _coded("Fate of the cell", FATES), "Fate", is_int=True),
    Feature("VERDICT", _coded("Verdict on the cell's mitosis", VERDICTS), "Verdict", is_int=True),
    Feature("P_VERDICT", "Probability that the cell's mitosis is abnormal", "P abnormal"),
)
EDGE = (
    Feature("SPOT_SOURCE_ID", "Source spot ID", "Source ID", is_int=True),
    Feature("SPOT_TARGET_ID", "Target spot ID", "Target ID", is_int=True),
    Feature("LINK_COST", "Edge cost", "Cost", "COST"),
    Feature("SPEED", "Speed", "Speed", "VELOCITY"),
    Feature("DISPLACEMENT", "Displacement", "Disp.", "LENGTH"),
    Feature("EDGE_TIME", "Edge time", "Edge T", "TIME"),
    Feature("EDGE_X_LOCATION", "Edge X", "Edge X", "POSITION"),
    Feature("EDGE_Y_LOCATION", "Edge Y", "Edge Y", "POSITION"),
    Feature("EDGE_Z_LOCATION", "Edge Z", "Edge Z", "POSITION"),
)
TRACK = (
    Feature("TRACK_INDEX", "Track index", "Index", is_int=True),
    Feature("TRACK_ID", "Track ID", "ID", is_int=True),
    Feature("NUMBER_SPOTS", "Number of spots in track", "N spots", is_int=True),
    Feature("NUMBER_GAPS", "Number of gaps", "N gaps", is_int=True),
    Feature("NUMBER_SPLITS", "Number of split events", "N splits", is_int=True),
    Feature("NUMBER_MERGES", "Number of merge events", "N merges", is_int=True),
    Feature("NUMBER_COMPLEX", "Number of complex points", "N complex", is_int=True),
    Feature("LONGEST_GAP", "Longest gap", "Lgst gap", is_int=True),
    Feature("TRACK_DURATION", "Track duration", "Duration", "TIME"),
    Feature("TRACK_START", "Track start", "Track start", "TIME"),
    Feature("TRACK_STOP", "Track stop", "Track stop", "TIME"),
    Feature("TRACK_X_LOCATION", "Track mean X", "Track X", "POSITION"),
    Feature("TRACK_Y_LOCATION", "Track mean Y", "Track Y", "POSITION"),
    Feature("TRACK_Z_LOCATION", "Track mean Z", "Track Z", "POSITION"),
)


def write(
    tree: nx.DiGraph, detections: pd.DataFrame, path: Path, *, labels: Frames, movie: Path | None = None
) -> list[str]:
    """Write the file, frame by frame and track by track; it is written completely or not at all.

    A spot is a nucleus, under its `detection_id`; a track is all that descent and fusion connect, under the
    number of its lowest cell. Lengths are micrometres of the image, drift left in; times are minutes.

    Args:
        tree: annotated tree.
        detections: DETECTION_COLUMNS; those of no cell (tracklet_id -1) are left out.
        path: replaced if it is there.
        labels: (T, Y, X), cell ids; outlines are taken from it, a frame at a time.
        movie: what TrackMate is to show below; by default a file of the tree's name, beside `path`.

    Returns:
        Remarks on what the file cannot hold, a sentence each.
    """
    spots = spot_table(tree, detections)
    edges = edge_table(tree, spots)
    tracks = track_table(spots, edges)
    in_pieces: list[int] = []
    with atomic_write(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_head(tree))
        file.writelines(_all_spots(spots, labels, tree.graph["pixel_size_um"], in_pieces))
        file.writelines(_all_tracks(tracks, edges))
        file.writelines(_foot(tree, movie))
    alone = int((~spots["track"].isin(tracks["TRACK_ID"])).sum())
    return [
        f"{what}: {n}"
        for n, what in (
            (alone, "cells of a single nucleus and without relatives, spots of no track"),
            (len(in_pieces), "nuclei in several pieces, outlined by the largest"),
        )
        if n
    ]


def spot_table(tree: nx.DiGraph, detections: pd.DataFrame) -> pd.DataFrame:
    """A row a nucleus that is in a cell, by cell, then frame: `ID`, `track`, and the columns of SPOT.

    NaN is what does not apply. Fate, generation and verdict are the cell's.
    """
    nuclei = detections.loc[detections["tracklet_id"] != -1, list(READ)].sort_values(["tracklet_id", "frame"])
    cell = nuclei["tracklet_id"]
    pixel_um = tree.graph["pixel_size_um"]

    def of_cell(key: CellKey) -> pd.Series:
        return cell.map({c: value for c, value in tree.nodes(key) if value is not None})

    verdict = of_cell(CellKey.VERDICT)
    columns = {
        "ID": nuclei["detection_id"],
        "track": cell.map(components(tree)).astype(np.int64),
        "QUALITY": nuclei["probability"].fillna(1.0),
        "POSITION_X": nuclei["x_px"] * pixel_um,
        "POSITION_Y": nuclei["y_px"] * pixel_um,
        "POSITION_Z": 0.0,
        "POSITION_T": nuclei["frame"] * tree.graph["minutes_per_frame"],
        "FRAME": nuclei["frame"],
        "RADIUS": np.sqrt(nuclei["area_um2"] / np.pi),
        "VISIBILITY": 1,
        "MANUAL_SPOT_COLOR": verdict.map(COLOURS),
        "AREA": nuclei["area_um2"],
        "DNA_MASS": nuclei["dna_mass"],
        "DNA_MEAN_INTENSITY": nuclei["mean_intensity"],
        "CELL": cell,
        "GENERATION": of_cell(CellKey.GENERATION),
        "FATE": of_cell(CellKey.FATE).map(FATES),
        "VERDICT": verdict.map(VERDICTS),
        "P_VERDICT": of_cell(CellKey.P_VERDICT),
    }
    return pd.DataFrame(columns, index=nuclei.index).reset_index(drop=True)


def edge_table(tree: nx.DiGraph, spots: pd.DataFrame) -> pd.DataFrame:
    """A row a link, by track, then spots: `track`, rows `source` and `target` of `spots`, and EDGE."""
    named = spots[["ID", "CELL"]].set_axis(["detection_id", "tracklet_id"], axis=1)
    ends, place = links(tree, named), pd.Index(spots["ID"])
    source, target = (place.get_indexer(ends[:, k]) for k in (0, 1))
    ends_of = spots[["ID", "track", "POSITION_X", "POSITION_Y", "POSITION_T"]]
    a, b = (ends_of.iloc[rows].reset_index(drop=True) for rows in (source, target))
    moved = np.hypot(b["POSITION_X"] - a["POSITION_X"], b["POSITION_Y"] - a["POSITION_Y"])
    columns = {
        "track": a["track"],
        "source": source,
        "target": target,
        "SPOT_SOURCE_ID": a["ID"],
        "SPOT_TARGET_ID": b["ID"],
        "LINK_COST": NO_COST,
        "SPEED": moved / (b["POSITION_T"] - a["POSITION_T"]),
        "DISPLACEMENT": moved,
        "EDGE_TIME": (a["POSITION_T"] + b["POSITION_T"]) / 2,
        "EDGE_X_LOCATION": (a["POSITION_X"] + b["POSITION_X"]) / 2,
        "EDGE_Y_LOCATION": (a["POSITION_Y"] + b["POSITION_Y"]) / 2,
        "EDGE_Z_LOCATION": 0.0,
    }
    table = pd.DataFrame(columns, index=a.index)
    return table.sort_values(["track", "SPOT_SOURCE_ID", "SPOT_TARGET_ID"], ignore_index=True)


def track_table(spots: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """A row a track that has links, by number: the columns of TRACK, counted as TrackMate counts them."""
    before, after = (np.bincount(edges[end], minlength=len(spots)) for end in ("target", "source"))
    frame = spots["FRAME"].to_numpy()
    missed = frame[edges["target"]] - frame[edges["source"]] - 1
    of_spots = (
        spots[["track", "POSITION_X", "POSITION_Y", "POSITION_Z", "POSITION_T"]]
        .assign(
            splits=(before <= 1) & (after > 1),
            merges=(before > 1) & (after <= 1),
            complex=(before > 1) & (after > 1),
        )[before + after > 0]
        .groupby("track")
    )
    of_edges = edges[["track"]].assign(gap=missed > 0, missed=missed).groupby("track")
    start, stop = of_spots["POSITION_T"].min(), of_spots["POSITION_T"].max()
    columns = {
        "NUMBER_SPOTS": of_spots.size(),
        "NUMBER_GAPS": of_edges["gap"].sum(),
        "NUMBER_SPLITS": of_spots["splits"].sum(),
        "NUMBER_MERGES": of_spots["merges"].sum(),
        "NUMBER_COMPLEX": of_spots["complex"].sum(),
        "LONGEST_GAP": of_edges["missed"].max(),
        "TRACK_DURATION": stop - start,
        "TRACK_START": start,
        "TRACK_STOP": stop,
        "TRACK_X_LOCATION": of_spots["POSITION_X"].mean(),
        "TRACK_Y_LOCATION": of_spots["POSITION_Y"].mean(),
        "TRACK_Z_LOCATION": of_spots["POSITION_Z"].mean(),
    }
    table = pd.DataFrame(columns).rename_axis("TRACK_ID").reset_index()
    return table.assign(TRACK_INDEX=np.arange(len(table)))


def polygons(labels: np.ndarray) -> tuple[dict[int, np.ndarray], list[int]]:
    """Cell -> (N, 2) corners x, y of its outline, pixels; and the cells in several pieces.

    Args:
        labels: (Y, X), 0 is background. Of several pieces of a cell the largest is taken.

    >>> found, in_pieces = polygons(np.array([[7, 0, 7, 7]]))
    >>> float(found[7][:, 0].min()), in_pieces
    (1.5, [7])
    """
    largest: dict[int, np.ndarray] = {}
    in_pieces = set()
    for cell, flat in zip(*outlines(labels), strict=True):
        corners = np.reshape(flat, (-1, 2))
        if cell in largest:
            in_pieces.add(cell)
            corners = max(largest[cell], corners, key=_area)
        largest[cell] = corners
    return largest, sorted(in_pieces)


def _area(corners: np.ndarray) -> float:
    (x, y), (x_next, y_next) = corners.T, np.roll(corners, -1, axis=0).T
    return abs(float(np.sum(x * y_next - x_next * y))) / 2


# --- Text, piece by piece


def _head(tree: nx.DiGraph) -> Iterator[str]:
    movie, dose = _plain(tree.graph["video"]), tree.graph.get("dose_gy")
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<TrackMate version="{VERSION}">\n'
    at_dose = "" if dose is None else f", {dose:g} Gy"
    yield f"  <Log>Written by mitosis-lineage, of {escape(movie)}{at_dose}.</Log>\n"
    yield '  <Model spatialunits="µm" timeunits="min">\n    <FeatureDeclarations>\n'
    for element, features in (("SpotFeatures", SPOT), ("EdgeFeatures", EDGE), ("TrackFeatures", TRACK)):
        yield f"      <{element}>\n"
        for one in features:
            yield (
                f"        <Feature feature={quoteattr(one.key)} name={quoteattr(one.name)} "
                f'shortname={quoteattr(one.short)} dimension="{one.dimension}" '
                f'isint="{str(one.is_int).lower()}" />\n'
            )
        yield f"      </{element}>\n"
    yield "    </FeatureDeclarations>\n"


def _all_spots(spots: pd.DataFrame, labels: Frames, pixel_um: float, in_pieces: list[int]) -> Iterator[str]:
    """The nuclei with their outlines; cells in several pieces are added to `in_pieces`."""
    yield f'    <AllSpots nspots="{len(spots)}">\n'
    for _, seen in spots.groupby("FRAME"):
        frame = int(seen["FRAME"].iloc[0])
        corners, several = polygons(np.asarray(labels[frame]))
        in_pieces += several
        yield f'      <SpotsInFrame frame="{frame}">\n'
        for nucleus, cell, spot_id, x, y in zip(
            _attributes(seen, SPOT),
            seen["CELL"],
            seen["ID"],
            seen["POSITION_X"],
            seen["POSITION_Y"],
            strict=True,
        ):
            start = f'        <Spot ID="{spot_id}" name="cell{cell}"{nucleus}'
            if cell in corners:
                points = corners[cell] * pixel_um - (x, y)
                text = ("%.4g " * points.size)[:-1] % tuple(points.ravel().tolist())
                yield f'{start} ROI_N_POINTS="{len(points)}">{text}</Spot>\n'
            else:
                yield f"{start} />\n"
        yield "      </SpotsInFrame>\n"
    yield "    </AllSpots>\n"


def _all_tracks(tracks: pd.DataFrame, edges: pd.DataFrame) -> Iterator[str]:
    by_track = edges.groupby("track")
    yield "    <AllTracks>\n"
    for track, attributes in zip(tracks["TRACK_ID"], _attributes(tracks, TRACK), strict=True):
        yield f'      <Track name="lineage{track}"{attributes}>\n'
        for edge in _attributes(by_track.get_group(track), EDGE):
            yield f"        <Edge{edge} />\n"
        yield "      </Track>\n"
    yield "    </AllTracks>\n    <FilteredTracks>\n"
    for track in tracks["TRACK_ID"]:
        yield f'      <TrackID TRACK_ID="{track}" />\n'
    yield "    </FilteredTracks>\n  </Model>\n"


def _attributes(table: pd.DataFrame, features: tuple[Feature, ...]) -> Iterator[str]:
    """The attributes of each row, as text; what is no number is left out."""
    columns = (_texts(table[one.key], one) for one in features)
    return map("".join, zip(*columns, strict=True))


def _texts(column: pd.Series, feature: Feature) -> list[str]:
    form = ".0f" if feature.is_int else ".8g"
    return [f' {feature.key}="{v:{form}}"' if math.isfinite(v) else "" for v in column.tolist()]


def _plain(text: str) -> str:
    return FORBIDDEN.sub("", text)


def _foot(tree: nx.DiGraph, movie: Path | None) -> Iterator[str]:
    """Settings under which TrackMate goes on as after detection and tracking by hand."""
    facts: dict[str, Any] = tree.graph
    name, folder = (facts["video"], "") if movie is None else (movie.name, str(movie.parent))
    image = {
        "filename": _plain(name),
        "folder": _plain(folder),
        "width": facts["width_px"],
        "height": facts["height_px"],
        "nslices": 1,
        "nframes": facts["n_frames"],
        "pixelwidth": facts["pixel_size_um"],
        "pixelheight": facts["pixel_size_um"],
        "voxeldepth": 1.0,
        "timeinterval": facts["minutes_per_frame"],
    }
    ends = {
        "xend": facts["width_px"] - 1,
        "yend": facts["height_px"] - 1,
        "zend": 0,
        "tend": facts["n_frames"] - 1,
    }
    basic = {"xstart": 0, "ystart": 0, "zstart": 0, "tstart": 0} | ends
    yield "  <Settings>\n"
    yield f"    <ImageData{_words(image)} />\n    <BasicSettings{_words(basic)} />\n"
    yield '    <DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="5.0" />\n'
    yield '    <InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />\n'
    yield '    <SpotFilterCollection />\n    <TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />\n'
    yield "    <TrackFilterCollection />\n    <AnalyzerCollection>\n"
    for element, keys in ANALYZERS.items():
        yield f"      <{element}>\n"
        yield from (f'        <Analyzer key="{key}" />\n' for key in keys)
        yield f"      </{element}>\n"
    yield '    </AnalyzerCollection>\n  </Settings>\n  <GUIState state="ConfigureViews" />\n'
    yield f"  <DisplaySettings>{escape(json.dumps(DISPLAY, indent=2))}</DisplaySettings>\n</TrackMate>\n"


def _words(attributes: Mapping[str, object]) -> str:
    return "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items())


# All of them: TrackMate takes a colour or a font that is not stated for none, and fails.
DISPLAY = {
    "name": "mitosis-lineage",
    "spotUniformColor": "204, 51, 204, 255",
    "spotColorByType": "SPOTS",
    "spotColorByFeature": "MANUAL_SPOT_COLOR",
    "spotDisplayRadius": 1.0,
    "spotDisplayedAsRoi": True,
    "spotMin": 0.0,
    "spotMax": 10.0,
    "spotShowName": False,
    "trackMin": 0.0,
    "trackMax": 10.0,
    "trackColorByType": "TRACKS",
    "trackColorByFeature": "TRACK_INDEX",
    "trackUniformColor": "204, 204, 51, 255",
    "undefinedValueColor": "0, 0, 0, 255",
    "missingValueColor": "150, 150, 150, 255",
    "highlightColor": "51, 230, 51, 255",
    "trackDisplayMode": "LOCAL_BACKWARD",
    "colormap": "Jet",
    "limitZDrawingDepth": False,
    "drawingZDepth": 10.0,
    "fadeTracks": True,
    "fadeTrackRange": 30,
    "useAntialiasing": True,
    "spotVisible": True,
    "trackVisible": True,
    "font": {"name": "Arial", "style": 1, "size": 12},
    "lineThickness": 1.0,
    "selectionLineThickness": 4.0,
    "trackschemeBackgroundColor1": "128, 128, 128, 255",
    "trackschemeBackgroundColor2": "192, 192, 192, 255",
    "trackschemeForegroundColor": "0, 0, 0, 255",
    "trackschemeDecorationColor": "0, 0, 0, 255",
    "trackschemeFillBox": False,
    "spotFilled": False,
    "spotTransparencyAlpha": 1.0,
}
