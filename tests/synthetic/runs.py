"""Lives -> the tables of a run folder without any mistakes. There are no pixels, and positions are arbitrary.

For tests of what comes after the tree: `python -m lineage.run` writes the same columns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.io.files import write_table
from lineage.io.integrity import FORMAT, FORMAT_VERSION
from lineage.io.run_folder import RunFolder
from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, QUALITY_COLUMNS, TRACKLET_COLUMNS, Fate, State
from lineage.simulate.cells import REGRESSION_MIN, Cell, Subtype
from lineage.simulate.truth import frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lineage.simulate.settings import Settings

DNA_GAIN = 1000.0  # light of a G1 nucleus
STEP_UM = 1.5  # of a nucleus's walk, standard deviation a frame and direction
TELOPHASE_MIN = 20.0  # in which a newborn nucleus is still condensed
AREA_UM2 = 280.0  # of a G1 nucleus


def write_run(folder: Path, cells: Sequence[Cell], settings: Settings, *, name: str) -> Path:
    """Write run.json, events.csv, tracklets.csv, detections.csv and the frames' quality.

    Args:
        folder: made; must not be there.
        cells: of `population.grow` with the same settings.
        settings: frames, interval, dose, bleaching.
        name: of the movie's file.

    Returns:
        The folder.
    """
    run = RunFolder(folder)
    run.stages.mkdir(parents=True)
    lives = {c.cell_id: c for c in cells}
    spans = {c.cell_id: _span(c, settings) for c in cells}
    events = _events(lives, spans, settings)
    write_table(events, run.events)
    write_table(_tracklets(lives, spans, events, settings), run.tracklets)
    write_table(_detections(lives, spans, settings), run.detections)
    write_table(_quality(settings), run.quality)
    run.json.write_text(json.dumps(_record(settings, name), indent=1) + "\n", encoding="utf-8")
    return folder


def _span(cell: Cell, settings: Settings) -> tuple[int, int]:
    """First and last frame, both inclusive; a life between two frames is shown in the later one."""
    first = max(0, frame_of(cell.born_min, settings))
    end = settings.frames if not np.isfinite(cell.end_min) else frame_of(cell.end_min, settings)
    return first, max(first, min(end, settings.frames) - 1)


def _fate(cell: Cell, settings: Settings) -> Fate:
    """The fate that the movie shows; a death that has begun counts, even if it ends after the movie."""
    if cell.fate in (Fate.DIVIDED, Fate.FUSED) and frame_of(cell.end_min, settings) >= settings.frames:
        return Fate.END_OF_MOVIE
    return cell.fate


def _events(lives: dict[int, Cell], spans: dict[int, tuple[int, int]], settings: Settings) -> pd.DataFrame:
    rows = [
        row
        for c in lives.values()
        for row in (_mitosis(c, lives, settings), _fusion(c, lives, settings), _death(c, settings))
        if row is not None and 0 <= row["time_min"] <= settings.minutes
    ]
    rows.sort(key=lambda row: (row["time_min"], row["mother_id"], row["event_type"]))
    empty = dict.fromkeys(EVENT_COLUMNS, "")
    table = [empty | {"event_id": i, "source": "simulated"} | row for i, row in enumerate(rows)]
    return pd.DataFrame(table, columns=list(EVENT_COLUMNS))


def _at(minutes: float, settings: Settings) -> dict[str, Any]:
    frame = frame_of(minutes, settings)
    return {"frame": frame, "time_min": frame * settings.minutes_per_frame}


def _mitosis(cell: Cell, lives: dict[int, Cell], settings: Settings) -> dict[str, Any] | None:
    if cell.mitosis is None:
        return None
    m, subtype = cell.mitosis, cell.mitosis.subtype
    separated = subtype not in (Subtype.SLIPPAGE, Subtype.DEATH)
    p = float(subtype is not Subtype.NORMAL)
    onset = frame_of(m.start_min, settings) * settings.minutes_per_frame
    return _at(m.event_min, settings) | {
        "mother_id": cell.cell_id,
        "daughter_ids": " ".join(map(str, cell.daughters)) if separated else "",
        "event_type": "mitosis",
        "subtype": str(subtype),
        "verdict": str(subtype.mitosis_class),
        "p_verdict": p,
        "verdict_because": f"classifier_{p:.2f}",
        "mitosis_class": str(subtype.mitosis_class),
        "p_abnormal": p,
        "p_none": 0.0,
        "n_poles": subtype.n_poles,
        "separated": separated,
        "n_micronuclei": sum(len(lives[d].micronuclei) for d in cell.daughters) if separated else "",
        "bridge": subtype is Subtype.LAGGING if separated else "",
        "onset_min": onset if m.start_min > 0 else "",
    }


def _fusion(cell: Cell, lives: dict[int, Cell], settings: Settings) -> dict[str, Any] | None:
    late = cell.parents_age_min > REGRESSION_MIN  # an earlier one belongs to the mitosis
    if cell.n_nuclei < 2 or not late:
        return None
    mothers = [p for p in cell.parents if p in lives]
    return _at(cell.born_min, settings) | {
        "mother_id": mothers[0] if mothers else cell.cell_id,
        "daughter_ids": str(cell.cell_id),
        "event_type": "fusion",
        "subtype": "sister_fusion",
    }


def _death(cell: Cell, settings: Settings) -> dict[str, Any] | None:
    if cell.fate is not Fate.DIED_INTERPHASE:
        return None
    return _at(cell.dying_min, settings) | {
        "mother_id": cell.cell_id,
        "event_type": "death",
        "subtype": "death_in_interphase",
    }


def _tracklets(
    lives: dict[int, Cell], spans: dict[int, tuple[int, int]], events: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    mitoses: dict[int, dict[str, Any]] = {
        int(row["mother_id"]): {str(k): v for k, v in row.items()}
        for row in events[events["event_type"] == "mitosis"].to_dict("records")
    }
    generation: dict[int, int] = {}
    founder: dict[int, int] = {}
    rows = []
    for i, c in lives.items():  # in order of birth
        parents = [p for p in c.parents if p in lives]
        oldest = max((generation[p] for p in parents), default=0)
        generation[i] = oldest + (len(parents) == 1)
        founder[i] = min((founder[p] for p in parents), default=i)
        middle = 0.5 * (max(c.born_min, 0) + min(c.end_min, settings.minutes))
        own = mitoses.get(i, {})
        rows.append(
            {
                "tracklet_id": i,
                "first_frame": spans[i][0],
                "last_frame": spans[i][1],
                "birth_min": spans[i][0] * settings.minutes_per_frame,
                "end_min": spans[i][1] * settings.minutes_per_frame,
                "parent_ids": " ".join(map(str, parents)),
                "daughter_ids": " ".join(str(d) for d in c.daughters if d in lives),
                "fate": str(_fate(c, settings)),
                "generation": generation[i],
                "founder_id": founder[i],
                "y_um": 0.0,
                "x_um": 0.0,
                "dna_mass": DNA_GAIN * c.dna_at(middle),
                "area_um2": AREA_UM2 * c.dna_at(middle) ** 0.8,
                "n_slippages": int(own.get("subtype") == Subtype.SLIPPAGE),
                "event_id": own.get("event_id", pd.NA),
                "verdict": own.get("verdict", ""),
                "p_verdict": own.get("p_verdict", np.nan),
                "mitosis_class": own.get("mitosis_class", ""),
                "p_abnormal": own.get("p_abnormal", np.nan),
                "p_none": own.get("p_none", np.nan),
            }
        )
    return pd.DataFrame(rows, columns=list(TRACKLET_COLUMNS)).astype({"event_id": "Int64"})


def _detections(
    lives: dict[int, Cell], spans: dict[int, tuple[int, int]], settings: Settings
) -> pd.DataFrame:
    """One row a cell a frame; light bleaches as the settings say, measured to 5 %."""
    tables = []
    for i, c in lives.items():
        frames = np.arange(spans[i][0], spans[i][1] + 1)
        minutes = frames * settings.minutes_per_frame
        rng = np.random.default_rng([c.seed, 5])
        start, stop = c.replication_min
        grown = np.clip((minutes - start) / (stop - start), 0, 1) if np.isfinite(start) else 0 * minutes
        dna = c.dna * (1 + grown)
        light = (1 - settings.bleaching) ** (frames / 721) * np.exp(rng.normal(0, 0.05, len(frames)))
        position = np.cumsum(rng.normal(0, STEP_UM, (2, len(frames))), axis=1) + rng.uniform(0, 400, (2, 1))
        tables.append(
            pd.DataFrame(
                {
                    "frame": frames,
                    "time_min": minutes,
                    "tracklet_id": i,
                    "dna_mass": DNA_GAIN * dna * light,
                    "area_um2": AREA_UM2 * dna**0.8,
                    "y_um": position[0],
                    "x_um": position[1],
                    "y_px": position[0] / settings.pixel_size_um,
                    "x_px": position[1] / settings.pixel_size_um,
                    "state": _states(c, minutes),
                    "label": i,
                }
            )
        )
    table = pd.concat(tables) if tables else pd.DataFrame(columns=list(DETECTION_COLUMNS))
    table = table.sort_values(["frame", "tracklet_id"]).reset_index(drop=True)
    table["detection_id"] = np.arange(len(table))
    return table.reindex(columns=list(DETECTION_COLUMNS))


def _states(cell: Cell, minutes: np.ndarray) -> np.ndarray:
    """(N,) State of a cell at each time."""
    dies, start, plate, event = cell.dying_min, np.inf, np.inf, np.inf
    if cell.mitosis is not None:
        start, plate, event = cell.mitosis.start_min, cell.mitosis.plate_min, cell.mitosis.event_min
        dies = event if cell.mitosis.subtype is Subtype.DEATH else dies
    born_until = cell.born_min + TELOPHASE_MIN if len(cell.parents) == 1 else -np.inf
    return np.select(
        [
            minutes >= dies,
            (start <= minutes) & (minutes < min(plate, event)),
            (plate <= minutes) & (minutes < event),
            minutes < born_until,
        ],
        [State.DEAD.value, State.PROMETAPHASE.value, State.METAPHASE.value, State.ANAPHASE.value],
        State.INTERPHASE.value,
    )


def _quality(settings: Settings) -> pd.DataFrame:
    frames = np.arange(settings.frames)
    usable = ~np.isin(frames, [*settings.blank_frames, *settings.blurred_frames])
    table = pd.DataFrame({"frame": frames, "time_min": frames * settings.minutes_per_frame, "usable": usable})
    table["reason"] = np.where(usable, "", "blank")
    return table.reindex(columns=list(QUALITY_COLUMNS), fill_value=0.0)


def _record(settings: Settings, name: str) -> dict[str, Any]:
    stages = {stage: {"key": "", "files": []} for stage in ("video", "quality", "segment", "track", "tree")}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "video": {
            "path": name,
            "name": name,
            "n_frames": settings.frames,
            "shape": [settings.size, settings.size],
            "pixel_size_um": settings.pixel_size_um,
            "minutes_per_frame": settings.minutes_per_frame,
            "assumed": [],
        },
        "dose_gy": settings.dose_gy,
        "settings": {},
        "versions": {},
        "stages": stages,
        "warnings": {},
    }
