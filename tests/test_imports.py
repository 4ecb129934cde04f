"""Who may import whom, and what must stay cheap to import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = {
    "quality", "segment", "masks", "state", "track", "btrack_library", "hypotheses", "resolve", "episodes",
    "events", "micronuclei", "crops", "mend", "stardist", "simulate", "report",
}  # fmt: skip
KNOWN = {"lineage.schema", "lineage.io.integrity", "lineage.io.tiff", "lineage.video"}
# What sees the nuclei of a frame: the classifier measures them in its crops.
SEES = {
    "lineage.stardist",
    "lineage.nuclei.appearance",
    "lineage.nuclei.background",
    "lineage.nuclei.measure",
}
HELPERS = {
    "segment": {"masks", "stardist"}, "track": {"btrack_library"}, "stardist": {"simulate"},
    "events": {"episodes"},
}  # fmt: skip


def imports(file: Path) -> set[str]:
    """Modules a file imports, at any depth of it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return found


def own(names: set[str], package: str) -> set[str]:
    return {n for n in names if n == package or n.startswith(package + ".")}


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def test_the_classifier_knows_of_the_pipeline_its_words_what_sees_nuclei_and_whole_runs():
    for file in files("classifier"):
        known = {".".join(n.split(".")[:2]) for n in own(imports(file), "lineage")}
        assert known <= {"lineage", *KNOWN, *(SEES if file.name == "nuclei.py" else ())}, file


def test_only_the_verdicts_of_a_run_know_the_classifier():
    knows = {f.relative_to(ROOT).as_posix() for f in files("lineage") if own(imports(f), "classifier")}
    assert knows == {"lineage/stages/verdicts.py"}


def test_only_run_knows_how_a_run_goes():
    knows = {
        f.relative_to(ROOT / "lineage").parts[0]
        for f in files("lineage")
        if own(imports(f), "lineage.stages")
    }
    assert knows == {"run.py", "stages"}


def test_stages_do_not_know_each_other():
    for file in files("lineage"):
        stage = file.relative_to(ROOT / "lineage").parts[0].removesuffix(".py")
        if stage not in STAGES:
            continue
        others = {n.split(".")[1] for n in own(imports(file), "lineage") if "." in n} & STAGES - {stage}
        assert others <= HELPERS.get(stage, set()), f"{file} imports {others}"


def test_only_track_knows_btrack():
    knows = {f.name for f in files("lineage") if own(imports(f), "btrack")}
    assert knows == {"track.py", "btrack_library.py"}


def test_nothing_of_lineage_knows_many_movies():
    assert not [f for p in ("lineage", "classifier") for f in files(p) if own(imports(f), "pipelines")]


def test_nothing_knows_the_evaluation():
    knows = {f for f in files("lineage") if own(imports(f), "lineage.evaluate")}
    assert knows
    assert {f.parent for f in knows} == {ROOT / "lineage" / "evaluate"}


HEAVY = {
    "torch", "btrack", "stardist", "trackpy", "matplotlib", "skimage", "zarr", "numba", "ctc_metrics",
    "sklearn", "dask", "distributed", "dask_jobqueue", "bokeh", "statsmodels", "lifelines", "scipy.stats",
}  # fmt: skip
CHEAP = (
    "lineage",
    "lineage.schema",
    "lineage.run",
    "lineage.command",
    "lineage.evaluate.evaluate",
    "pipelines.platemap",
    "pipelines.plate",
    "pipelines.plate_command",
    "pipelines.cluster",
    "pipelines.dose.__main__",
    "pipelines.dose.analyse",
)


@pytest.mark.parametrize("module", CHEAP)
def test_importing_is_cheap(module):
    code = f"import sys, {module}; print(sorted({HEAVY} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
