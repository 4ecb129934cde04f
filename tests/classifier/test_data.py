from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clips import clips_folder, rgb_clip

from classifier.crossvalidate import parts
from classifier.data import (
    Clip,
    data_hash,
    field_names,
    find_clips,
    folds,
    parse_name,
)
from classifier.pixels import as_composite, by_percentiles, decode, pixel_size, read_clip, resample
from lineage.schema import InputError, MitosisClass


def labelled(label: MitosisClass, stem: str) -> Clip:
    name = parse_name(stem)
    return Clip(Path(f"{stem}.tif"), label, name, field_names([name])[0])


@pytest.mark.parametrize(
    ("stem", "line", "date", "dose", "position", "first"),
    [
        ("N_160930.nd2_PC3_2Gy_p4_149_160", "PC3", "160930", 2.0, "4", 149),
        ("A_160930.nd2_U251c_15Gy_p2_287_298", "U251", "160930", 15.0, "2", 287),
        ("10Gy_p1_425", "U251", None, 10.0, "1", 425),
        ("4Gy_p4_627_", "U251", None, 4.0, "4", 627),
        ("N_161011.nd2_PC3_0Gy_p2_68_79 (2)", "PC3", "161011", 0.0, "2", 68),
    ],
)
def test_every_spelling_of_a_name_is_read(stem, line, date, dose, position, first):
    name = parse_name(stem)
    assert (name.line, name.date, name.dose_gy, name.position, name.first_frame) == (
        line,
        date,
        dose,
        position,
        first,
    )


def test_a_strange_name_is_refused_with_an_example():
    with pytest.raises(InputError, match=r"holiday: not a clip's name; wanted one like N_160930"):
        parse_name("holiday")


def test_undated_clips_join_all_dated_fields_of_their_place():
    stems = [
        "N_160930.nd2_U251c_2Gy_p2_1_12",
        "N_161011.nd2_U251c_2Gy_p2_1_12",
        "2Gy_p2-2_43-54",
        "N_160930.nd2_PC3_2Gy_p2_1_12",
    ]
    first, second, undated, other_line = field_names([parse_name(s) for s in stems])
    assert first == second == undated != other_line


def test_dates_are_fields_of_their_own_where_nothing_is_undated():
    a, b = field_names([parse_name(f"N_{d}.nd2_PC3_0Gy_p2_1_12") for d in ("160930", "161011")])
    assert a != b


def test_dna_is_what_red_has_beyond_green():
    rgb = np.zeros((12, 4, 4, 3), np.uint8)
    rgb[..., 1] = 100
    rgb[..., 0] = 90  # below the phase: noise, not DNA
    rgb[0, 1, 1, 0] = 170
    phase, dna = decode(rgb).swapaxes(0, 1)
    assert (phase == 100).all()
    assert dna[0, 1, 1] == 70
    assert dna.sum() == 70


def test_a_clip_reads_back_from_rgb_and_from_two_channels(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", rgb_clip(0), photometric="rgb")
    clip = read_clip(tmp_path / "rgb.tif")
    assert clip.shape == (12, 2, 20, 20)
    tifffile.imwrite(tmp_path / "two.tif", clip, imagej=True, metadata={"axes": "TCYX"})
    np.testing.assert_array_equal(read_clip(tmp_path / "two.tif"), clip)


def test_a_clip_of_another_length_says_what_is_wanted(tmp_path):
    tifffile.imwrite(tmp_path / "short.tif", rgb_clip(0)[:7], photometric="rgb")
    with pytest.raises(InputError, match=r"short.tif is \(7, 20, 20, 3\); wanted 12 to 24 RGB frames"):
        read_clip(tmp_path / "short.tif")


def test_what_is_no_tiff_says_so(tmp_path):
    (tmp_path / "text.tif").write_text("not an image")
    with pytest.raises(InputError, match=r"text.tif is not a TIFF image"):
        read_clip(tmp_path / "text.tif")


def test_exact_copies_are_dropped_and_labels_come_from_folders(tmp_path):
    names = {
        "NormalMitosis": ["N_160930.nd2_PC3_0Gy_p2_1_12", "N_160930.nd2_PC3_0Gy_p2_9_20"],
        "AbnormalMitosis": ["10Gy_p1_425"],
    }
    root = clips_folder(tmp_path, names)
    first = root / "NormalMitosis" / "N_160930.nd2_PC3_0Gy_p2_1_12.tif"
    first.with_stem("N_160930.nd2_PC3_0Gy_p2_1_12 (2)").write_bytes(first.read_bytes())
    assert len(list(root.rglob("*.tif"))) == 4
    clips = find_clips(root)
    assert Counter(clip.label for clip in clips) == {"normal": 2, "abnormal": 1}


def test_one_clip_under_both_classes_is_refused(tmp_path):
    root = clips_folder(tmp_path, {"NormalMitosis": ["10Gy_p1_425"], "AbnormalMitosis": []})
    copy = root / "AbnormalMitosis" / "10Gy_p1_426.tif"
    copy.write_bytes((root / "NormalMitosis" / "10Gy_p1_425.tif").read_bytes())
    with pytest.raises(InputError, match=r"10Gy_p1_426.tif is filed as abnormal and, as 10Gy_p1_425.tif"):
        find_clips(root)


def test_a_missing_class_folder_is_named(tmp_path):
    clips_folder(tmp_path, {"NormalMitosis": ["10Gy_p1_425"]})
    with pytest.raises(InputError, match="has no AbnormalMitosis/"):
        find_clips(tmp_path)


def test_the_data_hash_follows_labels_and_pixels_not_the_folder(tmp_path):
    names = {"NormalMitosis": ["2Gy_p1_1"], "AbnormalMitosis": ["10Gy_p1_425"]}
    here, there = (find_clips(clips_folder(tmp_path / f, names)) for f in ("here", "there"))
    assert data_hash(here) == data_hash(there)
    swapped = {"NormalMitosis": ["10Gy_p1_425"], "AbnormalMitosis": ["2Gy_p1_1"]}
    assert data_hash(find_clips(clips_folder(tmp_path / "swapped", swapped))) != data_hash(here)


def many_clips() -> list[Clip]:
    """20 fields of 3 to 12 clips, a third abnormal."""
    rng = np.random.default_rng(0)
    clips = []
    for field in range(20):
        for k in range(int(rng.integers(3, 13))):
            label = MitosisClass.ABNORMAL if rng.random() < 1 / 3 else MitosisClass.NORMAL
            clips.append(labelled(label, f"N_160930.nd2_PC3_{field}Gy_p1_{k}_{k + 11}"))
    return clips


def test_a_field_is_never_parted_and_folds_are_even():
    clips = many_clips()
    fold = folds(clips, 4)
    sides = {(clip.field, k) for clip, k in zip(clips, fold, strict=True)}
    assert len(sides) == len({clip.field for clip in clips}) == 20
    for label in (MitosisClass.NORMAL, MitosisClass.ABNORMAL):
        counts = Counter(k for clip, k in zip(clips, fold, strict=True) if clip.label == label)
        assert max(counts.values()) <= 1.35 * min(counts.values())


def test_clips_dealt_at_random_come_once_each_and_part_fields():
    clips = many_clips()
    dealt = parts(clips, "clip", 5)
    assert np.array_equal(sum(held_out.astype(int) for held_out in dealt.values()), np.ones(len(clips)))
    sizes = [held_out.sum() for held_out in dealt.values()]
    assert max(sizes) - min(sizes) <= 1
    fields = [{clips[i].field for i in np.flatnonzero(held_out)} for held_out in dealt.values()]
    assert sum(map(len, fields)) > len({clip.field for clip in clips})


def test_folds_do_not_depend_on_the_order_of_the_clips():
    clips = many_clips()
    there = dict(zip((c.path for c in clips), folds(clips, 4), strict=True))
    back = dict(zip((c.path for c in reversed(clips)), folds(clips[::-1], 4), strict=True))
    assert there == back


def test_more_folds_than_fields_is_refused():
    with pytest.raises(InputError, match="5 folds of 1 fields"):
        folds([labelled(MitosisClass.NORMAL, "2Gy_p1_1")], 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_normalised_crops_do_not_know_the_camera(dtype):
    clip = decode(rgb_clip(3))
    gain = 2 if dtype == np.uint8 else np.array([30, 7])[:, None, None]
    other = (clip * gain + 5).astype(dtype)
    assert np.ptp(by_percentiles(clip)) > 1
    np.testing.assert_allclose(by_percentiles(other), by_percentiles(clip), atol=1e-3)


def test_a_missing_channel_stays_zero():
    clip = decode(rgb_clip(3))
    clip[:, 0] = 0
    assert not by_percentiles(clip)[:, 0].any()
    assert by_percentiles(clip)[:, 1].any()


def test_resampling_keeps_the_mean_and_takes_any_shape():
    clip = decode(rgb_clip(3, side=40))[:, :, :36]
    small = resample(clip, (16, 16))
    assert small.shape == (12, 2, 16, 16)
    assert small.mean() == pytest.approx(clip.mean(), rel=0.05)


def test_the_paper_s_composite_is_what_the_clip_was():
    rgb = rgb_clip(3)
    again = 255 * as_composite(decode(rgb))
    np.testing.assert_allclose(again.transpose(0, 2, 3, 1), rgb, atol=1e-3)


def test_the_paper_s_composite_wants_8_bit():
    with pytest.raises(InputError, match="want 8-bit clips; use the default one"):
        as_composite(np.full((12, 2, 4, 4), 3000.0))


def test_overexposed_8_bit_clips_stay_8_bit_when_they_are_resampled():
    overexposed = resample(np.full((12, 2, 111, 111), 255.0), (78, 78))
    assert overexposed.max() > 255  # by what rounding adds
    assert as_composite(overexposed).max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("written", "size_um"),
    [
        ({}, 1.1518),  # not stated: the paper's
        ({"resolution": (2, 2), "metadata": {"unit": "um"}}, 0.5),
        ({"resolution": (1, 1), "metadata": {"unit": "pixel"}}, 1.1518),
    ],
)
def test_a_clip_s_pixels_are_as_wide_as_its_file_says(tmp_path, written, size_um):
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((12, 2, 8, 8), np.uint8), imagej=True, **written)
    assert pixel_size(tmp_path / "c.tif") == pytest.approx(size_um)


@pytest.mark.parametrize(("dots", "unit"), [(0.001, "um"), (1, "furlong")])
def test_a_scale_that_no_microscope_has_is_refused(tmp_path, dots, unit):
    tifffile.imwrite(
        tmp_path / "c.tif",
        np.zeros((12, 2, 8, 8), np.uint8),
        imagej=True,
        resolution=(dots, dots),
        metadata={"unit": unit},
    )
    with pytest.raises(InputError, match=r"c\.tif has pixels of .*; wanted 0\.02 to 10 um"):
        pixel_size(tmp_path / "c.tif")
