"""Tables of an analysis and the runs they come from -> dose_report.html and figures/, SVG and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.io.files import atomic_write, write_table
from lineage.mitosis import discarded
from lineage.report.forest import COLOURS, mark
from lineage.report.svg import picture
from pipelines.dose import left_out
from pipelines.dose.columns import SERIES, series_name
from pipelines.dose.fates import CLOCKS
from pipelines.report import against_control, fates, over_dose, over_time, panels, signal_courses, words
from pipelines.report.drawing import Figure, alone
from pipelines.report.drugs import drugs
from pipelines.report.families import forests
from pipelines.report.methods import OF_DRUGS, REFERENCES, methods
from pipelines.report.strips import Strip, strips

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
    fates: list[Figure]
    relatives: list[Figure]
    others: list[Figure]
    lineages: list[Figure]
    typical: list[Strip]
    doubtful: list[Strip]
    damaged: list[str]  # why others have no strip

    def figures(self) -> Iterator[Figure]:
        """All figures of the chapter."""
        yield from (*self.fractions, *self.fates, *self.relatives, *self.others, *self.lineages)
        yield from (strip.figure for strip in (*self.typical, *self.doubtful))


def write_report(
    out: Path, tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any], roots: Mapping[str, Path]
) -> list[str]:
    """Write the page, one self-contained file, and each figure by itself.

    Args:
        out: folder; the report and figures of an earlier analysis are replaced.
        tables: of `pipelines.dose.analyse`, by name.
        record: of the analysis.
        roots: movie -> its run folder.

    Returns:
        A sentence for each film strip that could not be drawn; the page has them, too.
    """
    records = words.run_records(roots.values())
    chapters = [_chapter(name, of_series, record, roots) for name, of_series in _series(tables)]
    of_plate = drugs(tables)
    named = {figure.name: figure for figure in of_plate}
    for k, chapter in enumerate(chapters, 1):
        prefix = f"series{k}_" if len(chapters) > 1 else ""
        named |= {prefix + figure.name: figure for figure in chapter.figures()}
    with atomic_write(out / FIGURES) as folder:
        folder.mkdir(parents=True)
        for name, figure in named.items():
            (folder / f"{name}.svg").write_text(alone(figure.svg), encoding="utf-8")
            write_table(figure.data, folder / f"{name}.csv")
    dye, warns = words.dye_words(tables["movies"])
    html = template().render(
        chapters=chapters,
        drugs=of_plate,
        record=record,
        facts=_facts(tables["movies"], tables["mitoses"]),
        levels=_levels(record),
        left_out=discarded.rows(record.get("discarded", {}), left_out.WORDS),
        dye=dye,
        dye_warns=warns,
        cautions=words.cautions(records, record),
        methods=methods(records, record, tables),
        references=(*REFERENCES, *(OF_DRUGS if len(tables["enhancement"]) else ())),
        sign={name: picture(mark(name, 8, 8), 16, 16, name) for name in COLOURS},
    )
    with atomic_write(out / PAGE) as part:
        part.write_text(html, encoding="utf-8")
    return [sentence for chapter in chapters for sentence in chapter.damaged]


def template(name: str = "dose_report.html.j2") -> Template:
    """The template of a page; pages share the style of a movie's report."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=ChoiceLoader(
            [PackageLoader("pipelines.report", "templates"), PackageLoader("lineage.report", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(name)


def _series(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Each series' name and its rows of every table; of a cell line, first those without drug."""
    keys = list(SERIES)
    known = tables["movies"][keys].drop_duplicates().sort_values(["cell_line", "drug_uM", "treatment"])
    for series in known.itertuples(index=False):
        of_series = {}
        for name, table in tables.items():
            if set(keys) <= set(table.columns):
                rows = (table[keys] == list(series)).all(axis=1)
                of_series[name] = table[rows].reset_index(drop=True)
        yield series_name(*series), of_series


def _chapter(
    name: str, tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any], roots: Mapping[str, Path]
) -> Chapter:
    typical, doubtful, damaged = strips(tables["mitoses"], roots)
    return Chapter(
        name=name,
        summary=words.summary(tables, record, name),
        fractions=_drawn(
            [
                over_dose.fraction_superplot(tables),
                over_dose.response(tables),
                panels.subtypes(tables),
                against_control.both_models(tables),
            ]
        ),
        fates=_drawn(
            [
                *(fates.incidence(tables, clock) for clock in CLOCKS),
                fates.generations(tables),
                fates.over_bins(tables),
            ]
        ),
        relatives=_drawn([panels.relatives(tables, record["context"]["arrest_h"])]),
        others=_drawn(
            [
                over_dose.duration_superplot(tables),
                over_dose.survival(tables, record["reproductive_survival"]),
                over_time.courses(tables),
                panels.measures(tables),
                *signal_courses.signal_courses(tables),
                over_time.motility(tables),
                over_time.dna(tables),
            ]
        ),
        lineages=forests(tables["fates"], tables["mitoses"], tables["movies"]),
        typical=typical,
        doubtful=doubtful,
        damaged=damaged,
    )


def _drawn(figures: Sequence[Figure | None]) -> list[Figure]:
    """Those for which there was something to draw."""
    return [figure for figure in figures if figure]


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
    return [dict(n) | {"series": series_name(*(n[k] for k in SERIES))} for n in record["n"]]
