"""Records of runs and of the analysis -> the methods paragraph as it happened, with its references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.report.page import REFERENCES as OF_A_RUN
from pipelines.dose.estimates import ALIKE
from pipelines.dose.shares import WITHIN_DAYS
from pipelines.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

DELGADO, STARDIST, BTRACK = OF_A_RUN
SEN = (
    "Sen O., Saurin A. T., Higgins J. M. G. The live cell DNA stain SiR-Hoechst induces DNA damage "
    "responses and impairs cell cycle progression. Scientific Reports 8:7898 (2018).",
    "10.1038/s41598-018-26307-6",
)
WILLIAMS = (
    "Williams D. A. Extra-binomial variation in logistic linear models. Applied Statistics 31:144 (1982).",
    "10.2307/2347977",
)
WELCH = (
    "Welch B. L. The generalization of 'Student's' problem when several different population variances are "
    "involved. Biometrika 34:28 (1947).",
    "10.1093/biomet/34.1-2.28",
)
HC2 = (
    "Imbens G. W., Kolesár M. Robust standard errors in small samples: some practical advice. Review of "
    "Economics and Statistics 98:701 (2016).",
    "10.1162/REST_a_00552",
)
GEE = (
    "Mancl L. A., DeRouen T. A. A covariance estimator for GEE with improved small-sample properties. "
    "Biometrics 57:126 (2001).",
    "10.1111/j.0006-341X.2001.00126.x",
)
ROGAN = (
    "Rogan W. J., Gladen B. Estimating prevalence from the results of a screening test. American Journal of "
    "Epidemiology 107:71 (1978).",
    "10.1093/oxfordjournals.aje.a112510",
)
AALEN = (
    "Aalen O. O., Johansen S. An empirical transition matrix for non-homogeneous Markov chains based on "
    "censored observations. Scandinavian Journal of Statistics 5:141 (1978).",
    "",
)
TURNBULL = (
    "Turnbull B. W. The empirical distribution function with arbitrarily grouped, censored and truncated "
    "data. Journal of the Royal Statistical Society B 38:290 (1976).",
    "10.1111/j.2517-6161.1976.tb01597.x",
)
HOLM = (
    "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics "
    "6:65 (1979).",
    "",
)
BH = (
    "Benjamini Y., Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to "
    "multiple testing. Journal of the Royal Statistical Society B 57:289 (1995).",
    "10.1111/j.2517-6161.1995.tb02031.x",
)
SUPERPLOTS = (
    "Lord S. J., Velle K. B., Mullins R. D., Fritz-Laylin L. K. SuperPlots: communicating reproducibility "
    "and variability in cell biology. Journal of Cell Biology 219:e202001064 (2020).",
    "10.1083/jcb.202001064",
)
FERTIL = (
    "Fertil B., Dertinger H., Courdi A., Malaise E. P. Mean inactivation dose: a useful concept for "
    "intercomparison of human cell survival curves. Radiation Research 99:73 (1984).",
    "",
)
FIELLER = (
    "Fieller E. C. Some problems in interval estimation. Journal of the Royal Statistical Society B 16:175 "
    "(1954).",
    "10.1111/j.2517-6161.1954.tb00159.x",
)
REFERENCES = (*OF_A_RUN, SEN, WILLIAMS, HC2, WELCH, GEE, HOLM, BH, ROGAN, AALEN, TURNBULL, SUPERPLOTS)
OF_DRUGS = (FIELLER, FERTIL)


def methods(
    records: Sequence[Mapping[str, Any]], record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> list[str]:
    """Paragraphs for a methods section; they state only what the runs record.

    Args:
        records: run.json of each run.
        record: of the analysis.
        tables: of the analysis, by name.
    """
    return [
        " ".join(_movies(records, tables["movies"])),
        " ".join(_analysis(records)),
        " ".join((*_people(record), *_statistics(record, tables))),
    ]


def _movies(records: Sequence[Mapping[str, Any]], movies: pd.DataFrame) -> Iterator[str]:
    wells = len(movies.drop_duplicates(["experiment_date", "plate", "well"]))
    experiments = count(movies["experiment_date"].nunique(), "experiment")
    unknown = movies["irradiated_min_before_start"].isna().any()
    n = f"{count(len(movies), 'position')} of {count(wells, 'well')} in {experiments}"
    yield (
        f"{n} {'was' if len(movies) == 1 else 'were'} filmed, {_values(records, 'video', 'n_frames')} frames "
        "each, one every "
        f"{_values(records, 'video', 'minutes_per_frame')} min, {_values(records, 'video', 'pixel_size_um')} "
        f"µm a pixel, from {_range(movies['from_h'])} to {_range(movies['to_h'])} h after irradiation"
        f"{', which was taken to be when a movie begins' if unknown else ''}."
    )
    for column, words in (
        ("dose_rate_gy_min", "The dose rate was {} Gy/min."),
        ("dye_nM", "SiR-DNA was at {} nM."),
        ("exposure_ms", "Exposures lasted {} ms."),
    ):
        if column in movies and movies[column].notna().any():
            yield words.format(_range(movies[column]))


def _analysis(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    version = _values(records, "lineage")
    yield f"Movies were analysed with mitosis-lineage {version} (Delgado-Rodriguez et al. 2024)."
    if not any(r.get("settings") for r in records):
        yield "Their runs record no settings."
        return
    if any(_at(r, "settings", "labels") for r in records):
        yield "Nuclei were taken from existing masks."
    else:
        diameter = _values(records, "settings", "segment", "nucleus_diameter_um")
        size = "estimated from each movie" if diameter in ("", "None") else f"given as {diameter} µm"
        yield (
            "Nuclei were segmented with StarDist (Schmidt et al. 2018; model "
            f"{_values(records, 'settings', 'segment', 'model')}, torch "
            f"{_values(records, 'versions', 'torch')}), their usual diameter {size}."
        )
    given = [bool(_at(r, "settings", "tracks")) for r in records]
    if any(given):
        which = "all movies" if all(given) else f"{sum(given)} of {len(given)} movies"
        yield (
            f"In {which} tracks that another program made were put on these nuclei, with their divisions "
            "and fusions."
        )
    if not all(given):
        yield (
            f"They were followed with btrack {_values(records, 'versions', 'btrack')} (Ulicna et al. "
            "2021; steps "
            f"up to {_values(records, 'settings', 'track', 'max_speed')} nuclear diameters a minute, "
            "gaps up to "
            f"{_values(records, 'settings', 'track', 'max_gap_frames')} frames), and the likeliest "
            "lineage was "
            "chosen among its hypotheses and those of divisions, fusions and deaths by integer programming "
            f"(HiGHS, scipy {_values(records, 'versions', 'scipy')})."
        )
    model = _values(records, "settings", "classify", "model")
    classifier = "the bundled classifier" if model in ("", "None") else model.rsplit("/", 1)[-1]
    yield (
        "Each proposed mitosis was cropped in twelve frames ten minutes apart and predicted to be normal, "
        f"abnormal or no mitosis by {classifier}; divisions that are no mitoses were undone. The verdict on "
        "a mitosis is a logistic sum of the classifier's probability and of what was seen (more than two "
        "poles, daughters that reunite within two hours, no separation, death, unequal daughters, a long "
        "duration, lagging chromatin, micronuclei), weighted by the confidence of the tracking. Mitoses that "
        "are undecided or unclassified are in no fraction."
    )


def _people(record: Mapping[str, Any]) -> Iterator[str]:
    """What of the results people decided."""
    verdicts, others = (
        sum(n[k] for n in record["n"]) for k in ("n_verdicts_by_person", "n_other_corrections")
    )
    if verdicts or others:
        yield (
            f"{count(verdicts, 'verdict on a mitosis is', 'verdicts on mitoses are')} those of people who "
            f"looked at the movie, and {count(others, 'other correction')} of outlines, tracks and events "
            "is theirs; their verdicts are taken as they are and not corrected for errors."
        )
    if review := record["reviewed"]:
        who = len(review["raters"])
        kappas = ", ".join(f"{a['kappa']:.2f}" for a in review["agreement"] if a["kappa"] is not None)
        agreed = f", who agreed on them ({review['n_disagreed']} others are left out" if who > 1 else ""
        agreed += f"; Cohen's kappa {kappas}" * bool(kappas) + ")" * bool(agreed)
        yield (
            f"{count(review['n_used'], 'mitosis', 'mitoses')} of a random sample were classified by "
            f"{count(who, 'person', 'people')} blind to dose and verdict{agreed}."
        )


def _statistics(record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    unit = record["unit"]
    versions = record["versions"]
    yield (
        f"The unit of analysis is the {unit}; positions and cells are counted but are no replicates. Values "
        f"of {unit}s are averaged with equal weight; intervals are 95 % by Student's t over {unit}s."
    )
    if (tables["doses"]["method"] == f"{ALIKE}: Wilson over cells").any():
        yield "Where all units show the same share, the interval is Wilson's over cells, and is labelled."
    tested = tables["tests"]["p"].notna().any() if len(tables["tests"]) else False
    if tested:
        yield (
            "The one primary test is the trend of the fraction abnormal over dose, by least squares on "
            "units. The variance of shares is binomial times one dispersion for all doses, which is "
            "estimated from the units of each dose (Williams 1982); t has as many degrees of freedom as "
            "there are units less doses. Doses are compared with the lowest in the same way, adjusted by "
            "Holm's method. All other tests are exploratory, adjusted by Benjamini and Hochberg's method; "
            "measures that are no shares are compared by Welch's t, and their trends tested with HC2 "
            "standard errors (Imbens & Kolesár 2016)."
        )
        if tables["tests"]["method"].str.endswith(WITHIN_DAYS).any():
            yield "Each day had all doses, so shares are compared within days (randomised blocks)."
    else:
        yield f"Nothing was tested: this needs two {unit}s at each of two doses."
    if len(tables["gee"]):
        yield "For comparison, a logistic GEE was fitted, with the covariance of Mancl & DeRouen (2001)."
    if any(c["corrects"] for c in record["classifiers"].values()):
        sources = "; ".join(sorted({c["source"] for c in record["classifiers"].values() if c["corrects"]}))
        yield (
            "Corrected fractions start from the runs' verdicts and take out their known errors (Rogan & "
            f"Gladen 1978), which are those of: {sources}. They are constrained to 0 to 100 % in figures and "
            "summary; the tables have the unconstrained estimates as well."
        )
    yield (
        "Competing ends are Aalen-Johansen estimates; mitotic durations are known to within the frame "
        "interval and estimated by Turnbull's method. " + record["reproductive_survival"]
    )
    if len(tables["enhancement"]):
        yield (
            "The effect of the drug is measured by the ratio of slopes with Fieller's interval (1954), by "
            "the ratio of mean inactivation doses (Fertil et al. 1984), and by the excess over the sum of "
            "the effects of drug and dose."
        )
    names = ", ".join(f"{k} {v}" for k, v in versions.items() if k != "lineage")
    yield f"The statistics were made with mitosis-lineage {versions['lineage']}, {names}."


def _at(record: Mapping[str, Any], *path: str) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _values(records: Sequence[Mapping[str, Any]], *path: str) -> str:
    """The values of all records at a path, each once.

    >>> _values([{"a": {"b": 2.0}}, {"a": {"b": 3}}, {"a": {"b": 2.0}}], "a", "b")
    '2 or 3'
    """
    found = dict.fromkeys(
        f"{v:g}" if isinstance(v, (int, float)) else str(v) for v in (_at(r, *path) for r in records)
    )
    return " or ".join(found)


def _range(values: pd.Series) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.3g}" if high - low < 0.05 else f"{low:.3g} to {high:.3g}"
