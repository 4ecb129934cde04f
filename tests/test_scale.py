"""The size of the nuclei is read from the movie, also where there are few of them."""

from typer.testing import CliRunner

from lineage.nuclei.scale import Scale, estimate_scale
from lineage.quality import assess
from lineage.simulate.__main__ import app
from lineage.video import open_video


def test_the_haze_around_a_few_nuclei_is_not_taken_for_huge_ones(tmp_path):
    options = ["--frames", "12", "--size", "384", "--founders", "8", "--dose-gy", "4", "--seed", "1"]
    made = CliRunner().invoke(app, [str(tmp_path / "sparse.tif"), *options])
    assert made.exit_code == 0, made.output
    video = open_video(tmp_path / "sparse.tif")
    found = estimate_scale(video, assess(video))
    assert 14 < found.diameter_px * video.pixel_size_um < 26
    assert found.zoom == 1


def test_a_size_that_is_not_credible_is_a_warning():
    assert Scale(17.0, 1.0, False).warnings(1.15) == ()
    (warning,) = Scale(130.0, 0.15, False).warnings(1.15)
    assert "150 um across" in warning
    (warning,) = Scale(None, 1.0, False).warnings(1.15)
    assert "too few nuclei" in warning
