"""The simulated population against the literature: `python benchmarks/populations.py [--clips CLIPS]`.

From `grow` alone, without pixels: 4 wells of 3 positions for each line and dose, five days. Writes
docs/populations.png and prints what is compared as a table. CLIPS is a folder with the paper's
NormalMitosis and AbnormalMitosis clips: their file names are counted by line and dose. They are a hand-picked
sample, not rates.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import beta

from lineage.schema import Fate
from lineage.simulate import biology
from lineage.simulate.biology import Phase
from lineage.simulate.cell_lines import LINES
from lineage.simulate.cells import Cell, Subtype
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUT = Path(__file__).parent.parent / "docs" / "populations.png"
DOSES = (0, 2, 4, 8, 10, 15)
FOUNDERS = {0: 45, 2: 70}  # a position; 200 at other doses
WELLS, POSITIONS = 4, 3
FRAMES, MINUTES = 721, 7200
TIMES = np.arange(0, MINUTES + 1, 20)
SMOOTH_MIN = 50  # standard deviation, of the mitotic index over time
SURVIVAL_DOSES = {CellLine.U251: (0, 2, 4, 6, 8), CellLine.PC3: (0, 2, 4, 6)}
DESCENDANTS = 50  # what a colony is counted from

DOSE_COLOURS = {0: "#4d4d4d", 2: "#f5a83d", 4: "#e8704a", 8: "#c13b73", 10: "#7b2a8f", 15: "#1d1147"}
LINE_COLOURS = {CellLine.U251: "#0072b2", CellLine.PC3: "#d55e00"}
LINE_MARKS = {CellLine.U251: "o", CellLine.PC3: "s"}
SUBTYPE_COLOURS = {
    Subtype.TRIPOLAR: "#0b3c5d",
    Subtype.TETRAPOLAR: "#3f83b5",
    Subtype.FURROW_REGRESSION: "#d55e00",
    Subtype.SLIPPAGE: "#f0a04b",
    Subtype.DEATH: "#8c8c8c",
    Subtype.LAGGING: "#cfe5d8",
    Subtype.MICRONUCLEI: "#8fc5a6",
}
MULTIPOLAR = (Subtype.TRIPOLAR, Subtype.TETRAPOLAR)
NEVER_SEPARATE = (Subtype.FURROW_REGRESSION, Subtype.SLIPPAGE)
VISIBLE = (*MULTIPOLAR, *NEVER_SEPARATE, Subtype.DEATH)  # at 1.15 um a pixel


@dataclass
class Well:
    """What is read from the positions of one well."""

    n_founders: int = 0
    alive: np.ndarray = field(default_factory=lambda: np.zeros(len(TIMES)))
    in_mitosis: np.ndarray = field(default_factory=lambda: np.zeros(len(TIMES)))
    mitoses: Counter[Subtype] = field(default_factory=Counter)
    deaths: Counter[Fate] = field(default_factory=Counter)
    # Of the first three generations, a day or more before the end: all that will fuse has fused.
    divisions: Counter[int] = field(default_factory=Counter)  # by generation
    fusions: Counter[int] = field(default_factory=Counter)
    multipolar: int = 0
    multipolar_fused: int = 0

    def add(self, cells: list[Cell]) -> None:
        """One position."""
        by_id = {c.cell_id: c for c in cells}
        self.n_founders += sum(c.born_min <= 0 for c in cells)
        for c in cells:
            self.alive += (c.born_min <= TIMES) & (c.end_min > TIMES)
            self.deaths[c.fate] += c.fate in (Fate.DIED_MITOSIS, Fate.DIED_INTERPHASE)
            if c.mitosis is None:
                continue
            self.in_mitosis += (c.mitosis.start_min <= TIMES) & (c.mitosis.event_min > TIMES)
            self.mitoses[c.mitosis.subtype] += 0 <= c.mitosis.event_min <= MINUTES
            if c.fate is Fate.DIVIDED and c.generation <= 2 and c.end_min < MINUTES - 1440:
                fused = any(by_id[d].fate is Fate.FUSED for d in c.daughters)
                self.divisions[c.generation] += 1
                self.fusions[c.generation] += fused
                self.multipolar += c.mitosis.subtype in MULTIPOLAR
                self.multipolar_fused += c.mitosis.subtype in MULTIPOLAR and fused

    def share(self, *subtypes: Subtype, of: tuple[Subtype, ...] = tuple(Subtype)) -> float:
        """Of the mitoses that came to `of`."""
        return sum(self.mitoses[s] for s in subtypes) / max(1, sum(self.mitoses[s] for s in of))

    def fusion(self) -> float:
        """Share of divisions whose daughters fuse again."""
        return self.fusions.total() / self.divisions.total()


def wells(line: CellLine, dose_gy: float) -> list[Well]:
    """The dishes of one dose."""
    result = []
    for k in range(1, WELLS + 1):
        well = Well()
        for position in range(1, POSITIONS + 1):
            settings = Settings(frames=FRAMES, dose_gy=dose_gy, cell_line=line, well=k, position=position)
            rng = np.random.default_rng([20, int(dose_gy), k, position])
            well.add(grow(rng, settings, founders=FOUNDERS.get(int(dose_gy), 200)))
        result.append(well)
    return result


def mean(dishes: list[Well], what: str, *arguments: Subtype, **options: tuple[Subtype, ...]) -> float:
    """Over wells, in percent."""
    return 100 * float(np.mean([getattr(w, what)(*arguments, **options) for w in dishes]))


def doubling_hours(dishes: list[Well]) -> float:
    """From the second day on."""
    alive = np.sum([w.alive for w in dishes], axis=0)
    day = int(np.searchsorted(TIMES, 1440))
    return 24 * 4 / float(np.log2(alive[-1] / alive[day]))


def mitotic_index(dishes: list[Well]) -> np.ndarray:
    """Percent, over time, smoothed."""
    totals = (sum(getattr(w, counted) for w in dishes) for counted in ("in_mitosis", "alive"))
    in_mitosis, alive = (gaussian_filter1d(total, SMOOTH_MIN / 20, mode="nearest") for total in totals)
    return 100 * in_mitosis / alive


def delays(line: CellLine) -> dict[Phase, dict[int, float]]:
    """Median delay of mitosis, hours, by phase at irradiation: the same cells without and with dose."""

    def founders(dose_gy: float) -> dict[int, Cell]:
        settings = Settings(frames=2, dose_gy=dose_gy, cell_line=line)
        return {c.cell_id: c for c in grow(np.random.default_rng(3), settings, founders=800) if not c.parents}

    without = founders(0)
    held: dict[Phase, dict[int, float]] = {phase: {} for phase in Phase}
    for dose in DOSES:
        by_phase: dict[Phase, list[float]] = {phase: [] for phase in Phase}
        for cell_id, cell in founders(dose).items():
            free = without[cell_id]
            if cell.mitosis and free.mitosis:
                position = -free.born_min / (free.mitosis.start_min - free.born_min)
                wait = (cell.mitosis.start_min - free.mitosis.start_min) / 60
                by_phase[biology.phase_at(position, LINES[line])].append(wait)
        for phase, waits in by_phase.items():
            held[phase][dose] = float(np.median(waits))
    return held


def survivors(line: CellLine, dose_gy: float) -> tuple[int, int]:
    """Founders with DESCENDANTS or more within eight cycles and the delay, of how many."""
    n = int(min(4000, 60 / biology.survival(dose_gy, LINES[line]) + 40))
    hours = 7.5 * LINES[line].cycle_hours + dose_gy
    settings = Settings(frames=int(hours * 6), dose_gy=dose_gy, cell_line=line)
    rng = np.random.default_rng([9, int(dose_gy)])
    born = Counter(c.founder for c in grow(rng, settings, founders=n) if c.parents)
    return sum(count >= DESCENDANTS for count in born.values()), n


def family_correlations() -> tuple[float, float]:
    """Of log cycle times without dose: sisters, mother and daughter."""
    settings = Settings(frames=FRAMES, dose_gy=0)
    cells = {c.cell_id: c for c in grow(np.random.default_rng(4), settings, founders=80)}
    log = {
        i: np.log(c.end_min - c.born_min) for i, c in cells.items() if c.parents and c.fate is Fate.DIVIDED
    }
    early = [c for c in cells.values() if c.fate is Fate.DIVIDED and c.end_min < MINUTES - 2880]
    sisters = [[log[d] for d in c.daughters] for c in early if all(d in log for d in c.daughters)]
    families = [(log[c.cell_id], log[d]) for c in early for d in c.daughters if c.cell_id in log and d in log]
    pairs = np.array([s for s in sisters if len(s) == 2])
    return float(np.corrcoef(pairs.T)[0, 1]), float(np.corrcoef(np.array(families).T)[0, 1])


def count_clips(folder: Path | None) -> dict[tuple[CellLine, int], tuple[int, int]]:
    """(abnormal, all) clips by line and dose; a name without a line is U251."""
    counts: dict[tuple[CellLine, int], tuple[int, int]] = {}
    for kind in ("AbnormalMitosis", "NormalMitosis") if folder else ():
        for path in sorted((folder / kind).glob("*.tif")):
            if found := re.search(r"(\d+)Gy", path.name):
                key = (CellLine.PC3 if "PC3" in path.name else CellLine.U251, int(found[1]))
                abnormal, n = counts.get(key, (0, 0))
                counts[key] = (abnormal + (kind == "AbnormalMitosis"), n + 1)
    return counts


def interval(k: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson, 95 %."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    return low, float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


# The figure


def style() -> None:
    """Of a paper."""
    plt.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 6.5, "axes.labelsize": 7, "axes.titlesize": 7.5,
        "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlelocation": "left",
        "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
        "ytick.minor.size": 0, "legend.frameon": False, "legend.fontsize": 6, "lines.linewidth": 1.3,
    })  # fmt: skip


def draw_growth(ax: Axes, line: CellLine, dishes: dict[int, list[Well]]) -> None:
    """Cells alive over time, each dose labelled at its end."""
    ends = []
    for dose in DOSES:
        each = np.array([w.alive / w.n_founders for w in dishes[dose]])
        ax.plot(TIMES / 1440, each.T, color=DOSE_COLOURS[dose], lw=0.4, alpha=0.35)
        ax.plot(TIMES / 1440, each.mean(axis=0), color=DOSE_COLOURS[dose])
        ends.append((float(each.mean(axis=0)[-1]), dose))
    label_at = 0.0
    for value, dose in sorted(ends):
        label_at = max(np.log2(value), label_at + 0.42) if label_at else np.log2(value)
        ax.text(5.08, 2**label_at, f"{dose} Gy", color=DOSE_COLOURS[dose], va="center", fontsize=6)
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.set(xlim=(0, 5), ylim=(0.6, 45), xlabel="days after irradiation", ylabel="living cells per founder",
           title=f"Growth, {line.value}")  # fmt: skip


def draw_mitotic_index(ax: Axes, line: CellLine, dishes: dict[int, list[Well]]) -> None:
    """Over time."""
    for dose in DOSES:
        ax.plot(TIMES / 1440, mitotic_index(dishes[dose]), color=DOSE_COLOURS[dose], lw=1)
    ax.set(xlim=(0, 5), ylim=(0, 5), xlabel="days after irradiation", ylabel="cells in mitosis, %",
           title=f"Mitotic index, {line.value}")  # fmt: skip


def draw_subtypes(ax: Axes, line: CellLine, dishes: dict[int, list[Well]], clips: dict) -> None:
    """What mitoses come to, stacked; wells as dots, the clips beside."""
    for x, dose in enumerate(DOSES):
        bottom = 0.0
        for subtype, colour in SUBTYPE_COLOURS.items():
            height = mean(dishes[dose], "share", subtype)
            ax.bar(x, height, 0.62, bottom=bottom, color=colour, edgecolor="white", linewidth=0.3)
            bottom += height
        each = [100 * w.share(*SUBTYPE_COLOURS) for w in dishes[dose]]
        spread = np.linspace(-0.16, 0.16, len(each))
        ax.plot(x + spread, each, "o", ms=1.8, mfc="white", mec="black", mew=0.5, zorder=5)
        if (line, dose) in clips:
            k, n = clips[line, dose]
            low, high = interval(k, n)
            middle = 100 * k / n
            reach = [[middle - 100 * low], [100 * high - middle]]
            ax.errorbar(x + 0.42, middle, reach, fmt="D", ms=2.6, mfc="white", mec="black", mew=0.6,
                        ecolor="black", elinewidth=0.5, zorder=6)  # fmt: skip
    ax.set(xticks=range(len(DOSES)), xticklabels=DOSES, ylim=(0, 104), xlabel="dose, Gy",
           ylabel="% of mitoses", title=f"Abnormal mitoses, {line.value}")  # fmt: skip


def draw_survival(ax: Axes, counts: dict[CellLine, dict[int, tuple[int, int]]]) -> None:
    """Founders of colonies against the linear-quadratic curve."""
    curve = np.linspace(0, 8.5, 80)
    for line, by_dose in counts.items():
        colour = LINE_COLOURS[line]
        ax.plot(curve, [biology.survival(d, LINES[line]) for d in curve], color=colour, lw=1)
        k0, n0 = by_dose[0]
        for dose, (k, n) in by_dose.items():
            low, high = (edge / (k0 / n0) for edge in interval(k, n))
            middle = k / n / (k0 / n0)
            ax.errorbar(dose, middle, [[middle - low], [high - middle]], fmt=LINE_MARKS[line], ms=3.2,
                        color=colour, mfc="white", mew=0.8, elinewidth=0.6)  # fmt: skip
    ax.plot(2, 0.32, "*", ms=6, color="black", zorder=6, mew=0)
    ax.annotate("PC3 at 2 Gy,\nLeith 1993", (2, 0.32), (0.3, 0.02), fontsize=5.5,
                arrowprops={"arrowstyle": "-", "lw": 0.4, "shrinkB": 3})  # fmt: skip
    ax.text(6.3, 0.075, "U251", color=LINE_COLOURS[CellLine.U251])
    ax.text(4.5, 0.0075, "PC3", color=LINE_COLOURS[CellLine.PC3])
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(xlim=(0, 8.6), ylim=(1e-3, 1.6), xlabel="dose, Gy", ylabel="surviving fraction",
           title="Clonogenic survival")  # fmt: skip


def draw_delay(ax: Axes, held: dict[Phase, dict[int, float]]) -> None:
    """Hours of delay against the rule of one an hour a gray."""
    ax.plot((0, 15), (0, 15), "--", color="#999999", lw=0.8, label="1 h per Gy")
    ax.legend(loc="upper left", handlelength=2)
    looks = zip(Phase, ("#56b4e9", "#0072b2", "#0b3c5d", "#999999"), "os^D", strict=True)
    for phase, colour, mark in looks:
        hours = [held[phase][d] for d in DOSES]
        ax.plot(DOSES, hours, marker=mark, ms=3, color=colour, lw=1, mfc="white", mew=0.8, clip_on=False)
        ax.text(15.5, hours[-1], phase.value, color=colour, va="center", fontsize=6)
    ax.set(xlim=(0, 15), ylim=(0, 18), xticks=(0, 5, 10, 15), xlabel="dose, Gy", ylabel="delay of mitosis, h",
           title="Mitotic delay, U251")  # fmt: skip


def draw_fusion(ax: Axes, dishes: dict[int, list[Well]]) -> None:
    """Fusion of sisters and multipolar division over dose, with the published points."""
    doses = [d for d in sorted(dishes) if d <= 10]
    fusion = [[100 * w.fusion() for w in dishes[d]] for d in doses]
    multipolar = [[100 * w.multipolar / w.divisions.total() for w in dishes[d]] for d in doses]
    for each, colour, mark, label, at in (
        (np.array(fusion), "#d55e00", "o", "sister fusion", (7.0, 32)),
        (np.array(multipolar), "#0b3c5d", "s", "multipolar", (7.0, 8)),
    ):
        ax.plot(doses, each.mean(axis=1), color=colour, lw=1)
        ax.plot(doses, each, mark, ms=2.4, color=colour, mfc="white", mew=0.6, clip_on=False)
        ax.text(*at, label, color=colour, va="top", fontsize=6)
    ax.plot((0, 5, 5), (0.9, 22, 5.5), "*", ms=6.5, color="black", mew=0, zorder=6, clip_on=False)
    ax.annotate("HeLa S3,\nHurwitz & Tolmach 1969", (5, 22), (0.4, 36), fontsize=5.5,
                arrowprops={"arrowstyle": "-", "lw": 0.4, "shrinkB": 3})  # fmt: skip
    ax.set(xlim=(0, 10), ylim=(0, 60), xlabel="dose, Gy", ylabel="% of divisions",
           title="First three generations, U251")  # fmt: skip


def draw(dishes: dict, anchors: dict, held: dict, counts: dict, clips: dict) -> None:
    """Three rows: growth and survival, mitoses and delay, what goes wrong."""
    style()
    figure, axes = plt.subplots(3, 3, figsize=(7.2, 6.8))
    figure.subplots_adjust(left=0.07, right=0.945, top=0.96, bottom=0.125, wspace=0.4, hspace=0.5)
    for column, line in enumerate(CellLine):
        draw_growth(axes[0, column], line, dishes[line])
        draw_mitotic_index(axes[1, column], line, dishes[line])
        draw_subtypes(axes[2, column], line, dishes[line], clips)
    for ax in axes[:, 1]:
        ax.set_ylabel("")
        place = ax.get_position()
        ax.set_position((place.x0 - 0.025, place.y0, place.width, place.height))
    draw_survival(axes[0, 2], counts)
    draw_delay(axes[1, 2], held)
    draw_fusion(axes[2, 2], anchors)
    for letter, ax in zip("abcdefghi", axes.flat, strict=True):
        ax.text(-0.2, 1.06, letter, transform=ax.transAxes, fontsize=9, fontweight="bold", va="bottom")
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in SUBTYPE_COLOURS.values()]
    names = [s.value.replace("_", " ") for s in SUBTYPE_COLOURS]
    handles += [plt.Line2D([], [], marker="o", ls="", ms=2.4, mfc="white", mec="black", mew=0.5)]
    handles += [plt.Line2D([], [], marker="D", ls="", ms=2.8, mfc="white", mec="black", mew=0.6)] * bool(
        clips
    )
    names += ["one well"] + ["clips, hand-picked (95 %)"] * bool(clips)
    figure.legend(handles, names, loc="lower left", bbox_to_anchor=(0.06, 0.0), ncol=5, handlelength=1,
                  columnspacing=1.4, handleheight=0.9)  # fmt: skip
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=200, pil_kwargs={"optimize": True})


# The table


Row = tuple[str, str, str, str]  # quantity, simulated, published, source


def cycle_rows(dishes: dict, held: dict) -> list[Row]:
    """Growth, mitotic index and delay."""
    u251, pc3 = dishes[CellLine.U251], dishes[CellLine.PC3]
    control, dosed = (mitotic_index(u251[dose]) for dose in (0, 4))
    level = float(control.mean())
    low = int(np.argmin(dosed[TIMES < 1200]))
    back = int(np.argmax((dosed >= level) & (TIMES[low] < TIMES)))
    sisters, mothers = family_correlations()
    walters, tolmach = "Walters & Petersen 1968", "Terasima & Tolmach 1963"
    hamster = "hamster: Yu & Sinclair 1967; Int J Radiat Biol 1973"
    families = f"{sisters:.2f}, {mothers:.2f}", "high, lower", "Kuchen et al. 2020; Chakrabarti et al. 2018"
    by_phase = {
        Phase.G1: ("0.3; 0.5", hamster),
        Phase.S: ("0.7; up to 1.4", hamster),
        Phase.G2: ("about 1", f"rule; rises through the cycle: {tolmach}"),
        Phase.M: ("0", tolmach),
    }
    return [
        ("doubling time, U251, 0 Gy, h", f"{doubling_hours(u251[0]):.1f}", "23.8", "NCI-DTP"),
        ("doubling time, PC3, 0 Gy, h", f"{doubling_hours(pc3[0]):.1f}", "27 to 33", "NCI-DTP; others"),
        ("correlation of cycle times: sisters, mother and daughter", *families),
        ("mitotic index, U251, 0 Gy, %", f"{level:.1f}", "2 to 5", "usual in cultures that double daily"),
        (
            "lowest after 4 Gy, %",
            f"{dosed[low]:.1f} at {TIMES[low] / 60:.1f} h",
            "near 0 within 1-2 h",
            walters,
        ),
        ("back at control after 4 Gy, h", f"{TIMES[back] / 60:.1f}", "about 4", "rule: 1 h per Gy"),
        *(
            (
                f"mitotic delay, {phase.value} at irradiation, h per Gy",
                f"{held[phase][4] / 4:.2f}",
                *published,
            )
            for phase, published in by_phase.items()
        ),
    ]


def abnormal_rows(dishes: dict, anchors: dict) -> list[Row]:
    """Fusion, multipolar division and death."""
    hela = "Hurwitz & Tolmach 1969, HeLa S3"
    clips = "Delgado-Rodriguez et al. 2024, clips by eye"
    at_5 = anchors[5]
    total = sum(w.divisions.total() for w in at_5)
    multipolar, refused = sum(w.multipolar for w in at_5), sum(w.multipolar_fused for w in at_5)
    by_generation = [
        100 * sum(w.fusions[g] for w in at_5) / sum(w.divisions[g] for w in at_5) for g in range(3)
    ]
    rounded, spread = (sum(w.deaths[f] for w in at_5) for f in (Fate.DIED_MITOSIS, Fate.DIED_INTERPHASE))
    mix = {
        line: mean(dishes[line][8], "share", *kinds, of=VISIBLE)
        for line, kinds in ((CellLine.U251, MULTIPOLAR), (CellLine.PC3, NEVER_SEPARATE))
    }
    return [
        ("sister fusion, U251, 0 Gy, % of divisions", f"{mean(anchors[0], 'fusion'):.1f}", "0.9", hela),
        ("sister fusion, U251, 5 Gy, % of divisions", f"{mean(at_5, 'fusion'):.1f}", "22", hela),
        ("by generation 0, 1, 2", ", ".join(f"{g:.0f}" for g in by_generation), "nearly constant", hela),
        ("multipolar, U251, 5 Gy, % of divisions", f"{100 * multipolar / total:.1f}", "5.5", hela),
        ("of these, followed by fusion, %", f"{100 * refused / multipolar:.0f}", "85", hela),
        ("deaths in rounded cells, U251, 5 Gy, %", f"{100 * rounded / (rounded + spread):.0f}", "75", hela),
        ("multipolar, U251, 8 Gy, % of visible abnormal", f"{mix[CellLine.U251]:.0f}", "most", clips),
        ("never separate lastingly, PC3, 8 Gy, %", f"{mix[CellLine.PC3]:.0f}", "most", clips),
    ]


def survival_rows(counts: dict[CellLine, dict[int, tuple[int, int]]]) -> list[Row]:
    """Relative to control, as colonies are."""
    rows = []
    for line, by_dose in counts.items():
        k0, n0 = by_dose[0]
        for dose in (2, 4, 6):
            k, n = by_dose[dose]
            curve = f"curve: {100 * biology.survival(dose, LINES[line]):.1f}"
            published = f"32; {curve}" if (line, dose) == (CellLine.PC3, 2) else curve
            source = "Leith et al. 1993" if line is CellLine.PC3 else "assumed: see cell_lines.py"
            share = f"{100 * k / n / (k0 / n0):.1f}"
            rows.append((f"clonogenic survival, {line.value}, {dose} Gy, %", share, published, source))
    return rows


def clip_rows(dishes: dict, clips: dict[tuple[CellLine, int], tuple[int, int]]) -> list[Row]:
    """What can be seen at 1.15 um a pixel, beside the clips."""
    rows = []
    for (line, dose), (k, n) in sorted(clips.items()):
        seen = mean(dishes[line][dose], "share", *VISIBLE, of=(Subtype.NORMAL, *VISIBLE))
        counted = f"{100 * k / n:.0f} ({k} of {n})"
        rows.append(
            (f"abnormal, {line.value}, {dose} Gy, % of mitoses", f"{seen:.0f}", counted, "clips, hand-picked")
        )
    return rows


def main() -> None:
    """Grow, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=Path, help="folder with NormalMitosis and AbnormalMitosis")
    clips = count_clips(parser.parse_args().clips)
    dishes = {line: {dose: wells(line, dose) for dose in DOSES} for line in CellLine}
    anchors = {**dishes[CellLine.U251], 5: wells(CellLine.U251, 5)}
    held = delays(CellLine.U251)
    counts = {line: {d: survivors(line, d) for d in doses} for line, doses in SURVIVAL_DOSES.items()}
    draw(dishes, anchors, held, counts, clips)
    print("| quantity | simulated | published | source |\n|---|---|---|---|")
    table = cycle_rows(dishes, held) + abnormal_rows(dishes, anchors)
    for row in table + survival_rows(counts) + clip_rows(dishes, clips):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
