"""Work shared out to processes comes back in order, and its errors come back too."""

import os
import subprocess
import sys

import pytest

from lineage.processes import in_order, kept, method

remembered = 0


def remember(number):
    global remembered
    remembered = number


def shifted(n):
    if n == 7:
        raise ValueError("seven")
    return n + remembered, os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    tasks = ((n,) for n in range(6))
    results = list(in_order(shifted, tasks, workers=workers, begin=remember, shared=(10,)))
    assert [n for n, _ in results] == [10, 11, 12, 13, 14, 15]
    assert (os.getpid() in {pid for _, pid in results}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller(workers):
    results = in_order(shifted, ((n,) for n in (1, 7, 2)), workers=workers)
    assert next(results)[0] >= 1
    with pytest.raises(ValueError, match="seven"):
        list(results)


def whose(_):
    return os.getpid()


def test_kept_processes_go_on_to_the_next_tasks():
    with kept():
        first = set(in_order(whose, ((n,) for n in range(8)), workers=2))
        again = set(in_order(whose, ((n,) for n in range(8)), workers=2))
        assert first & again
        with pytest.raises(ValueError, match="seven"):
            list(in_order(shifted, ((7,),), workers=2))
        after = set(in_order(whose, ((n,) for n in range(8)), workers=2))
        assert not first & after, "after an error there are new ones"
        told = in_order(shifted, ((n,) for n in range(2)), workers=2, begin=remember, shared=(10,))
        assert not {pid for _, pid in told} & after, "those that are told something are their own"
    for pid in after:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


FROM_A_SERVER = """
import os, sys, threading
from pathlib import Path
from lineage import processes

def loaded(_):
    parent = Path(f"/proc/{os.getppid()}")
    threads = [(task / "comm").read_text().strip() for task in (parent / "task").iterdir()]
    names = {"torch", "numba", "classifier.predict", "lineage.stages.verdicts"} & set(sys.modules)
    return sorted(names), os.getppid(), [name for name in threads if name != "jemalloc_bg_thd"]

if __name__ == "__main__":
    if sys.argv[1] == "thread":
        thread = threading.Thread(target=processes.read_ahead)
        thread.start()
        thread.join()
    else:
        processes.read_ahead()
    told = [list(processes.in_order(loaded, ((n,) for n in range(4)), workers=2)) for _ in range(2)]
    assert len({server for part in told for _, server, _ in part}) == 1
    assert all(len(threads) == 1 for part in told for _, _, threads in part), told
    names, server, _ = told[0][0]
    print(server != os.getpid(), names, "torch" in sys.modules)
"""


@pytest.mark.skipif(method() != "forkserver", reason="processes are forked on Linux only")
@pytest.mark.parametrize("where", ["main", "thread"])  # in a thread a worker of a plate runs its movies
def test_processes_are_forked_from_one_of_a_single_thread_that_has_read_their_libraries(tmp_path, where):
    """A fork carries over no other thread, nor what it holds locked; jemalloc's (of pyarrow) sees to that."""
    (tmp_path / "torch.py").write_text("raise SystemExit('a module of the folder one is in was read')")
    script = tmp_path / "script" / "given.py"
    script.parent.mkdir()
    script.write_text(FROM_A_SERVER)
    done = subprocess.run([sys.executable, str(script), where], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = ["classifier.predict", "lineage.stages.verdicts", "numba", "torch"]
    assert done.stdout.strip() == f"True {names} False"
