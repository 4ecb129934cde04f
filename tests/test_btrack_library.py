"""btrack's library loads here, by one byte where the wheel's own does not."""

import sys

import pytest

from lineage.tracking import btrack_library


@pytest.fixture
def wheel() -> bytes:
    if not sys.platform.startswith("linux"):
        pytest.skip("only the Linux wheel needs it")
    from btrack.constants import BTRACK_LIB_PATH

    return BTRACK_LIB_PATH.with_suffix(".so").read_bytes()


def test_one_byte_is_changed(wheel):
    weakened = btrack_library.weaken(wheel, btrack_library.UNUSED_VERSION)
    changed = [(a, b) for a, b in zip(wheel, weakened, strict=True) if a != b]
    assert changed == [(0, btrack_library.VER_FLG_WEAK)]


def test_a_version_that_is_not_needed_is_an_error(wheel):
    with pytest.raises(ValueError, match="does not need GLIBCXX_9"):
        btrack_library.weaken(wheel, b"GLIBCXX_9")


def test_a_tracker_can_be_made():
    btrack_library.install()
    import btrack

    assert btrack.BayesianTracker(verbose=False).n_tracks == 0


def test_a_missing_library_is_named(tmp_path):
    with pytest.raises(OSError, match="no library for"):
        btrack_library._load(tmp_path / "libtracker")
