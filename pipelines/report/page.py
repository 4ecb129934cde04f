"""Tables of an analysis and the runs they come from -> dose_report.html and figures/, SVG and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.outputs import whole, write_table
from lineage.report.forest import COLOURS, mark
from lineage.report.svg import picture
from pipelines.dose.columns import SERIES
from pipelines.dose.ends import CLOCKS
from pipelines.report import over_dose, over_time, panels, words
from pipelines.report.drawing import Figure, alone
from pipelines.report.families import forests
from pipelines.report.films import Film, films
from pipelines.report.methods import REFERENCES, methods

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from jinja2 import Template

PAGE, FIGURES = "dose_report.html", "figures"


@dataclass(frozen=True, eq=False)
class Chapter:
    """What the page shows of one series."""

    name: str
    summary: list[str]
    fractions: list[Figure]
    ends: list[Figure]
    others: list[Figure]
    lineages: list[Figure]
    typical: list[Film]
    doubtful: list[Film]

    def figures(self) -> Iterator[Figure]:
        """All of them."""
        yield from (*self.fractions, *self.ends, *self.others, *self.lineages)
        yield from (film.figure for film in (*self.typical, *self.doubtful))


def write_report(
    out: Path, tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any], roots: Mapping[str, Path]
) -> None:
    """Write the page, which needs nothing beside it, and each figure by itself.

    Args:
        out: folder; what an earlier report left there is replaced.
        tables: of `pipelines.dose.analyse`, by name.
        record: of the analysis.
        roots: movie -> its run folder.
    """
    records = words.run_records(roots.values())
    chapters = [_chapter(name, mine, record, roots) for name, mine in _series(tables)]
    several = len(chapters) > 1
    with whole(out / FIGURES) as folder:
        for k, chapter in enumerate(chapters, 1):
            for figure in chapter.figures():
                name = f"series{k}_{figure.name}" if several else figure.name
                path = folder / f"{name}.svg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(alone(figure.svg), encoding="utf-8")
                write_table(figure.data, folder / f"{name}.csv")
    dye, warns = words.dye_words(tables["movies"])
    html = template().render(
        chapters=chapters,
        record=record,
        facts=_facts(tables["movies"], tables["mitoses"]),
        levels=_levels(record),
        dye=dye,
        dye_warns=warns,
        cautions=words.cautions(records, record),
        methods=methods(records, record, tables),
        references=REFERENCES,
        sign={name: picture(mark(name, 8, 8), 16, 16, name) for name in COLOURS},
    )
    with whole(out / PAGE) as part:
        part.write_text(html, encoding="utf-8")


def template(name: str = "dose_report.html.j2") -> Template:
    """A page; its style is that of a movie's report."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=ChoiceLoader(
            [PackageLoader("pipelines.report", "templates"), PackageLoader("lineage", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(name)


def _series(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Each series' name and its rows of every table."""
    keys = list(SERIES)
    for place, _ in tables["movies"].groupby(keys, dropna=False):
        mine = {}
        for name, table in tables.items():
            if set(keys) <= set(table.columns):
                here = (table[keys] == list(place)).all(axis=1)
                mine[name] = table[here].reset_index(drop=True)
        yield words.series_name(*place), mine


def _chapter(
    name: str, mine: Mapping[str, pd.DataFrame], record: Mapping[str, Any], roots: Mapping[str, Path]
) -> Chapter:
    known: list[Figure | None]
    known = [over_time.incidence(mine, clock) for clock in CLOCKS]
    rest = [
        over_dose.duration_superplot(mine), over_time.courses(mine), panels.measures(mine),
        over_dose.survival(mine, record["reproductive_survival"]), over_time.dna(mine),
    ]  # fmt: skip
    typical, doubtful = films(mine["mitoses"], roots)
    return Chapter(
        name,
        words.summary(mine, record, name),
        [over_dose.fraction_superplot(mine), over_dose.response(mine), panels.subtypes(mine)],
        [f for f in known if f],
        [f for f in rest if f],
        forests(mine["fates"], mine["mitoses"], mine["movies"]),
        typical,
        doubtful,
    )


def _facts(movies: pd.DataFrame, mitoses: pd.DataFrame) -> list[tuple[str, str]]:
    """The numbers at the top of the page."""
    wells = len(movies.drop_duplicates(["experiment_date", "plate", "well"]))
    n = movies["experiment_date"].nunique()
    return [
        (f"{n}", "experiment" if n == 1 else "experiments"),
        (f"{wells}", "wells"),
        (f"{len(movies)}", "positions"),
        (f"{movies['n_founders'].sum()}", "founders"),
        (f"{movies['n_cells'].sum()}", "cells"),
        (f"{len(mitoses)}", "mitoses"),
        (f"{movies['n_abnormal'].sum()}", f"abnormal of {movies['n_judged'].sum()} judged"),
    ]


def _levels(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All n of each series and dose."""
    return [dict(n) | {"series": words.series_name(*(n[k] for k in SERIES))} for n in record["n"]]
