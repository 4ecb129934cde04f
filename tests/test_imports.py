"""Who may import whom, and what must stay cheap to import."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1]
# Room of `lineage` -> the rooms and modules of it that its files may import, at any depth; `schema` all may.
ARROWS = {
    "schema": set(),
    "config": {"device", "io"},
    "device": set(),
    "progress": set(),
    "int8": set(),
    "preloaded": set(),  # it reads by name what processes need
    "processes": set(),
    "compiled": set(),
    "blur": {"compiled"},
    "edge": set(),
    "outlines": {"compiled"},
    "io": set(),
    "corrections": set(),
    "video": {"io"},
    "quality": {"blur", "processes"},
    "stardist": {
        "device", "int8", "io", "processes", "compiled", "simulate", "console", "progress",  # drawn fields
    },
    "nuclei": {"device", "int8", "io", "corrections", "video", "stardist", "processes", "compiled", "blur"},
    "tracking": {"processes", "corrections", "edge"},
    "mitosis": {"io", "tracking", "corrections", "edge"},
    "imports": {"io", "nuclei", "tracking"},
    "tree": {"mitosis", "edge"},
    "tables": {"tree", "mitosis"},
    "signal_courses": {"tree"},
    "export": {"io", "console", "outlines", "run"},
    "report": {"io", "processes", "tree", "mitosis"},
    "console": {"tracking", "progress"},
    "simulate": {"io", "tree", "export", "processes", "console", "progress"},
    "evaluate": {
        "io", "corrections", "video", "mitosis", "tree", "export", "report", "console", "progress", "run",
        "edge",
    },
    "stages": {
        "config", "device", "progress", "processes", "io", "corrections", "video", "quality", "stardist",
        "nuclei", "tracking", "imports", "mitosis", "tree", "tables", "signal_courses", "export", "report",
    },
    "run": {
        "config", "device", "progress", "processes", "io", "corrections", "video", "stages", "command",
        "mitosis",
    },
    "review": {
        "config", "progress", "processes", "outlines", "console", "io", "corrections", "video", "nuclei",
        "mitosis", "tree", "report", "export", "run",
    },
    "api": {
        "config", "progress", "io", "video", "quality", "nuclei", "tracking", "imports", "mitosis", "tree",
        "tables", "export", "run",
    },
    "command": {"config", "device", "progress", "io", "video", "run", "mitosis", "console"},
}  # fmt: skip
# What the classifier knows of the pipeline: its words, files and screen, and what sees the nuclei of a frame.
KNOWN = {
    "lineage.schema", "lineage.io", "lineage.corrections", "lineage.video", "lineage.console",
    "lineage.progress", "lineage.device",
}  # fmt: skip
SEES = {"lineage.stardist", "lineage.nuclei"}


@cache
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


def test_the_classifier_knows_of_the_pipeline_its_words_files_screen_and_what_sees_nuclei():
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


def test_rooms_import_only_what_stands_before_them():
    seen = set()
    for file in files("lineage"):
        room = file.relative_to(ROOT / "lineage").parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        seen.add(room)
        others = {n.split(".")[1] for n in own(imports(file), "lineage") if "." in n}
        others -= {room, "schema", "__version__"}
        assert others <= ARROWS[room], f"{file} imports {others - ARROWS[room]}"
    assert seen == set(ARROWS)


def test_no_module_needs_itself():
    """Imports inside functions count as well: nothing is hidden there that could not stand at the top."""
    modules = {f.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): f for f in files("lineage")}
    graph = nx.DiGraph([(m, n) for m, f in modules.items() for n in imports(f) if n in modules])
    assert graph.number_of_edges() > 100
    # `python -m lineage.run` hands over to the command line.
    assert [c for c in map(sorted, nx.simple_cycles(graph)) if c != ["lineage.command", "lineage.run"]] == []


def test_only_track_knows_btrack():
    knows = {f.name for f in files("lineage") if own(imports(f), "btrack")}
    assert knows == {"link.py", "btrack_library.py"}


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
    "lineage.review.__main__",
    "pipelines.platemap",
    "pipelines.plate",
    "pipelines.plate_command",
    "pipelines.cluster",
    "pipelines.dose.__main__",
    "pipelines.dose.analyse",
)


def test_importing_is_cheap():
    """All in one process: what one of them loads is there after it."""
    code = (
        "import importlib, sys\n"
        f"for name in {CHEAP}:\n"
        "    importlib.import_module(name)\n"
        f"    print(name, sorted({HEAVY} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines() == [f"{name} []" for name in CHEAP]
