from __future__ import annotations

import numpy as np
import pytest
import tifffile

from classifier.corrected import corrected
from lineage.schema import InputError


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "movie.lineage"
    (folder / "crops").mkdir(parents=True)
    for event in (0, 7):
        tifffile.imwrite(folder / "crops" / f"event_{event:04d}.tif", np.zeros((12, 2, 8, 8), np.float32))
    return folder


def test_corrected_events_are_clips_of_one_field(run):
    (run / "corrections.csv").write_text(
        "event_id,mitosis_class,note\n0,abnormal,\n7,none,debris\n9,unclassified,\n"
    )
    clips = corrected(run)
    assert [(c.path.name, c.label) for c in clips] == [
        ("event_0000.tif", "abnormal"),
        ("event_0007.tif", "none"),
    ]
    assert {c.field for c in clips} == {"movie"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("event_id,class\n0,normal\n", "wanted event_id and mitosis_class"),
        ("event_id,mitosis_class\n0,odd\n", "event 0 is odd; wanted normal, abnormal, none"),
        ("event_id,mitosis_class\n3,normal\n", "event_0003.tif: no such crop"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(run, text, message):
    (run / "corrections.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        corrected(run)


def test_a_run_without_corrections_is_refused(run):
    with pytest.raises(InputError, match=r"has no corrections\.csv"):
        corrected(run)
