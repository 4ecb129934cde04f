"""A built wheel, installed away from the checkout, does what the checkout does.

The environment is new and holds the wheel alone; what the packages depend on is borrowed from the environment
of the tests, so that it takes seconds and no network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import tifffile

ROOT = Path(__file__).parents[1]
PACKAGES = ("lineage", "classifier", "pipelines")
# A part of the example movie, seconds long, in which cells divide.
FRAMES, ROWS, COLUMNS = 20, slice(160, 400), slice(60, 300)
BUILD = "import setuptools.build_meta as b, sys; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


def own_files() -> list[str]:
    """Every file of the checkout that is in git, or will be."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def of_the_packages(names: list[str]) -> set[str]:
    return {n for n in names if n.startswith(tuple(f"{p}/" for p in PACKAGES))}


def build(kind: str, tree: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-c", BUILD, kind, str(out)]
    built = subprocess.run(command, cwd=tree, capture_output=True, check=False, text=True)
    assert built.returncode == 0, built.stderr
    return out / built.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """Built from a copy: a build leaves folders in the tree that it is built from."""
    tree = tmp_path_factory.mktemp("tree")
    for name in own_files():
        if not name.startswith(("examples/", "benchmarks/", "docs/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    return build("sdist", tree, tree / "dist")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built as pip builds one from the sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return build("wheel", tree, folder / "dist")


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The interpreter of a new environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    interpreter = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    # What a .pth file names is searched last, and .pth files in it (the editable install's) are not read.
    home = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, check=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(home) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return interpreter


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder with a part of the example movie."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pixels = tifffile.imread(ROOT / "examples" / "demo.tif")[:FRAMES, :, ROWS, COLUMNS]
    tifffile.imwrite(
        folder / "demo.tif", pixels, imagej=True, resolution=(1 / 1.1518, 1 / 1.1518),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, "Labels": ["phase", "SiR-DNA"] * FRAMES},
    )  # fmt: skip
    tifffile.imwrite(folder / "one.tif", pixels[0, 1], photometric="minisblack")
    return folder


@pytest.fixture(scope="module")
def run(python, elsewhere):
    """Run the environment's Python in `elsewhere`; nothing of the checkout is on its path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def start(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=elsewhere, env=environment, capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return start


def test_the_wheel_has_every_file_of_the_packages(wheel):
    with zipfile.ZipFile(wheel) as packed:
        assert of_the_packages(packed.namelist()) == of_the_packages(own_files())


def test_the_sdist_has_every_file_of_the_packages_and_no_half_of_the_tests(sdist):
    with tarfile.open(sdist) as packed:
        names = [name.split("/", 1)[1] for name in packed.getnames() if "/" in name]
    files = {n for n in of_the_packages(names) if Path(n).suffix}
    assert files == of_the_packages(own_files())
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(names)
    assert not [name for name in names if name.startswith("tests")]


def test_the_sdist_has_no_scratch(sdist):
    with tarfile.open(sdist) as packed:
        names = [name.split("/", 1)[1] for name in packed.getnames() if "/" in name]
    others = {n.split("/")[0] for n in names} - set(PACKAGES)
    built = {"PKG-INFO", "setup.cfg", "mitosis_lineage.egg-info"}
    assert others == built | {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}
    assert not [n for n in names if re.search(r"__pycache__|\.pyc$|\.lineage|~$|\.(orig|part|log)$", n)]
    assert sdist.stat().st_size < 20_000_000


def described(wheel: Path):
    """The wheel's METADATA, and the names of all its files."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [n for n in packed.namelist() if n.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(packed.read(name).decode("utf-8")), packed.namelist()


def test_the_wheel_says_what_it_is(wheel):
    about, names = described(wheel)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert about["License-Expression"] == "MIT"
    assert [n for n in names if n.endswith("licenses/LICENSE")]
    assert [n for n in names if n.endswith("vendor/d3.LICENSE.txt")]
    assert set(about.get_all("Provides-Extra")) == set(settings["optional-dependencies"])
    # From any page that shows the README, links lead to files of the repository.
    assert {u.split(",")[0] for u in about.get_all("Project-URL") or ()} == set(settings.get("urls", {}))
    assert about["Summary"] == settings["description"]


def test_one_version_everywhere(wheel, sdist):
    from lineage import __version__

    about, _ = described(wheel)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert about["Version"] == __version__
    assert sdist.name == f"mitosis_lineage-{__version__}.tar.gz"
    assert wheel.name == f"mitosis_lineage-{__version__}-py3-none-any.whl"
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == __version__
    assert f"## {__version__}" in changes


def test_conda_and_docker_install_what_pyproject_names():
    """What `conda env create` hands to pip is the list of pyproject.toml; both take its Pythons."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert re.findall(r'^      - "(.+)"$', conda, re.MULTILINE) == settings["dependencies"]
    assert f"  - python{settings['requires-python']}" in conda
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    pythons = {c.rpartition(" ")[2] for c in settings["classifiers"] if "Python :: 3." in c}
    images = set(re.findall(r"^FROM python:([\d.]+)-", docker, re.MULTILINE))
    assert len(images) == 1
    assert images < pythons
    (extras,) = re.findall(r'pip install "\.\[(.+)\]"', docker)
    assert set(extras.split(",")) < set(settings["optional-dependencies"])
    torch = re.findall(r"torch==[\d.]+", docker + conda + (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert len(torch) >= 3
    assert len(set(torch)) == 1
    # What is copied is what the wheel is built from, and the filter of the build lets it through.
    copied = set(re.findall(r"^COPY (?!--)(.+) \S+$", docker, re.MULTILINE))
    let_through = set(
        re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {name for line in copied for name in line.split()} == let_through


def test_what_is_imported_is_the_wheel(run, python):
    files = run("-c", f"import {', '.join(PACKAGES)}; print(*(p.__file__ for p in ({', '.join(PACKAGES)})))")
    assert len(files.split()) == len(PACKAGES)
    for file in files.split():
        assert Path(file).is_relative_to(python.parents[1]), file


def test_the_wheel_runs_the_example_movie_and_reads_its_run(run, elsewhere):
    run("-m", "lineage.run", "demo.tif")
    record = json.loads((elsewhere / "demo.lineage" / "run.json").read_text(encoding="utf-8"))
    assert "report" in record["stages"]
    assert (elsewhere / "demo.lineage" / "report.html").stat().st_size > 10_000
    run("-m", "classifier.predict", "demo.lineage", "--out", "classes.csv")
    lines = (elsewhere / "classes.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) - 1 == len(list((elsewhere / "demo.lineage" / "crops").iterdir())) > 0


def test_the_wheel_finds_nuclei_in_an_image(run, elsewhere):
    run("-m", "lineage.stardist", "predict", "one.tif", "labels")
    assert tifffile.imread(elsewhere / "labels" / "one.tif").max() > 5


def test_the_wheel_has_the_plates(run):
    assert "dose" in run("-m", "pipelines.dose", "--help")
    # What these read lies beside them in the package.
    run(
        "-c",
        "from pipelines.dose import correction, proposals\n"
        "from pipelines.report.page import template\n"
        "assert correction.out_of_fold('U251').usable and proposals.measured() and template()",
    )
