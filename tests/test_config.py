"""One tree of settings; what it does not know it refuses; its defaults are the stages' own."""

import inspect
from pathlib import Path

import pytest

from lineage import config, quality
from lineage.mitosis import crops, events
from lineage.nuclei import segment
from lineage.schema import InputError
from lineage.tracking import track


@pytest.mark.parametrize(
    ("section", "function"),
    [
        (config.QualitySettings(), quality.assess),
        (config.TrackSettings(), track.track),
        (config.EventsSettings(), events.propose),
    ],
)
def test_defaults_are_the_stages_own(section, function):
    parameters = inspect.signature(function).parameters
    for name, value in section.model_dump().items():
        assert parameters[name].default == value, name


def test_defaults_of_shared_sections_are_the_stages_own():
    crop = config.CropSettings().model_dump()
    pointed, written = (
        inspect.signature(crops.select_windows).parameters,
        inspect.signature(crops.write).parameters,
    )
    for name, value in crop.items():
        assert {**written, **pointed}[name].default == value, name
    measured = inspect.signature(segment.segment).parameters
    assert measured["min_area"].default == config.SegmentSettings().min_area


def test_every_setting_is_described():
    for section in config.Config.model_fields.values():
        fields = getattr(section.annotation, "model_fields", {"": section})
        assert all(f.description for f in fields.values()), section


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_line_goes_above_the_file(tmp_path):
    file = write(tmp_path / "c.toml", "dose_gy = 4\n[video]\npixel_size_um = 0.5\nminutes_per_frame = 5\n")
    got = config.read(file, {"video.pixel_size_um": 0.7, "video.minutes_per_frame": None})
    assert (got.dose_gy, got.video.pixel_size_um, got.video.minutes_per_frame) == (4, 0.7, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dosis = 4", "unknown setting dosis; known here: dose_gy, labels, device, video"),
        ("[track]\nspeed = 4", "unknown setting track.speed; known here: max_speed"),
        ("[video]\npixel_size_um = -1", "video.pixel_size_um = -1: .*greater than 0"),
        ("[video]\nminutes_per_frame = 0", "video.minutes_per_frame"),
        ("dose_gy = 'four'", "dose_gy = 'four'"),
        ("dose_gy = ", "not TOML"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        config.read(write(tmp_path / "c.toml", text), {})


def test_a_section_that_is_none_is_refused_with_an_option_too(tmp_path):
    with pytest.raises(InputError, match=r"video = 3: wanted a section"):
        config.read(write(tmp_path / "c.toml", "video = 3"), {"video.pixel_size_um": 1.0})


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        config.read(tmp_path / "none.toml", {})


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan")])
def test_units_must_be_positive(value):
    with pytest.raises(InputError, match="pixel_size_um"):
        config.read(None, {"video.pixel_size_um": value})


@pytest.mark.parametrize("old", config.RENAMED)
def test_names_of_earlier_versions_are_read_with_a_warning(tmp_path, old):
    section, key = old.split(".")
    new_section, new_key = config.RENAMED[old].split(".")
    fields = config.Config.model_fields[new_section].annotation.model_fields
    assert new_key in fields
    default = fields[new_key].default
    value = 5 if key == "most_gap_frames" else default
    heard = []
    got = config.read(write(tmp_path / "c.toml", f"[{section}]\n{key} = {value}\n"), {}, warn=heard.append)
    assert getattr(getattr(got, new_section), new_key) == (4 if key == "most_gap_frames" else default)
    assert [f"the setting {old} is {config.RENAMED[old]} now" in sentence for sentence in heard] == [True]


def test_two_values_for_one_setting_are_refused(tmp_path):
    text = "[hypotheses]\ndivision_reach = 3\n[track]\ndivision_reach = 2\n"
    with pytest.raises(InputError, match="both are given"):
        config.read(write(tmp_path / "c.toml", text), {}, warn=lambda _: None)
