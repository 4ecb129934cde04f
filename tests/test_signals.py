"""Further channels: which are measured, under what name, and what is measured of them."""

from dataclasses import replace

import movies
import numpy as np
import pandas as pd
import pytest
import worlds

import lineage
from lineage import config
from lineage.io import records
from lineage.io.files import write_table
from lineage.nuclei import segment, signals
from lineage.schema import DETECTION_COLUMNS, NUCLEUS_COLUMNS, InputError, Video, signal_columns
from lineage.video.channels import choose_channels
from lineage.video.source import Source

SHAPE = (128, 160)


def video(*channels: str, frames: np.ndarray | None = None, pixel_size_um: float = 0.5) -> Video:
    """Channel 0 is phase, 1 the DNA stain."""
    frames = np.zeros((3, len(channels), *SHAPE), np.float32) if frames is None else frames
    return replace(
        movies.movie(frames, pixel_size_um=pixel_size_um), channels=channels, read=lambda t, c: frames[t, c]
    )


def two_discs() -> np.ndarray:
    mask = np.zeros(SHAPE, np.int32)
    mask[movies.disc(SHAPE, 40, 40, 14)] = 1
    mask[movies.disc(SHAPE, 80, 110, 18)] = 2
    return mask


def measured(image: np.ndarray, mask: np.ndarray, pixel_size_um: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(signals.measure_signals(mask, {"p53": image}, pixel_size_um=pixel_size_um))


# Which channels


def test_all_channels_but_dna_and_transmitted_light_are_measured():
    four = video("phase", "SiR-DNA", "p53-mVenus", "DIC", "53BP1")
    assert signals.choose(four).names == ("p53_mvenus", "53bp1")
    assert signals.choose(four).channels == (2, 4)
    assert signals.choose(four, ["3"]).names == ("dic",)  # asked for, it is
    assert signals.choose(four, []) == signals.NONE
    assert signals.choose(video("phase", "SiR-DNA")) == signals.NONE


def test_a_channel_keeps_its_column_whatever_else_is_measured():
    movie = video("phase", "SiR-DNA", "GFP", "gfp")
    assert signals.choose(movie).names == ("gfp_1", "gfp_2")
    assert signals.choose(movie, ["GFP"]).names == ("gfp_1",)
    assert signals.choose(movie, [3]).names == ("gfp_2",)


def test_no_two_columns_have_one_name():
    channels = ["a", "a ring", "A", "a_1", "dna", "43", "DNA mass", ""]
    names = signals.column_names(channels)
    columns = [*NUCLEUS_COLUMNS, *(c for name in names for c in signal_columns(name))]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (["p21"], "measure names channel 'p21'; .* has 0 phase, 1 SiR-DNA, 2 p53: give one of these"),
        (["7"], "measure names channel '7'"),
        (["phase"], "'phase', which is the phase contrast; give a further one"),
        ([1], "'1', which is the DNA stain"),
    ],
)
def test_a_channel_that_cannot_be_measured_is_refused(measure, words):
    with pytest.raises(InputError, match=words):
        signals.choose(video("phase", "SiR-DNA", "p53"), measure)


def test_two_channels_are_no_fucci_if_they_are_one():
    with pytest.raises(InputError, match="twice"):
        signals.choose(video("phase", "SiR-DNA", "red"), None, ("red", "2"))


@pytest.mark.parametrize(("other", "phase"), [("53BP1-GFP", None), ("mCherry", None), ("", 0), ("C0", 0)])
def test_of_two_channels_one_with_a_fluorophores_name_is_no_phase_contrast(other, phase):
    frames = np.zeros((2, 2, 8, 8))
    source = Source(2, (8, 8), (frames.dtype,) * 2, (other, "SiR-DNA"), lambda t, c: frames[t, c])
    assert choose_channels(source, "movie.tif", None, None).phase == phase


# What is measured


def test_nucleus_and_ring_are_measured_above_their_background():
    mask = two_discs()
    near = movies.disc(SHAPE, 40, 40, 14 + 12) & (mask == 0)
    table = measured(50 + 30.0 * (mask == 1) + 90.0 * (mask == 2) + 10.0 * near, mask)
    assert table["p53_mean"].to_numpy() == pytest.approx([30, 90], rel=0.02)
    assert table["p53_sum"].to_numpy() == pytest.approx(table["p53_mean"] * np.bincount(mask.ravel())[1:])
    assert table["p53_std"].to_numpy() == pytest.approx([0, 0], abs=0.5)
    assert table["p53_ring_mean"].to_numpy() == pytest.approx([10, 0], abs=0.5)
    assert table["p53_foci"].tolist() == [0, 0]


def test_the_ring_leaves_other_nuclei_out():
    mask = np.zeros(SHAPE, np.int32)
    mask[movies.disc(SHAPE, 60, 40, 14)] = 1
    mask[movies.disc(SHAPE, 60, 76, 14)] = 2  # within the ring of the first, and bright
    table = measured(50 + 300.0 * (mask == 2), mask)
    assert table["p53_ring_mean"].to_numpy() == pytest.approx([0, 0], abs=1)


def test_a_nucleus_without_a_free_pixel_around_it_has_no_ring():
    mask = np.full(SHAPE, 2, np.int32)
    mask[movies.disc(SHAPE, 60, 60, 14)] = 1
    assert np.isnan(measured(np.ones(SHAPE), mask)["p53_ring_mean"]).all()


def spotted(
    mask: np.ndarray, spots: list[tuple[int, int]], height: float, *, level: float = 100.0
) -> np.ndarray:
    """Nuclei of one brightness with blurred outlines, spots of a micrometre, and the noise of a camera."""
    from scipy.ndimage import gaussian_filter

    light = level * gaussian_filter((mask > 0).astype(float), 1.2)
    rows, columns = np.indices(SHAPE)
    for y, x in spots:
        light += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 1.0**2))
    rng = np.random.default_rng(0)
    return 50 + light + rng.normal(0, 1, SHAPE) * np.sqrt(4 + 0.3 * light)


def test_foci_are_counted_and_noise_and_outlines_are_not():
    mask = two_discs()
    spots = [(36, 36), (44, 46), (70, 105), (84, 118), (90, 104)]
    assert measured(spotted(mask, spots, 120), mask)["p53_foci"].tolist() == [2, 3]
    assert measured(spotted(mask, [], 0), mask)["p53_foci"].tolist() == [0, 0]
    assert measured(spotted(mask, [], 0, level=2000), mask)["p53_foci"].tolist() == [0, 0]


def test_coarse_pixels_show_no_foci():
    mask = two_discs()
    assert measured(spotted(mask, [(40, 40)], 500), mask, 1.15)["p53_foci"].isna().all()


def test_an_image_without_nuclei_has_columns_and_no_rows():
    table = measured(np.ones(SHAPE), np.zeros(SHAPE, np.int32))
    assert list(table.columns) == list(signal_columns("p53"))
    assert table.empty


# Along the run


def three_channels() -> Video:
    frames = np.full((4, 3, *SHAPE), 50.0, np.float32)
    for t in range(4):
        frames[t, 1] += 60 * (two_discs() > 0)
        frames[t, 2] += (10 + t) * (two_discs() > 0)
    return video("phase", "SiR-DNA", "p53", frames=frames)


def segmented(tmp_path, movie: Video, *, quality, workers: int = 1, chosen=None) -> pd.DataFrame:
    (tmp_path / "journal").mkdir(parents=True)
    table, _ = segment.segment(
        movie, quality, segment.MaskFinder(masks_of(movie)), workers=workers,
        signals=signals.choose(movie) if chosen is None else chosen,
        labels=tmp_path / "labels.zarr", journal=tmp_path / "journal",
    )  # fmt: skip
    return table


def masks_of(movie: Video):
    from lineage.nuclei.masks import open_masks

    stack = np.broadcast_to(two_discs(), (movie.n_frames, *SHAPE))
    return open_masks(np.ascontiguousarray(stack), n_frames=movie.n_frames, shape=SHAPE)


def test_columns_follow_the_documented_ones_and_each_frame_is_read_once(tmp_path):
    movie, read = three_channels(), []
    frames = movie.read
    spied = replace(movie, read=lambda t, c: (read.append((t, c)), frames(t, c))[1])
    table = segmented(tmp_path, spied, quality=movies.fine(4, unusable=(1,)))
    assert list(table.columns) == [*NUCLEUS_COLUMNS, *signal_columns("p53")]
    assert table["p53_mean"].to_numpy() == pytest.approx([10, 10, 12, 12, 13, 13], rel=0.02)
    assert sorted(r for r in read if r[1] == 2) == [(0, 2), (2, 2), (3, 2)]


def test_a_movie_without_usable_frames_has_the_columns_all_the_same(tmp_path):
    table = segmented(tmp_path, three_channels(), quality=movies.fine(4, unusable=(0, 1, 2, 3)))
    assert list(table.columns) == [*NUCLEUS_COLUMNS, *signal_columns("p53")]
    assert table.empty


def test_other_columns_do_not_depend_on_further_channels(tmp_path):
    movie = three_channels()
    with_them = segmented(tmp_path / "a", movie, quality=movies.fine(4))
    without = segmented(tmp_path / "b", movie, quality=movies.fine(4), chosen=signals.NONE)
    assert list(without.columns) == list(NUCLEUS_COLUMNS)
    pd.testing.assert_frame_equal(with_them[list(NUCLEUS_COLUMNS)], without)


def test_masks_with_a_movie_are_measured_and_tracking_keeps_it():
    movie = three_channels()
    stack = np.ascontiguousarray(np.broadcast_to(two_discs(), (4, *SHAPE)))
    nuclei = lineage.from_masks(stack, movie=movie, quiet=True)
    assert nuclei.table["p53_mean"].to_numpy() == pytest.approx([10, 10, 11, 11, 12, 12, 13, 13], rel=0.02)
    tracks = lineage.track(nuclei, quiet=True)
    assert list(tracks.nuclei.columns) == [*DETECTION_COLUMNS, *signal_columns("p53")]
    by_id = tracks.nuclei.set_index("detection_id")["p53_sum"]
    assert by_id.sort_index().to_numpy() == pytest.approx(nuclei.table["p53_sum"].to_numpy())
    none = lineage.from_masks(stack, movie=movie, measure=[], quiet=True)
    assert list(none.table.columns) == list(NUCLEUS_COLUMNS)


def test_what_else_was_measured_comes_back_with_a_lineage(tmp_path):
    found = worlds.as_lineage(worlds.one_division())
    more = found.detections.assign(p53_mean=np.arange(len(found.detections)) / 7)
    measured_csv = tmp_path / "measured.csv"
    write_table(more[[*NUCLEUS_COLUMNS, "p53_mean"]], measured_csv)
    paths = {name: tmp_path / f"{name}.csv" for name in ("nuclei", "edges", "cells")}
    records.write_lineage(found, **paths)
    back = records.read_lineage(measured_csv, **paths).detections
    assert list(back.columns) == [*DETECTION_COLUMNS, "p53_mean"]
    assert back["p53_mean"].to_numpy() == pytest.approx(more["p53_mean"].to_numpy())


@pytest.mark.parametrize("measure", [["0"], ["channel 0"], [0]])
def test_what_is_measured_is_no_assumed_phase_contrast(measure):
    frames = np.full((2, 2, *SHAPE), 50.0, np.float32) + [[two_discs() > 0] * 2] * 2
    movie = lineage.open(frames, nucleus_channel=1, pixel_size_um=1.0, minutes_per_frame=10.0)
    assert movie.phase == 0
    stack = np.ascontiguousarray(np.broadcast_to(two_discs(), (2, *SHAPE)))
    nuclei = lineage.from_masks(stack, movie=movie, measure=measure, quiet=True)
    assert "channel_0_mean" in nuclei.table
    assert nuclei.table["rounding"].isna().all()
    given = lineage.open(
        frames, nucleus_channel=1, phase_channel=0, pixel_size_um=1.0, minutes_per_frame=10.0
    )
    with pytest.raises(InputError, match="which is the phase contrast"):
        lineage.from_masks(stack, movie=given, measure=measure, quiet=True)


LISTS = [
    ("p53, 53BP1", ("p53", "53BP1")),
    ("p53", ("p53",)),
    (2, (2,)),
    ([], ()),
    (["a", 2], ("a", 2)),
]


@pytest.mark.parametrize(("given", "read"), LISTS)
def test_channels_are_read_from_a_list_or_from_a_cell_of_a_plate_map(given, read):
    assert config.read(None, {"segment.measure": given}).segment.measure == read
