"""TrackMate's XML -> GivenTracks: `Model` with AllSpots and AllTracks, and what `Settings` says of the image.

Form: what TrackMate 3 to 8 write; https://imagej.net/plugins/trackmate. A link has no direction there, so
the earlier spot comes first. Tracks that a filter hides (FilteredTracks) and spots of no track are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.imports import record
from lineage.imports.record import GivenTracks
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

FORM = "TrackMate XML"


def read(path: Path) -> GivenTracks:
    """Read a file that TrackMate saved.

    Args:
        path: `*.xml`.

    Raises:
        InputError: no XML, not TrackMate's, or damaged.
    """
    import defusedxml
    from defusedxml.ElementTree import ParseError, parse

    try:
        root = parse(path).getroot()
    except (ParseError, defusedxml.DefusedXmlException, UnicodeDecodeError) as error:
        raise InputError(
            f"{path.name} cannot be read as XML ({error}): save it in TrackMate again"
        ) from error
    model = root.find("Model")
    if root.tag != "TrackMate" or model is None:
        raise InputError(
            f"{path.name} is XML, but not TrackMate's: wanted is <TrackMate> with <Model>, as its button "
            "Save "
            "writes it"
        )
    try:
        return _tracks(root, model, path)
    except (KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is not as TrackMate writes it ({error!r}): save it in TrackMate again"
        ) from error


def _tracks(root: Element, model: Element, path: Path) -> GivenTracks:
    elements = {int(s.attrib["ID"]): s for s in model.iterfind("AllSpots/SpotsInFrame/Spot")}
    rows = {i: _spot(i, s) for i, s in elements.items()}
    tracks = {int(t.attrib["TRACK_ID"]): t for t in model.iterfind("AllTracks/Track")}
    filtered = model.find("FilteredTracks")
    shown = set(tracks) if filtered is None else {int(t.attrib["TRACK_ID"]) for t in filtered}
    links, hidden = [], 0
    for number, track in tracks.items():
        edges = [(int(e.attrib["SPOT_SOURCE_ID"]), int(e.attrib["SPOT_TARGET_ID"])) for e in track]
        if number in shown:
            links += edges
        hidden += number not in shown
    in_tracks = {i for link in links for i in link}
    frame = {i: row[1] for i, row in rows.items()}
    links = [(a, b) if frame.get(a, 0) <= frame.get(b, 0) else (b, a) for a, b in links]
    alone = len(rows) - len(in_tracks & set(rows))
    notes = [
        sentence
        for n, sentence in (
            (hidden, f"tracks that TrackMate's filters hide, left out: {hidden}"),
            (alone, f"spots of no track, left out: {alone}"),
        )
        if n
    ]
    z = np.array([float(elements[i].get("POSITION_Z", 0)) for i in in_tracks & set(rows)])
    return GivenTracks(
        source=path.name,
        form=FORM,
        spots=record.table(row for i, row in rows.items() if i in in_tracks),
        links=np.array(sorted(set(links)), np.int64).reshape(-1, 2),
        notes=(*notes, *record.left_out_z(z)),
        **_image(root, model, path.name),
    )


def _spot(number: int, spot: Element) -> tuple:
    place = [float(spot.attrib[key]) for key in ("POSITION_Y", "POSITION_X")]
    # Whole numbers, which some versions write as 3.0.
    return number, int(float(spot.attrib["FRAME"])), *place, float(spot.get("RADIUS", "nan")), -1


def _image(root: Element, model: Element, name: str) -> dict[str, Any]:
    """The unit of positions, and what the file says of its image."""
    word = model.get("spatialunits", "pixel")
    unit = record.length_unit(word)
    image = root.find("Settings/ImageData")
    stated = {} if image is None else dict(image.attrib)
    width = float(stated.get("pixelwidth", "nan"))
    shape = tuple(
        int(stated[k]) if int(stated.get(k, 0)) > 0 else None for k in ("nframes", "height", "width")
    )
    interval = record.in_minutes(float(stated.get("timeinterval", "nan")), model.get("timeunits", ""))
    # One second a frame is what ImageJ takes where a movie says nothing.
    is_default = model.get("timeunits", "").lower().startswith("s") and stated.get("timeinterval") == "1.0"
    known = {"image": shape, "minutes_per_frame": None if is_default else _positive(interval)}
    if unit == record.MICROMETRES:
        return known | {"unit": unit, "pixel_size_um": _positive(width)}
    if unit is None:
        raise InputError(
            f"{name}: positions are in {word!r}; wanted are pixels or micrometres: set the image's "
            "properties "
            "in Fiji (Image > Properties) and save the file again"
        )
    return known | {"unit": unit}


def _positive(value: float | None) -> float | None:
    """A number above 0, or None."""
    return value if value is not None and np.isfinite(value) and value > 0 else None
