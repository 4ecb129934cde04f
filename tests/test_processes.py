"""Work shared out to processes comes back in order, and its errors come back too."""

import os

import pytest

from lineage.processes import in_order, kept

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
