"""A run's tidy tables -> a folder of Parquet files, typed, for pandas, polars, DuckDB and R's arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.export.csv import COLUMNS, WHERE_MEASURED
from lineage.io.files import atomic_write, read_table
from lineage.schema import TEXT_COLUMNS, InputError, column_type

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def write(run_dir: Path, out_dir: Path) -> list[str]:
    """Write the four tables, and those of further channels where there are any, as `NAME.parquet`.

    Whole numbers stay whole where some are missing, text stays text where all of it is missing, and what is
    missing is null.

    Returns:
        The files' names.

    Raises:
        InputError: pyarrow is not installed, or a table is not there or not what its name says.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError("Parquet needs pyarrow: pip install 'mitosis-lineage[exports]'") from error
    names = [*COLUMNS, *(name for name in WHERE_MEASURED if (run_dir / name).exists())]
    for name in names:
        table = typed(read_table(run_dir / name, text=TEXT_COLUMNS, columns=COLUMNS.get(name, ())))
        with atomic_write(out_dir / name_of(name)) as part:
            table.to_parquet(part, engine="pyarrow", index=False)
    return [name_of(name) for name in names]


def name_of(table: str) -> str:
    """What the table of a run is called as Parquet.

    >>> name_of("events.csv")
    'events.parquet'
    """
    return table.removesuffix(".csv") + ".parquet"


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with columns of ours in types that know missing values, the same in every run.

    An empty text is missing. Other columns, measurements of further channels, stay as they were read.
    """
    import pandas as pd

    types = {name: kind for name in map(str, table) if (kind := column_type(name))}
    table = table.astype(types)
    texts = [name for name, kind in types.items() if kind == "string"]
    return table.assign(**{name: table[name].replace("", pd.NA) for name in texts})
