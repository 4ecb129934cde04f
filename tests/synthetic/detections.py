"""Settings -> the nuclei that a segmentation of the movie would measure, and the truth: no movie is drawn.

Masks are the truth's, as in a movie, and measured as `lineage.nuclei.segment` does. `imperfect` then makes
the mistakes that segmentations make.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.processes import in_order
from lineage.schema import LOOK_COLUMNS, NUCLEUS_COLUMNS
from lineage.simulate.bodies import paint
from lineage.simulate.dish import Positions, area_ratio
from lineage.simulate.microscope import set_up
from lineage.simulate.motion import move
from lineage.simulate.population import grow
from lineage.simulate.render import Scene
from lineage.simulate.truth import TRUE_EVENT_COLUMNS, Chronicle, in_view
from synthetic.measured import MEASURED, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import networkx as nx
    import pandas as pd

    from lineage.simulate.settings import Settings

# `cell` is the true track's label, 0 for a false nucleus; `also` that of a second one that it covers, or 0.
TRUE_COLUMNS = ("cell", "also")
BEYOND_UM = 30.0  # a cell whose centre lies further outside the field is not drawn
CERTAIN = 0.8  # the segmentation's probability, the same for every nucleus, true or false
MERGED_UM = 12.0  # largest distance of nuclei that may be taken for one; only sisters come so near
DEBRIS_FRAMES = 2.0  # how long a false nucleus stays, on average
DEBRIS_AREA_UM2 = (15.0, 120.0)
DEBRIS_BRIGHTNESS = (0.3, 3.0)  # over the median nucleus


@dataclass(frozen=True, eq=False)
class Detections:
    """What a perfect segmentation would measure, and the truth."""

    nuclei: pd.DataFrame  # NUCLEUS_COLUMNS and TRUE_COLUMNS, in order of frame and cell; usable frames only
    tracks: np.ndarray  # (N, 4) int64, as in man_track.txt: label, first, last frame, parent or 0
    graph: nx.DiGraph  # as the truth's lineage.graphml
    events: pd.DataFrame  # as the truth's events.csv
    usable: np.ndarray  # (T,) bool: neither blank nor blurred
    drift_px: np.ndarray  # (T, 2) y, x
    settings: Settings


def detect(
    settings: Settings, *, workers: int = 1, progress: Callable[[int], None] = lambda frame: None
) -> Detections:
    """Simulate a movie's nuclei without its pixels.

    Args:
        settings: of the movie; it has the same cells in the same positions.
        workers: processes that draw; what they draw does not depend on their number.
        progress: called with each frame's number when it is done.

    Returns:
        The nuclei and the truth.

    Raises:
        InputError: there would be more cells than the masks hold.
    """
    import pandas as pd

    lives, walk, light = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(3))
    founders = round(settings.founders * area_ratio(settings))
    cells = {cell.cell_id: cell for cell in grow(lives, settings, founders=founders)}
    scene = Scene(settings, cells, set_up(light, settings))
    microscope = scene.microscope
    usable = np.ones(settings.frames, bool)
    usable[sorted(microscope.blank | microscope.blurred)] = False
    chronicle = Chronicle(cells, settings, microscope)
    seen = move(walk, list(cells.values()), microscope.drift_px * settings.pixel_size_um, settings)
    tables = []
    drawn = in_order(_measure_in_worker, enumerate(seen), workers=workers, begin=_set_scene, shared=(scene,))
    for frame, (positions, visible, table) in enumerate(drawn):
        label_of = chronicle.add(frame, visible, positions)
        if usable[frame]:
            table[:, 0] = label_of[table[:, 0].astype(int)]
            tables.append(np.column_stack([np.full(len(table), frame), table]))
        progress(frame)
    rows = np.concatenate(tables) if tables else np.zeros((0, 2 + len(MEASURED)))
    return Detections(
        nuclei=_table(rows, microscope.drift_px, settings),
        tracks=chronicle.tracks(),
        graph=chronicle.graph(),
        events=pd.DataFrame(chronicle.events, columns=list(TRUE_EVENT_COLUMNS)),
        usable=usable,
        drift_px=microscope.drift_px,
        settings=settings,
    )


_scene: Scene | None = None  # of a worker process


def _set_scene(scene: Scene) -> None:
    global _scene
    _scene = scene


def _measure_in_worker(frame: int, positions: Positions) -> tuple[Positions, list[int], np.ndarray]:
    """Positions, the cells in view, and (N, 1 + M) cell and MEASURED."""
    assert _scene is not None
    size, settings = _scene.settings.size, _scene.settings
    drift = _scene.microscope.drift_px[frame]
    low = -drift * settings.pixel_size_um - BEYOND_UM
    high = low + settings.field_um + 2 * BEYOND_UM
    near = {i: p for i, p in positions.items() if (low < p).all() and (p < high).all()}
    density, masks = paint(_scene.chromatin(frame, near, drift), (size, size))
    masks = _scene.in_view(frame, masks, positions)
    return positions, in_view(masks), measure(_scene, frame, density, masks)


def _table(rows: np.ndarray, drift_px: np.ndarray, settings: Settings) -> pd.DataFrame:
    """(N, 2 + M) frame, label, MEASURED -> NUCLEUS_COLUMNS and TRUE_COLUMNS."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=["frame", "cell", *MEASURED]).astype({"frame": int, "cell": int})
    table = table.sort_values(["frame", "cell"], ignore_index=True)
    drift = drift_px[table["frame"]]
    return table.assign(
        detection_id=np.arange(len(table)),
        time_min=table["frame"] * settings.minutes_per_frame,
        label=table["cell"],
        y_um=(table["y_px"] - drift[:, 0]) * settings.pixel_size_um,
        x_um=(table["x_px"] - drift[:, 1]) * settings.pixel_size_um,
        rounding=np.nan,  # no phase is drawn
        probability=CERTAIN,
        also=0,
        **dict.fromkeys(LOOK_COLUMNS, np.nan),  # as are no pixels
    )[[*NUCLEUS_COLUMNS, *TRUE_COLUMNS]]


# --- Mistakes


def imperfect(
    nuclei: pd.DataFrame,
    rng: np.random.Generator,
    *,
    miss: float = 0.02,
    false: float = 0.02,
    jitter_um: float = 0.5,
    mass_noise: float = 0.08,
    area_noise: float = 0.06,
    merge_touching: float = 0.0,
) -> pd.DataFrame:
    """Make a segmentation's mistakes.

    Args:
        nuclei: as in `Detections`, of one movie.
        rng: the only source of chance.
        miss: share of nuclei left out, anywhere alike.
        false: debris, as a share of the nuclei; some stays for a few frames.
        jitter_um: standard deviation of positions, each way.
        mass_noise: of the logarithm of the DNA mass.
        area_noise: likewise of the area; the mean intensity follows from both.
        merge_touching: share of the nuclei nearer to another than MERGED_UM that are taken for one with it.

    Returns:
        A new table, numbered anew, in order of frame and position; `label` counts from 1 in each frame.
    """
    import pandas as pd

    if nuclei.empty:
        return nuclei.copy()
    table = _merged(nuclei, rng, merge_touching) if merge_touching else nuclei.copy()
    debris = _debris(table, rng, round(false * len(table)))
    table = table[rng.random(len(table)) >= miss]
    table = _noisy(table, rng, jitter_um=jitter_um, mass_noise=mass_noise, area_noise=area_noise)
    table = pd.concat([table, debris], ignore_index=True) if len(debris) else table
    table = table.sort_values(["frame", "y_um", "x_um"], ignore_index=True)
    return table.assign(
        detection_id=np.arange(len(table)), label=table.groupby("frame").cumcount().to_numpy() + 1
    )[[*NUCLEUS_COLUMNS, *TRUE_COLUMNS]]


def _noisy(
    table: pd.DataFrame, rng: np.random.Generator, *, jitter_um: float, mass_noise: float, area_noise: float
) -> pd.DataFrame:
    n, pixel = len(table), _pixel_size_um(table)
    jitter = rng.normal(0, jitter_um, (2, n))
    off = rng.standard_normal((5, n))
    mass = table["dna_mass"] * np.exp(mass_noise * off[0])
    area = table["area_um2"] * np.exp(area_noise * off[1])
    return table.assign(
        y_um=table["y_um"] + jitter[0],
        x_um=table["x_um"] + jitter[1],
        y_px=table["y_px"] + jitter[0] / pixel,
        x_px=table["x_px"] + jitter[1] / pixel,
        area_um2=area,
        dna_mass=mass,
        mean_intensity=mass / (area / pixel**2),
        eccentricity=(table["eccentricity"] + 0.03 * off[2]).clip(0, 0.99),
        solidity=(table["solidity"] + 0.01 * off[3]).clip(0.3, 1),
        texture=table["texture"] * np.exp(0.1 * off[4]),
    )


def _pixel_size_um(table: pd.DataFrame) -> float:
    """Masses are summed over pixels, areas over um2."""
    area_px = table["dna_mass"] / table["mean_intensity"]
    return math.sqrt(float((table["area_um2"] / area_px).median()))


def _merged(nuclei: pd.DataFrame, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """Some pairs that touch become one."""
    import pandas as pd
    from scipy.spatial import cKDTree

    used: set[int] = set()
    merged: list[Mapping[str, Any]] = []
    for _, rows in nuclei.groupby("frame"):
        positions = rows[["y_um", "x_um"]].to_numpy(float)
        for a, b in sorted(cKDTree(positions).query_pairs(MERGED_UM)):
            pair = rows.iloc[[a, b]]
            if rng.random() >= share or not used.isdisjoint(pair.index):
                continue
            used |= set(pair.index)
            merged.append(_merge(pair.sort_values("area_um2", ascending=False)))
    rest = nuclei.drop(index=sorted(used))
    if not merged:
        return rest
    return pd.concat([rest, pd.DataFrame(merged).astype(rest.dtypes)], ignore_index=True)


def _merge(pair: pd.DataFrame) -> dict[str, Any]:
    """Two rows, the larger first -> the one that covers both."""
    larger, smaller = pair.iloc[0], pair.iloc[1]
    area = pair["area_um2"] / pair["area_um2"].sum()
    positions = ("y_px", "x_px", "y_um", "x_um", "texture")
    return (
        dict(zip(map(str, larger.index), larger, strict=True))
        | {name: float((pair[name] * area).sum()) for name in (*positions, "mean_intensity")}
        | {name: float(pair[name].sum()) for name in ("area_um2", "dna_mass")}
        | {"also": int(smaller["cell"]), "solidity": 0.9 * float(pair["solidity"].min()), "eccentricity": 0.8}
    )


def _debris(table: pd.DataFrame, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """`n` false nuclei: small, dim or bright, anywhere in the field; each for a few frames in one spot."""
    import pandas as pd

    pixel = _pixel_size_um(table)
    frames = table.groupby("frame")[["y_px", "x_px", "y_um", "x_um", "time_min"]].first()
    counts = table["frame"].value_counts().reindex(frames.index).to_numpy(float)
    first = rng.choice(len(frames), n, p=counts / counts.sum())
    stays = rng.geometric(1 / DEBRIS_FRAMES, n)
    piece = np.repeat(np.arange(n), stays)[:n]
    k = first[piece] + np.arange(len(piece)) - np.searchsorted(piece, piece)
    piece, k = piece[k < len(frames)], k[k < len(frames)]
    at = frames.iloc[k]
    field = table[["y_px", "x_px"]].max().to_numpy(float)
    y, x = (rng.uniform(0, 1, (n, 2)) * field)[piece].T + rng.normal(0, 0.5, (2, len(piece)))
    area = _between(rng, DEBRIS_AREA_UM2, n)[piece] * np.exp(rng.normal(0, 0.1, len(piece)))
    bright = float(table["mean_intensity"].median()) * _between(rng, DEBRIS_BRIGHTNESS, n)[piece]
    bright = bright * np.exp(rng.normal(0, 0.1, len(piece)))
    return pd.DataFrame(
        {
            "frame": frames.index.to_numpy()[k],
            "time_min": at["time_min"].to_numpy(),
            "y_px": y,
            "x_px": x,
            "y_um": y * pixel + (at["y_um"] - at["y_px"] * pixel).to_numpy(),
            "x_um": x * pixel + (at["x_um"] - at["x_px"] * pixel).to_numpy(),
            "area_um2": area,
            "dna_mass": bright * area / pixel**2,
            "mean_intensity": bright,
            "eccentricity": rng.beta(3, 2, n)[piece],
            "solidity": rng.uniform(0.8, 1, n)[piece],
            "texture": rng.uniform(0.15, 0.5, n)[piece],
            "rounding": np.nan,
            "probability": CERTAIN,
            "cell": 0,
            "also": 0,
        }
    )


def _between(rng: np.random.Generator, limits: tuple[float, float], n: int) -> np.ndarray:
    """(n,) between two numbers, the logarithm evenly."""
    low, high = map(math.log, limits)
    return np.exp(rng.uniform(low, high, n))
