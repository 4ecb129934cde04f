"""Column names of the plate's tables: where a row comes from, and what identifies a well."""

from __future__ import annotations

from typing import Any

from pipelines.columns import NUMBERS, REQUIRED

MAP_COLUMNS = (*REQUIRED, *NUMBERS[1:], "control")

SERIES = ("cell_line", "treatment", "drug_uM")  # within one, doses are compared
# Wells of one name on two plates, or on two dates, are two wells.
WELL = ("experiment_date", "plate", "well")
WELL_ROW = (*WELL, *SERIES, "dose_gy")
EVENTS_NEEDED = (
    "event_id",
    "mother_id",
    "daughter_ids",
    "frame",
    "time_min",
    "event_type",
    "subtype",
    "verdict",
    "verdict_because",
    "mitosis_class",
    "onset_min",
    "n_micronuclei",
    "bridge",
    "evidence_lasts_min",
    "source",
)

# Kinds of abnormal mitosis, as events.csv names them.
UNSPECIFIED = "abnormal"  # the verdict is abnormal, and no kind was seen
SUBTYPES = (
    "tripolar",
    "tetrapolar",
    "furrow_regression",
    "slippage",
    "death_in_mitosis",
    "lagging_chromatin",
    "micronuclei",
    UNSPECIFIED,
)


def series_name(cell_line: Any, treatment: Any, drug_um: Any) -> str:
    """A series in words.

    Args:
        cell_line: of the plate map.
        treatment: likewise.
        drug_um: concentration, micromolar.

    >>> series_name("U251", "none", 0.0), series_name("PC3", "AZD", 0.5)
    ('U251', 'PC3 + AZD 0.5 µM')
    """
    drug = f" {float(drug_um):g} µM" if float(drug_um) > 0 else ""
    plain = str(treatment) == "none" and not drug
    return str(cell_line) if plain else f"{cell_line} + {treatment}{drug}"
