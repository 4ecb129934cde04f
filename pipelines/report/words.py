"""Results -> sentences: a summary to paste, what was assumed or refused, methods, references."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.io.run_folder import RunFolder
from pipelines.dose.columns import series_name
from pipelines.dose.correction import MIN_YOUDEN
from pipelines.dose.estimates import ALIKE as ALIKE_UNITS
from pipelines.dose.measures import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

ALIKE = 1e-6  # width of an interval: medians that fall on the same frame show no spread
NO_DYE_FREE = (
    "No dye-free control is named in the plate map. SiR-DNA and the light of the lamp slow the cycle and "
    "damage DNA themselves (Sen et al. 2018): all rates here, those at 0 Gy included, hold for stained, lit "
    "cells. Film wells without dye, with as much light, and name them in the column control as dye-free."
)
DYE_FREE = (
    "SiR-DNA and the light of the lamp slow the cycle and damage DNA themselves (Sen et al. 2018). Dye-free "
    "controls are named in the plate map: compare growth and mitotic rates of these with those of stained, "
    "unirradiated wells before an effect of dose is read as one of radiation alone."
)


def number(value: float) -> str:
    """Two digits that count, and a true minus; what is left of a sum that should be 0 is 0.

    >>> number(0.04567), number(-12.3), number(99.7), number(456.7), number(1e-15)
    ('0.046', '−12', '100', '457', '0')
    """
    value = 0.0 if abs(value) < 1e-9 else value
    words = f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2g}"
    return words.replace("-", "−")


def p_words(p: float) -> str:
    """A p-value as papers print it.

    >>> p_words(0.00002), p_words(0.0312)
    ('p < 0.001', 'p = 0.031')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p >= 0.1 else f"p = {p:.3f}"


def interval(low: float, high: float, scale: float = 1.0) -> str:
    """(95 % CI a to b); nothing where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"95 % CI {number(scale * low)} to {number(scale * high)}"


def summary(tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any], name: str) -> list[str]:
    """Sentences on one series that may stand in a results section."""
    doses = _of(tables["doses"], PRIMARY).sort_values("dose_gy")
    counts = {float(n["dose_gy"]): n for n in record["n"] if _series_name(n) == name}
    unit = record["unit"]
    described = [
        f"{number(100 * r['estimate'])} % at {r['dose_gy']:g} Gy ({_parenthesis(r, counts, unit)})"
        for r in doses.to_dict("records")
        if np.isfinite(r["estimate"])
    ]
    if not described:
        return [f"In {name} cells, no mitosis was called normal or abnormal."]
    told = [f"In {name} cells, the fraction of abnormal mitoses was {_listed(described)}."]
    told += _corrected(doses)
    if unseen := [f"{d:g}" for d in doses.loc[doses["estimate"].isna(), "dose_gy"]]:
        told.append(f"At {_listed(unseen)} Gy no mitosis was called normal or abnormal.")
    trend = _of(tables["tests"], PRIMARY)
    for r in trend.to_dict("records"):
        if np.isfinite(r["slope_per_gy"]) and r["n_doses"] > 1:
            tested = f"{interval(r['low'], r['high'], 100)}; {p_words(r['p'])}; {r['method']}"
            alike = str(r["method"]).startswith(ALIKE_UNITS)
            why_not = ALIKE_UNITS if alike else f"that takes two {unit}s at each of two doses"
            how = tested if np.isfinite(r["p"]) else f"not tested: {why_not}"
            told.append(
                f"The fraction changed by {number(100 * r['slope_per_gy'])} percentage points for each gray "
                f"({how}; {_count(int(r['n_units']), unit)})."
            )
    effects = _of(tables["effects"], PRIMARY) if len(tables["effects"]) else pd.DataFrame()
    effects = effects[effects["difference"].notna()] if len(effects) else effects
    if len(effects):
        top = effects.sort_values("dose_gy").to_dict("records")[-1]
        words = (
            f"At {top['dose_gy']:g} against {top['control_gy']:g} Gy the difference was "
            f"{number(100 * top['difference'])} points"
        )
        if told_interval := interval(top["difference_low"], top["difference_high"], 100):
            words += f" ({told_interval}; Holm-adjusted {p_words(top['p_adjusted'])})"
        name = "corrected_difference_constrained"
        value, low, high = (float(top.get(f"{name}{c}", np.nan)) for c in ("", "_low", "_high"))
        if np.isfinite(value):
            words += f", {number(100 * value)} points when corrected for the classifier's errors"
            if corrected := interval(low, high, 100):
                words += f" ({corrected}; model-based)"
        told.append(words + ".")
    for measure, stratum, what, per in (
        (
            "time_to_first_mitosis",
            "of those that get there",
            "The time to the first mitosis",
            "h",
        ),
        ("mitotic_duration", "all", "The duration of mitosis", "min"),
    ):
        for r in _of(tables["tests"], measure, stratum).to_dict("records"):
            edges = interval(r["low"], r["high"])
            if edges and np.isfinite(r["p_adjusted"]) and r["high"] - r["low"] > ALIKE:
                told.append(
                    f"{what} changed by {number(r['slope_per_gy'])} {per} for each gray ({edges}; "
                    f"Benjamini-Hochberg-adjusted {p_words(r['p_adjusted'])}, exploratory)."
                )
    return told


def _corrected(doses: pd.DataFrame) -> list[str]:
    """The corrected fractions, as they can be; nothing where none is corrected."""
    name = "corrected_constrained"
    described = []
    for r in doses.to_dict("records"):
        value, low, high = (float(r.get(f"{name}{c}", np.nan)) for c in ("", "_low", "_high"))
        edges = interval(low, high, 100)
        if np.isfinite(value):
            described.append(
                f"{number(100 * value)} % at {r['dose_gy']:g} Gy{f' ({edges})' if edges else ''}"
            )
    if not described:
        return []
    return [
        f"Corrected for the errors of the calls, and constrained to 0 to 100 %, it was {_listed(described)}."
    ]


def _parenthesis(row: Mapping[Any, Any], counts: Mapping[float, Mapping[str, Any]], unit: str) -> str:
    edges = interval(row["low"], row["high"], 100)
    n = counts.get(float(row["dose_gy"]), {})
    counted = [_count(row["n_units"], unit)]
    counted += [_count(n[f"n_{what}s"], what) for what in ("position", "founder") if n]
    counted.append(_count(row["n"], "mitosis", "mitoses"))
    how = "" if str(row["method"]).startswith("t over units") else f", {row['method']}"
    return f"{edges + how + '; ' if edges else ''}{', '.join(counted)}"


def _count(n: int, thing: str, things: str = "") -> str:
    return f"{n} {thing if n == 1 else things or f'{thing}s'}"


def _listed(parts: Sequence[str]) -> str:
    """As in a sentence.

    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _of(table: pd.DataFrame, measure: str, stratum: str = "all") -> pd.DataFrame:
    return table[(table["measure"] == measure) & (table["stratum"] == stratum)]


def _series_name(row: Mapping[str, Any]) -> str:
    return series_name(row["cell_line"], row["treatment"], row["drug_uM"])


def dye_words(movies: pd.DataFrame) -> tuple[str, bool]:
    """The caveat of dye and light, and whether it is a warning."""
    named = movies["control"].fillna("").astype(str).str.contains("dye-free").any()
    return (DYE_FREE, False) if named else (NO_DYE_FREE, True)


def cautions(records: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> dict[str, list[str]]:
    """What was assumed of movies, what the analysis refused or was wary of, who was left out."""
    assumed = Counter(s for r in records for s in r["video"].get("assumed", ()))
    warned = Counter(s for r in records for stage in r.get("warnings", {}).values() for s in stage)
    notes = [n for n in record["notes"] if "dye-free" not in n]
    return {
        "Assumed, because the movies do not say": _counted(assumed, len(records)),
        "Of the analysis": [*notes, *_refused(record)],
        "Warnings of the runs": _counted(warned, len(records)),
        "Left out": list(record.get("left_out", ())),
    }


def _refused(record: Mapping[str, Any]) -> list[str]:
    told = []
    for line, c in record["classifiers"].items():
        told.append(
            f"{line}: corrected with sensitivity {c['sensitivity']:.2f}, specificity "
            f"{c['specificity']:.2f} ({c['source']}), recall of proposals "
            f"{c['recall']['normal']:.2f} of normal, {c['recall']['abnormal']:.2f} of abnormal mitoses "
            "(simulated movies). This holds if your mitoses are like those."
            if c["corrects"]
            else f"{line}: not corrected for the classifier's errors (sensitivity + specificity below "
            f"{MIN_YOUDEN}, or not asked for)."
        )
    return told + [_lost(n) for n in record["n"] if n["n_undecided"] or n["n_seen_abnormal_unclassified"]]


def _lost(n: Mapping[str, Any]) -> str:
    """Of the mitoses of a dose that no fraction counts."""
    seen = n["n_seen_abnormal_unclassified"]
    more = f", nor {seen} that {'was' if seen == 1 else 'were'} seen to be abnormal and not classified"
    return (
        f"At {n['dose_gy']:g} Gy {_count(n['n_undecided'], 'mitosis is', 'mitoses are')} undecided: no "
        f"fraction counts {'it' if n['n_undecided'] == 1 else 'them'}{more if seen else ''}."
    )


def _counted(sentences: Mapping[str, int], n: int) -> list[str]:
    return [f"{s}{'' if k == n else f' ({k} of {n} movies)'}" for s, k in sentences.items()]


def run_records(roots: Iterable[Path]) -> list[dict[str, Any]]:
    """What each run says of itself."""
    return [json.loads(RunFolder(root).json.read_text(encoding="utf-8")) for root in roots]
