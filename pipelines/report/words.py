"""Results -> sentences: a summary for a results section, what was assumed, left out or warned of."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.run_folder import RunFolder
from pipelines.dose.columns import series_name
from pipelines.dose.correction import MIN_YOUDEN
from pipelines.dose.estimates import ALIKE
from pipelines.dose.measures import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

MIN_WIDTH = 1e-6  # of an interval: medians that fall on the same frame show no spread
NO_DYE_FREE = (
    "No dye-free control is named in the plate map. SiR-DNA and the light of the microscope by themselves "
    "slow the cell cycle and damage DNA (Sen et al. 2018), so all rates here, those at 0 Gy included, are "
    "those of stained, illuminated cells. Add wells without dye that get the same light, and write dye-free "
    "into their column control."
)
DYE_FREE = (
    "SiR-DNA and the light of the microscope by themselves slow the cell cycle and damage DNA (Sen et al. "
    "2018). The plate map names dye-free controls: compare their growth and mitotic rates with those of "
    "stained, unirradiated wells before an effect of dose is read as one of radiation alone."
)


def number(value: float) -> str:
    """Two significant digits and a true minus sign; a rounding error beside 0 is 0.

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
    """95 % CI a to b; empty where there is none.

    Args:
        low: edge.
        high: edge.
        scale: by which both are multiplied.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"95 % CI {number(scale * low)} to {number(scale * high)}"


def summary(tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any], name: str) -> list[str]:
    """Sentences on one series that may stand in a results section.

    Args:
        tables: of one series.
        record: of the analysis.
        name: of the series.
    """
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
    sentences = [f"In {name} cells, the fraction of abnormal mitoses was {_listed(described)}."]
    sentences += _corrected(doses)
    if empty := [f"{d:g}" for d in doses.loc[doses["estimate"].isna(), "dose_gy"]]:
        sentences.append(f"At {_listed(empty)} Gy no mitosis was called normal or abnormal.")
    sentences += _trend(tables["tests"], unit)
    sentences += _highest_dose(tables["effects"])
    sentences += _timing(tables["tests"])
    return sentences


def _trend(tests: pd.DataFrame, unit: str) -> Iterator[str]:
    for r in _of(tests, PRIMARY).to_dict("records"):
        if not (np.isfinite(r["slope_per_gy"]) and r["n_doses"] > 1):
            continue
        if np.isfinite(r["p"]):
            how = f"{interval(r['low'], r['high'], 100)}; {p_words(r['p'])}; {r['method']}"
        elif str(r["method"]).startswith(ALIKE):
            how = f"not tested: {ALIKE}"
        else:
            how = f"not tested: this needs two {unit}s at each of two doses"
        yield (
            f"The fraction changed by {number(100 * r['slope_per_gy'])} percentage points for each gray "
            f"({how}; {count(int(r['n_units']), unit)})."
        )


def _highest_dose(effects: pd.DataFrame) -> Iterator[str]:
    """The highest dose against the control."""
    if effects.empty:
        return
    known = _of(effects, PRIMARY)
    known = known[known["difference"].notna()]
    if known.empty:
        return
    r = known.sort_values("dose_gy").to_dict("records")[-1]
    words = (
        f"At {r['dose_gy']:g} against {r['control_gy']:g} Gy the difference was "
        f"{number(100 * r['difference'])} points"
    )
    if edges := interval(r["difference_low"], r["difference_high"], 100):
        words += f" ({edges}; Holm-adjusted {p_words(r['p_adjusted'])})"
    name = "corrected_difference_constrained"
    value, low, high = (float(r.get(f"{name}{c}", np.nan)) for c in ("", "_low", "_high"))
    if np.isfinite(value):
        words += f", {number(100 * value)} points when corrected for the classifier's errors"
        if edges := interval(low, high, 100):
            words += f" ({edges}; model-based)"
    yield words + "."


def _timing(tests: pd.DataFrame) -> Iterator[str]:
    """Trends of the time to mitosis and of its duration, where they were tested."""
    for measure, stratum, what, unit in (
        ("time_to_first_mitosis", "of those that get there", "The time to the first mitosis", "h"),
        ("mitotic_duration", "all", "The duration of mitosis", "min"),
    ):
        for r in _of(tests, measure, stratum).to_dict("records"):
            edges = interval(r["low"], r["high"])
            if edges and np.isfinite(r["p_adjusted"]) and r["high"] - r["low"] > MIN_WIDTH:
                yield (
                    f"{what} changed by {number(r['slope_per_gy'])} {unit} for each gray ({edges}; "
                    f"Benjamini-Hochberg-adjusted {p_words(r['p_adjusted'])}, exploratory)."
                )


def _corrected(doses: pd.DataFrame) -> list[str]:
    """The corrected fractions, cut to 0 to 100 %; nothing where none is corrected."""
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
        "Corrected for the errors of the verdicts, and constrained to 0 to 100 %, it was "
        f"{_listed(described)}."
    ]


def _parenthesis(row: Mapping[Any, Any], counts: Mapping[float, Mapping[str, Any]], unit: str) -> str:
    edges = interval(row["low"], row["high"], 100)
    n = counts.get(float(row["dose_gy"]), {})
    counted = [count(row["n_units"], unit)]
    counted += [count(n[f"n_{what}s"], what) for what in ("position", "founder") if n]
    counted.append(count(row["n"], "mitosis", "mitoses"))
    how = "" if str(row["method"]).startswith("t over units") else f", {row['method']}"
    return f"{edges + how + '; ' if edges else ''}{', '.join(counted)}"


def count(n: int, thing: str, things: str = "") -> str:
    """A number of things.

    Args:
        n: how many.
        thing: one of them.
        things: several of them, if that is not thing + s.

    >>> count(1, "well"), count(2, "well"), count(2, "mitosis", "mitoses")
    ('1 well', '2 wells', '2 mitoses')
    """
    return f"{n} {thing if n == 1 else things or f'{thing}s'}"


def _listed(parts: Sequence[str]) -> str:
    """A list as it stands in a sentence.

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
    """Title -> sentences: what was assumed of movies, notes and warnings, and what was left out."""
    assumed = Counter(s for r in records for s in r["video"].get("assumed", ()))
    warned = Counter(s for r in records for stage in r.get("warnings", {}).values() for s in stage)
    notes = [n for n in record["notes"] if "dye-free" not in n]
    return {
        "Assumed, because the movies do not say": _counted(assumed, len(records)),
        "Of the analysis": [*notes, *_corrections(record), *_uncounted(record)],
        "Warnings of the runs": _counted(warned, len(records)),
        "Left out": list(record.get("left_out", ())),
    }


def _corrections(record: Mapping[str, Any]) -> Iterator[str]:
    """How the fractions of each cell line were corrected."""
    for line, c in record["classifiers"].items():
        if c["corrects"]:
            yield (
                f"{line}: corrected with sensitivity {c['sensitivity']:.2f} and specificity "
                f"{c['specificity']:.2f} ({c['source']}); {100 * c['recall']['normal']:.0f} % of normal and "
                f"{100 * c['recall']['abnormal']:.0f} % of abnormal mitoses are found at all (simulated "
                "movies). The correction is valid if your mitoses are like those."
            )
        else:
            yield (
                f"{line}: not corrected for the classifier's errors (sensitivity + specificity is below "
                f"{MIN_YOUDEN}, or no correction was asked for)."
            )


def _uncounted(record: Mapping[str, Any]) -> Iterator[str]:
    """The mitoses of each dose that are in no fraction."""
    for n in record["n"]:
        undecided, seen = n["n_undecided"], n["n_seen_abnormal_unclassified"]
        if undecided or seen:
            more = (
                f", nor {seen} that {'was' if seen == 1 else 'were'} seen to be abnormal and not classified"
            )
            yield (
                f"At {n['dose_gy']:g} Gy {count(undecided, 'mitosis is', 'mitoses are')} undecided: no "
                f"fraction counts {'it' if undecided == 1 else 'them'}{more if seen else ''}."
            )


def _counted(sentences: Mapping[str, int], n: int) -> list[str]:
    return [f"{s}{'' if k == n else f' ({k} of {n} movies)'}" for s, k in sentences.items()]


def run_records(roots: Iterable[Path]) -> list[dict[str, Any]]:
    """The run.json of each run."""
    return [json.loads(RunFolder(root).json.read_text(encoding="utf-8")) for root in roots]
