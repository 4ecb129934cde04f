"""What differs between Linux, macOS and Windows: encodings, locks, names and sums of files, processes, ports.

Windows and macOS are not at hand: their ways are taken on Linux, with what they lack hidden.
"""

import ast
import errno
import os
import subprocess
import sys
import types
from pathlib import Path

import pandas as pd
import pytest

from lineage import processes
from lineage.corrections import journal
from lineage.io import files, integrity, lock
from lineage.schema import InputError
from lineage.tracking import btrack_library
from pipelines import mistakes, signals

ROOT = Path(__file__).parents[1]
PACKAGES = ("lineage", "classifier", "pipelines")
POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"}


def modules() -> list[Path]:
    found = [f for package in PACKAGES for f in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > 100
    return [*found, ROOT / "examples" / "plate_demo.py"]


def calls(file: Path) -> list[ast.Call]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def without_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding the system has (cp1252 on Windows)."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    keywords = {k.arg: k.value for k in call.keywords}
    if "encoding" in keywords:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) <= (name == "write_text")
    if name in ("open", "fdopen"):
        modes = [v.value for v in (*call.args, keywords.get("mode")) if isinstance(v, ast.Constant)]
        is_text = [m for m in modes if isinstance(m, str) and m and set(m) <= set("rwaxt+")]
        return bool(is_text) or (isinstance(call.func, ast.Name) and not modes and len(call.args) == 1)
    return name in ("run", "Popen", "check_output") and "text" in keywords


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", True),
        ("path.write_text(html)", True),
        ("path.open('w', newline='')", True),
        ("open(path)", True),
        ("subprocess.run(x, text=True)", True),
        ("path.read_text('utf-8-sig')", False),
        ("path.write_text(html, encoding='utf-8')", False),
        ("path.open('rb')", False),
        ("zarr.open(path, mode='r', encoding='utf-8')", False),
    ],
)
def test_a_call_without_encoding_is_known(line, found):
    (call,) = [n for n in ast.walk(ast.parse(line)) if isinstance(n, ast.Call)]
    assert without_encoding(call) is found


def test_text_is_read_and_written_as_utf8():
    # No files: movies of ours, and a Zarr.
    others = {
        ("lineage/api.py", "open(source, **chosen.video.model_dump())"),
        ("lineage/api.py", "open(movie)"),
        ("lineage/nuclei/masks.py", "zarr.open(path, mode='r')"),
    }
    found = {
        (f.relative_to(ROOT).as_posix(), ast.unparse(call))
        for f in modules()
        for call in calls(f)
        if without_encoding(call)
    }
    assert found == others


def test_modules_of_posix_alone_are_imported_where_they_are_used():
    for file in modules():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = {a.name for a in node.names} if isinstance(node, ast.Import) else set()
            assert not names & (POSIX_ONLY | {"msvcrt", "winreg"}), f"{file} imports {names} at its top"


WITHOUT_POSIX = """
import sys
for name in ("fcntl", "resource", "grp", "pwd", "termios"):
    sys.modules[name] = None
import os, signal
for name in ("sched_getaffinity", "memfd_create", "pread", "fork", "killpg", "getuid", "geteuid"):
    if hasattr(os, name):
        delattr(os, name)
del signal.SIGHUP
import importlib, pkgutil
names = [n for p in ("lineage", "classifier", "pipelines") for n in walk(p)]
print(len(names))
"""
WALK = """
def walk(package):
    import importlib, pkgutil
    yield package
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            yield found.name
"""


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_CTYPE") and k[:6] != "PYTHON"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True, check=False,
    )  # fmt: skip


def test_every_module_imports_without_what_only_posix_has(tmp_path):
    done = python("-W", "ignore", "-c", WALK + WITHOUT_POSIX, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) > 100


def test_a_name_that_the_output_has_no_letters_for_is_printed_all_the_same(tmp_path):
    """Windows gives a pipe cp1252; a system without a locale gives it ASCII."""
    name = "映画 Übersicht µ.tif"
    (tmp_path / name).write_bytes((ROOT / "examples" / "demo.tif").read_bytes())
    for environment in (
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        done = python("-m", "lineage.run", "--list", name, cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr.decode()
        assert b"SiR-DNA" in done.stdout, environment


def test_a_table_is_utf8_whatever_the_locale(tmp_path):
    write = (
        "import pandas as pd; from pathlib import Path; from lineage.io.files import read_table, write_table;"
        "write_table(pd.DataFrame({'name': [chr(0x6620)]}), Path('a.csv'));"
        "assert read_table(Path('a.csv'))['name'].tolist() == [chr(0x6620)]"
    )
    done = python("-c", write, cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a.csv").read_bytes() == "name\n映\n".encode()


LIKE_WINDOWS = """
import multiprocessing, os, signal, sys
multiprocessing.set_start_method("spawn")
sys.modules["resource"] = None
for name in ("fork", "sched_getaffinity", "pread"):
    delattr(os, name)
del signal.SIGHUP
from drawn_run import write_run
from pathlib import Path
print(ascii(write_run(Path(sys.argv[1]))))
"""


def test_a_run_needs_no_fork_and_no_short_path_in_ascii(tmp_path):
    folder = Path(tmp_path, "Übung µ 映画", *["long" * 40] * 3)
    done = python(
        "-W", "ignore", "-c", LIKE_WINDOWS, str(folder), cwd=ROOT / "tests",
        LC_ALL="C.UTF-8", PYTHONUTF8="0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    out = folder / "drawn.lineage"
    assert len(str(out)) > 500
    assert integrity.read_record(out)["stages"]["report"]
    assert "映画" in (out / "run.json").read_text(encoding="utf-8")


def test_a_name_of_another_encoding_is_one_line(tmp_path):
    """As Python has names without a locale, or from a disk that was written in Latin-1."""
    name = "Übung.tif"
    (tmp_path / name).write_bytes((ROOT / "examples" / "demo.tif").read_bytes())
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = python("-m", "lineage.run", name, cwd=tmp_path, **c_locale)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: a name (")
    assert line.endswith("is not of this system's encoding; rename the file or folder, or set LC_ALL=C.UTF-8")


def test_a_run_folder_of_a_name_too_long_is_one_line(tmp_path):
    name = "n" * 247 + ".tif"  # the lock's name is 14 letters longer
    (tmp_path / name).write_bytes((ROOT / "examples" / "demo.tif").read_bytes())
    done = python("-m", "lineage.run", name, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.decode().splitlines()) == 1
    assert "longer than this system allows; give a shorter one with --out" in done.stderr.decode()


def test_processes_are_begun_as_windows_begins_them():
    starts = {"ProcessPoolExecutor", "Process"}
    found = {}
    for file in modules():
        for call in calls(file):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in starts:
                found[file.relative_to(ROOT).as_posix()] = file.read_text(encoding="utf-8")
    assert set(found) == {"lineage/processes.py", "lineage/review/redo.py"}
    assert 'get_context("spawn")' in found["lineage/review/redo.py"]
    assert "get_context(method())" in found["lineage/processes.py"]


def test_only_linux_forks(monkeypatch):
    assert processes.method() == ("forkserver" if sys.platform == "linux" else "spawn")
    for name in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", name)
        assert processes.method() == "spawn"


# --- Files that others have open


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(files, "BUSY_S", (0.001, 0.001, 0.001))


def refuse(monkeypatch, *, times: int) -> list[Path]:
    """Let renaming fail as on Windows where a program has the file open."""
    tried, real = [], os.replace

    def replace(source, target):
        tried.append(target)
        if len(tried) <= times:
            raise PermissionError(errno.EACCES, "it is in use", str(source), 32, str(target))
        real(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    return tried


def test_a_table_that_is_open_for_a_moment_is_replaced(tmp_path, windows, monkeypatch):
    tried = refuse(monkeypatch, times=2)
    files.write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert len(tried) == 3
    assert (tmp_path / "a.csv").read_bytes() == b"a\n1\n"


def test_a_table_that_stays_open_is_left_as_it_is_and_named(tmp_path, windows, monkeypatch):
    (tmp_path / "a.csv").write_bytes(b"before")
    refuse(monkeypatch, times=99)
    with pytest.raises(InputError, match=r"a\.csv cannot be replaced: another program .* has it open"):
        files.write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.csv": b"before"}


def test_elsewhere_a_file_that_may_not_be_replaced_is_tried_once(tmp_path, monkeypatch):
    tried = refuse(monkeypatch, times=99)
    with pytest.raises(PermissionError):
        files.write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert len(tried) == 1


# --- Locks


class Msvcrt(types.ModuleType):
    """Windows's locks of bytes, as far as they are used: of one process, by (file, position)."""

    LK_LOCK, LK_NBLCK, LK_UNLCK = 1, 2, 0

    def __init__(self):
        super().__init__("msvcrt")
        self.held: dict[tuple[int, int], int] = {}
        self.places: list[int] = []

    def locking(self, descriptor: int, mode: int, n_bytes: int) -> None:
        assert n_bytes == 1
        place = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        self.places.append(place[1])
        if mode == self.LK_UNLCK:
            assert self.held.pop(place) == descriptor
        elif place in self.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        else:
            self.held[place] = descriptor


@pytest.fixture
def msvcrt(monkeypatch):
    """Python as it is on Windows, for what takes locks."""
    module = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(os, "pread")
    system = types.SimpleNamespace(**{n: getattr(os, n) for n in dir(os) if n[0] != "_"})
    system.name = "nt"
    monkeypatch.setattr(lock, "os", system)
    return module


def test_windows_locks_a_run_folder_and_leaves_no_file(tmp_path, msvcrt, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_S", 0.0)
    # Windows numbers files in more than one way: the lock must not ask for the number.
    monkeypatch.setattr(lock.os, "path", types.SimpleNamespace(samestat=lambda a, b: False))
    with lock.locked(tmp_path / "a.lineage"):
        assert len(msvcrt.held) == 1
        with (
            pytest.raises(InputError, match="is being written by another run"),
            lock.locked(tmp_path / "a.lineage"),
        ):
            pass
    assert not list(tmp_path.iterdir())


def test_windows_locks_a_byte_of_the_journal_that_no_file_has(tmp_path, msvcrt):
    from lineage.corrections.lines import make

    path = tmp_path / journal.NAME
    for _ in range(2):
        mother = {"frame": 3, "y_px": 1.5, "x_px": 2.5}
        journal.append(path, make({"what": "no_division", "mother": mother}, who="Zoë"))
    assert set(msvcrt.places) == {journal.FAR_BYTE}
    assert not msvcrt.held
    assert [line.who for line in journal.read(path).lines] == ["Zoë", "Zoë"]
    assert b"\r" not in path.read_bytes()


# --- Names and sums


def test_sums_of_a_folder_are_those_of_systems_that_sort_without_case(tmp_path, monkeypatch):
    for name in ("B.tif", "a.tif", "C/z.tif", "c.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    before = integrity.sum_of(tmp_path), files.content_sha256(tmp_path)
    posix = type(tmp_path)
    assert sorted(tmp_path.iterdir())[0].name == "B.tif"
    monkeypatch.setattr(posix, "__lt__", lambda a, b: str(a).lower() < str(b).lower())
    assert sorted(tmp_path.iterdir())[0].name == "a.tif"  # as Windows has it
    assert (integrity.sum_of(tmp_path), files.content_sha256(tmp_path)) == before


def test_run_folders_that_differ_in_case_only_are_one_folder_elsewhere():
    from pipelines.sheet import Row

    rows = [Row(f"line {n}", {"run_folder": name}) for n, name in ((2, "a1.lineage"), (3, "A1.lineage"))]
    (mistake,) = [m for m in mistakes.conflicts(rows) if "run folder" in m]
    assert "2 movies would share the run folder a1.lineage" in mistake


@pytest.mark.parametrize("name", ["con.lineage", "LPT1.lineage"])
def test_a_plate_map_names_run_folders_that_windows_can_have(name, monkeypatch):
    def found() -> list[str]:
        return list(mistakes.wrong_cells({"run_folder": name}, required=()))

    assert not found()
    monkeypatch.setattr(mistakes, "IS_WINDOWS", True)
    assert [m for m in found() if "Windows has no such name" in m]


def test_files_of_the_project_can_lie_on_any_disk():
    """No two names differ in case only, Windows refuses none, and none is too long for a clone there."""
    listed = ["git", "-c", "core.quotePath=off", "ls-files", "-z"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True)
    names = [n for n in done.stdout.decode().split("\0") if n]
    assert len(names) > 300
    assert len({n.casefold() for n in names}) == len(names)
    assert not [n for n in names if any(map(mistakes.refused_by_windows, n.split("/")))]
    assert max(map(len, names)) < 120


def test_files_of_a_run_have_short_paths(drawn):
    """Windows allows 259 letters: half of them are left to the folder that the run lies in."""
    paths = [p.relative_to(drawn).as_posix() for p in drawn.rglob("*")]
    assert len(paths) > 20
    assert max(map(len, paths)) < 100


# --- Processes, ports, signals, libraries


def test_no_more_processes_than_windows_can_wait_for(monkeypatch):
    monkeypatch.setattr(processes, "MAX_WORKERS", 1)
    before = processes.ProcessPoolExecutor
    monkeypatch.setattr(processes, "ProcessPoolExecutor", lambda *_: pytest.fail("a process was started"))
    assert list(processes.in_order(abs, [(-1,), (-2,)], workers=99)) == [1, 2]
    monkeypatch.setattr(processes, "ProcessPoolExecutor", before)


def test_cores_are_counted_where_no_process_is_bound_to_some(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processes.cores() == os.cpu_count()


def test_the_review_takes_no_port_that_another_server_has_on_windows(monkeypatch):
    import socket

    from lineage.review.start import _listening

    # Any option that can be read back stands for the one that Linux lacks.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with _listening(0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    assert files.peak_memory_mb() > 10
    monkeypatch.setitem(sys.modules, "resource", None)
    assert files.peak_memory_mb() == 0


def test_a_terminal_that_closes_is_no_signal_on_windows(monkeypatch):
    import signal

    monkeypatch.delattr(signal, "SIGHUP")
    signals.start_semaphore_tracker()  # nothing to be done
    assert "SIGHUP" not in dir(signal)


@pytest.mark.parametrize(
    ("system", "suffix"), [("Darwin", ".dylib"), ("Windows", ".DLL"), ("Linux", ".so"), ("FreeBSD", ".so")]
)
def test_btracks_library_is_called_as_the_system_calls_libraries(system, suffix, monkeypatch):
    asked = []

    def load(path: str):
        asked.append(path)
        raise OSError("wrong architecture")

    monkeypatch.setattr(btrack_library.platform, "system", lambda: system)
    monkeypatch.setattr(btrack_library.ctypes, "CDLL", load)
    monkeypatch.delattr(os, "memfd_create")  # Linux alone has it
    with pytest.raises(OSError, match=f"btrack has no library for {system}"):
        btrack_library._load("libtracker")
    assert asked == [f"libtracker{suffix}"]
