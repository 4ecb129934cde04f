"""Lines of corrections: added, never changed, and what holds follows from all of them."""

import json

import pandas as pd
import pytest

from lineage.corrections import journal
from lineage.corrections.find import Finder
from lineage.corrections.lines import Nucleus, dumps, make, parse
from lineage.schema import InputError

HERE = {"frame": 4, "y_px": 10.0, "x_px": 20.0}
LATER = {"frame": 5, "y_px": 11.0, "x_px": 21.0}


def said(what, **more):
    return make({"what": what, **more}, who="anna", why="seen")


def test_an_undo_is_a_line_and_so_is_its_undoing(tmp_path):
    path = tmp_path / journal.NAME
    cut = said("cut", before=HERE, after=LATER)
    no_division = said("no_division", mother=HERE)
    journal.append(path, cut, no_division)
    undo = said("undo", line=cut.id)
    journal.append(path, undo)
    assert journal.read(path).standing == (no_division,)
    redo = said("undo", line=undo.id)
    journal.append(path, redo)
    assert journal.read(path).standing == (cut, no_division)
    journal.append(path, said("undo", line=redo.id))
    assert journal.read(path).standing == (no_division,)
    assert len(journal.read(path).lines) == 5


def test_what_a_crash_cut_off_is_lost_and_nothing_else(tmp_path):
    path = tmp_path / journal.NAME
    first, second, third = (said("no_division", mother=HERE | {"frame": t}) for t in range(3))
    journal.append(path, first, second)
    whole = path.read_bytes()
    for end in range(len(dumps(first)) + 2, len(whole)):  # killed after so many bytes of the second line
        path.write_bytes(whole[:end])
        journal.append(path, third)
        found = journal.read(path)
        is_whole = end == len(whole) - 1  # but for its line break
        assert found.lines == ((first, second, third) if is_whole else (first, third))
        assert found.unreadable == (() if is_whole else (2,))


def test_an_editor_s_mark_and_line_breaks_are_no_mistakes(tmp_path):
    path, lines = tmp_path / journal.NAME, [said("no_death", nucleus=HERE), said("no_death", nucleus=LATER)]
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{dumps(line)}\r\n" for line in lines).encode())
    assert journal.read(path) == journal.Journal(tuple(lines))


def test_lines_of_several_writers_stand_whole(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / journal.NAME
    lines = [said("no_division", mother=HERE | {"frame": t}) for t in range(60)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda line: journal.append(path, line), lines))
    found = journal.read(path)
    assert {x.id for x in found.lines} == {x.id for x in lines}
    assert not found.unreadable


def test_a_line_says_what_it_may_and_nothing_else():
    with pytest.raises(InputError, match="later frame"):
        said("join", before=LATER, after=HERE)
    with pytest.raises(InputError, match="after their mother"):
        said("division", mother=LATER, daughters=[LATER, HERE])
    with pytest.raises(InputError, match="one frame"):
        said("merge_outlines", nuclei=[HERE, LATER])
    with pytest.raises(InputError, match="x_px"):
        said("no_death", nucleus=HERE | {"x_px": float("nan")})
    with pytest.raises(InputError, match="path"):
        said("no_death", nucleus=HERE, path="../../run.json")
    death = {"mother": HERE, "frame": 5, "event_type": "death"}
    with pytest.raises(InputError, match="a verdict is one on a mitosis"):
        said("verdict", event=death, verdict="normal")
    with pytest.raises(InputError, match="tripolar is no kind of mitosis with the verdict normal"):
        said("mitosis", nucleus=HERE, verdict="normal", subtype="tripolar")
    with pytest.raises(InputError, match="sister_fusion is no kind"):
        said("mitosis", nucleus=HERE, verdict="abnormal", subtype="sister_fusion")
    with pytest.raises(InputError, match="who"):
        make({"what": "no_death", "nucleus": HERE}, who="\x1b]0;a terminal's title\a")
    with pytest.raises(InputError, match="may not set id"):
        make({"what": "no_death", "nucleus": HERE, "id": "0" * 32}, who="anna")
    with pytest.raises(InputError, match="what"):
        said("delete_everything")
    with pytest.raises(InputError, match="JSON"):
        parse("[" * 100_000)
    with pytest.raises(InputError):
        parse(json.dumps([1, 2]))


def test_a_nucleus_is_found_by_a_point_within_it():
    nuclei = pd.DataFrame({
        "detection_id": [7, 8, 9], "frame": [4, 4, 5], "y_px": [10.0, 40.0, 10.0], "x_px": [20.0, 20.0, 20.0],
        "area_um2": [314.0, 314.0, 314.0],
    })  # fmt: skip
    find = Finder(nuclei, pixel_size_um=2.0)  # a radius of 5 px
    assert find(Nucleus(frame=4, y_px=14, x_px=20)) == 7
    assert find(Nucleus(frame=4, y_px=16, x_px=20)) is None
    assert find(Nucleus(frame=4, y_px=38, x_px=20)) == 8
    assert find(Nucleus(frame=6, y_px=10, x_px=20)) is None
