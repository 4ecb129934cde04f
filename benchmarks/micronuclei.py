"""What can be told of micronuclei and bridges at which pixel size: `python benchmarks/micronuclei.py`.

Draws divisions with the simulator's chromatin, haze and noise: daughters with one micronucleus of a known
diameter (its middle 0.5 to 3 um beyond the nucleus's longer half-axis, as the simulator has it), or with
chromatin between their plates, or with neither. The bundled network finds the nuclei, `mitosis.micronuclei`
counts. Prints recall and false positives; with `--write` also the limits,
to `lineage/mitosis/micronuclei.json`.

The drawn blur is that of the paper's 20x widefield (a standard deviation of 1.7 um and more, thickness
included) at every pixel size: a sharper objective shows smaller bodies than these limits say (`--sharper 2`).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.mitosis.micronuclei import LIMITS, Views, bridge_between_any, count
from lineage.schema import QUALITY_COLUMNS, Fate, FrameQuality, Video
from lineage.simulate.bodies import paint
from lineage.simulate.camera import expose, haze, uneven
from lineage.simulate.cells import Cell, Mitosis, Subtype
from lineage.simulate.chromatin import chromatin
from lineage.simulate.course import nucleus_diameter_um
from lineage.simulate.microscope import Microscope, set_up
from lineage.simulate.motion import separation_um
from lineage.simulate.render import FAR_UM, HAZE, NEAR_UM
from lineage.simulate.settings import Settings
from lineage.stardist import model
from lineage.stardist.predict import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

PIXEL_SIZES_UM = (1.5, 1.1518, 0.9, 0.65, 0.5, 0.325)  # finer ones take the limits of the finest
DIAMETERS_UM = (0.8, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
SHARES = (
    0.02,
    0.04,
    0.08,
    0.12,
    0.16,
    0.24,
)  # of the DNA, between the plates; the simulator draws 0.01 to 0.08
FRAMES = 13  # ten minutes apart; the plates part between the one before the first and the first
SIDE, SPACING_UM = 6, 56.0  # divisions a side of the field, and from one to the next
READ, SHOT = 0.6, 0.012  # noise, as in lineage.simulate.render
MODEL_PX = 21.0  # diameter of a nucleus that the network is shown; finer images are resized
LOOKED_AT = (1, 2, 3, 4, 6, 8, 10, 12)
MIN_RECALL, MAX_FALSE = 0.8, 0.05


@dataclass(frozen=True)
class Division:
    """One drawn division: its two daughters, who carries what, and where it is."""

    kind: str  # none, micronucleus, bridge, loose
    amount: float  # um of a micronucleus, share of the DNA between the plates
    mother: Cell
    daughters: tuple[Cell, Cell]
    place_um: np.ndarray  # (2,) y, x


def divisions(rng: np.random.Generator) -> list[Division]:
    """A field of them on a grid: half have a micronucleus, a quarter chromatin between, a quarter neither."""
    made = []
    for k in range(SIDE**2):
        kind = ("micronucleus", "none", "micronucleus", ("bridge", "loose")[k // 4 % 2])[k % 4]
        amount = {"micronucleus": rng.choice(DIAMETERS_UM), "none": 0.0}.get(kind, rng.choice(SHARES))
        place = (np.array(divmod(k, SIDE)) + 0.5) * SPACING_UM + rng.uniform(-3, 3, 2)
        made.append(_division(rng, k, kind, float(amount), place))
    return made


def _division(rng: np.random.Generator, k: int, kind: str, amount: float, place: np.ndarray) -> Division:
    born, axis = -rng.uniform(0, 10), rng.uniform(0, 2 * np.pi)
    between = amount if kind in ("bridge", "loose") else 0.0
    mitosis = Mitosis(
        Subtype.LAGGING if between else Subtype.NORMAL, born - 45, born - 20, born, axis, rng.random() ** 3,
        lagging=between, bridge=kind == "bridge",
    )  # fmt: skip
    mother = Cell(
        3 * k + 1, (), 0, 3 * k + 1, born_min=-1500, dna=1.0, seed=int(rng.integers(2**31)),
        replication_min=(-1000, -400), mitosis=mitosis, end_min=born, fate=Fate.DIVIDED,
    )  # fmt: skip
    daughters = []
    for n in range(2):
        small = (0.25 * (amount / 9.0) ** 2,) if kind == "micronucleus" and n == 0 else ()
        daughters.append(
            Cell(
                3 * k + 2 + n, (mother.cell_id,), 1, mother.founder, born_min=born, dna=1.0,
                seed=int(rng.integers(2**31)), siblings=2, micronuclei=small,
                birth_axis=axis + math.pi * n + rng.normal(0, 0.1),
            )
        )  # fmt: skip
    return Division(kind, amount, mother, (daughters[0], daughters[1]), place)


def places_um(division: Division, minutes: float) -> list[np.ndarray]:
    """Where the daughters are: they part, then walk away from each other."""
    age = minutes - division.mother.end_min
    reach = 0.5 * separation_um(age) + 0.06 * age
    return [
        division.place_um + reach * np.array([math.sin(d.birth_axis), math.cos(d.birth_axis)])
        for d in division.daughters
    ]


def draw(
    field: Sequence[Division], t: int, settings: Settings, microscope: Microscope, sharper: float
) -> np.ndarray:
    """(Y, X) uint8: the DNA channel, as lineage.simulate.render draws it, but for a `sharper` objective."""
    minutes, per_um = t * settings.minutes_per_frame, 1 / settings.pixel_size_um
    focus = float(microscope.focus_um[t])
    painted = [
        (0, replace(body, blur=body.blur / sharper).scaled(per_um, np.zeros(2)))
        for division in field
        for cell, place in zip(division.daughters, places_um(division, minutes), strict=True)
        for _, body in chromatin(cell, minutes, place, origin=division.mother.mitosis, focus_um=focus)
    ]
    density, _ = paint(painted, (settings.size, settings.size))
    glow = haze(density * per_um**2, **HAZE, near_px=NEAR_UM * per_um, far_px=FAR_UM * per_um)
    even = uneven(np.random.default_rng([settings.seed, 11]), density.shape, depth=0.10)
    light = glow * microscope.dna_gain + microscope.dna_background * even
    noisy = expose(np.random.default_rng([settings.seed, 13, t]), light, read=READ, shot=SHOT)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def found(
    field: Sequence[Division], settings: Settings, microscope: Microscope, sharper: float
) -> pd.DataFrame:
    """What is found beside each division of a field: `kind, amount, n_micronuclei, bridge`."""
    network = model.of_this_process(model.BUNDLED)
    zoom = min(1.0, settings.pixel_size_um * MODEL_PX / nucleus_diameter_um(1.0))
    frames = {t: draw(field, t, settings, microscope, sharper) for t in LOOKED_AT}
    labels = {t: predict(network, image, zoom=zoom)[0].astype(np.int32) for t, image in frames.items()}
    video = Video(
        path=Path("drawn.tif"), n_frames=FRAMES, shape=frames[LOOKED_AT[0]].shape, dtype=np.dtype(np.uint8),
        channels=("SiR-DNA",), nucleus=0, phase=None, pixel_size_um=settings.pixel_size_um,
        minutes_per_frame=settings.minutes_per_frame, read=lambda t, _: frames[t],
    )  # fmt: skip
    quality = FrameQuality(
        pd.DataFrame(0.0, index=range(FRAMES), columns=list(QUALITY_COLUMNS)).assign(
            frame=range(FRAMES), usable=[t in frames for t in range(FRAMES)]
        )
    )
    rows = []
    for division in field:
        views = Views(video, quality, labels.__getitem__, 0, daughters(division, labels, settings))
        rows.append((division.kind, division.amount, count(views), bridge_between_any(views)))
    return pd.DataFrame(rows, columns=["kind", "amount", "n_micronuclei", "bridge"])


def daughters(division: Division, labels: dict[int, np.ndarray], settings: Settings) -> pd.DataFrame:
    """The detections of a division's daughters: the labels at their places."""
    rows = []
    for t, mask in labels.items():
        for n, place in enumerate(places_um(division, t * settings.minutes_per_frame)):
            y, x = np.clip(np.rint(place / settings.pixel_size_um).astype(int), 0, np.array(mask.shape) - 1)
            if label := int(mask[y, x]):
                y_px, x_px = np.argwhere(mask == label).mean(axis=0)
                rows.append((t, label, n, y_px, x_px))
    return pd.DataFrame(rows, columns=["frame", "label", "tracklet_id", "y_px", "x_px"])


def measured(pixel_size_um: float, n_fields: int, sharper: float) -> pd.DataFrame:
    """What is found in some fields of a pixel size."""
    tables = []
    for seed in range(n_fields):
        settings = Settings(
            frames=FRAMES,
            size=round(SIDE * SPACING_UM / pixel_size_um),
            pixel_size_um=pixel_size_um,
            seed=seed,
        )
        microscope = set_up(np.random.default_rng([seed, 2]), settings)
        field = divisions(np.random.default_rng([seed, 1]))
        tables.append(found(field, settings, microscope, sharper))
    return pd.concat(tables, ignore_index=True)


def row(pixel_size_um: float, table: pd.DataFrame) -> dict:
    """Recall by size, false positives, and the limits that follow from them."""
    plain = table[table["kind"] == "none"]
    between = table[table["kind"].isin(["bridge", "loose"])]
    small = table[table["kind"] == "micronucleus"].assign(hit=lambda t: _is_seen(t["n_micronuclei"]))
    lagging = between.assign(hit=_is_seen(between["bridge"]))
    false_small = float(_is_seen(plain["n_micronuclei"]).mean())
    # A micronucleus may lie between sisters, so only plain divisions tell of false bridges.
    false_bridges = float(_is_seen(plain["bridge"]).mean())
    recalls = [
        {round(float(k), 2): round(float(v), 2) for k, v in t.groupby("amount")["hit"].mean().items()}
        for t in (small, lagging)
    ]
    return {
        "pixel_size_um": pixel_size_um,
        "micronucleus_um": _limit(recalls[0], false_small),
        "bridge_share": _limit(recalls[1], false_bridges),
        "recall_by_diameter_um": recalls[0],
        "false_micronuclei_per_division": round(false_small, 3),
        "recall_by_share_between": recalls[1],
        "false_bridges_per_division": round(false_bridges, 3),
        "plain_divisions": len(plain),
    }


def _is_seen(found: pd.Series) -> pd.Series:
    """Whether something was found; what was not assessable counts as missed."""
    return found.map(lambda one: one is not None and one == one and one > 0).astype(bool)


def _limit(recall: dict[float, float], false_positives: float) -> float | None:
    """The smallest amount from which on recall is high enough; None where there is none.

    >>> _limit({1.0: 0.9, 2.0: 0.5, 3.0: 0.9}, 0.0)
    3.0
    """
    low = [amount for amount, share in recall.items() if share < MIN_RECALL]
    enough = [amount for amount in recall if amount > max(low, default=0)]
    return min(enough) if enough and false_positives <= MAX_FALSE else None


def main() -> None:
    """Draw, count, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fields", type=int, default=8, help="of 36 divisions each, a pixel size")
    parser.add_argument("--sharper", type=float, default=1.0, help="divides the blur")
    parser.add_argument("--pixel-sizes-um", type=float, nargs="+", default=PIXEL_SIZES_UM)
    parser.add_argument("--write", action="store_true", help="to lineage/mitosis/micronuclei.json")
    args = parser.parse_args()
    print("| um a pixel | micronuclei from, um | false | between: from, share of DNA | false | recall |")
    print("|---|---|---|---|---|---|")
    rows = []
    for pixel_size_um in args.pixel_sizes_um:
        one = row(pixel_size_um, measured(pixel_size_um, args.fields, args.sharper))
        rows.append(one)
        recall = "; ".join(
            ", ".join(f"{amount:g}: {share:.2f}" for amount, share in one[key].items())
            for key in ("recall_by_diameter_um", "recall_by_share_between")
        )
        print(
            f"| {pixel_size_um:g} | {one['micronucleus_um'] or 'none'} "
            f"| {one['false_micronuclei_per_division']} | {one['bridge_share'] or 'none'} "
            f"| {one['false_bridges_per_division']} | {recall} |",
            flush=True,
        )
    if args.write:
        told = {"made_by": "benchmarks/micronuclei.py --write", "sharper": args.sharper, "limits": rows}
        LIMITS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
