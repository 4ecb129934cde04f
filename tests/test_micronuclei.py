"""Small bodies beside daughters are counted where they can be seen, and nothing is said where they cannot."""

import json

import movies
import numpy as np
import pandas as pd
import pytest

from lineage.mitosis import micronuclei
from lineage.mitosis.micronuclei import Findings, bodies, bridge_intensity, detect, limits, persistent

SIZE, PIXEL_UM = 120, 0.65
LEFT, RIGHT = (60, 40), (60, 80)  # y, x in pixels; 26 um apart
NUCLEUS_PX, BESIDE_LEFT = 11, (60, 22)
EVENT, N_FRAMES = 2, 15


def scene(*small, bridge=0.0, noise=0.8, seed=0):
    """Two round nuclei of 14 um, 40 grey levels bright and blurred, and small bodies of 3.4 um."""
    from scipy.ndimage import gaussian_filter

    image = np.zeros((SIZE, SIZE))
    for y, x in (LEFT, RIGHT):
        image += 40.0 * movies.disc(image.shape, y, x, NUCLEUS_PX)
    for y, x in small:
        image += 40.0 * movies.disc(image.shape, y, x, 2.6)
    image[59:62, 40:80] += 40 * bridge
    return 20 + gaussian_filter(image, 1.3) + np.random.default_rng(seed).normal(0, noise, image.shape)


def masks():
    labels = np.zeros((SIZE, SIZE), int)
    for label, (y, x) in enumerate((LEFT, RIGHT), start=1):
        labels[movies.disc(labels.shape, y, x, NUCLEUS_PX)] = label
    return labels


def found(image, labels=None, nucleus=1):
    return bodies(image, masks() if labels is None else labels, nucleus, pixel_size_um=PIXEL_UM)


def test_a_small_body_is_found_beside_its_own_nucleus_alone():
    image = scene(BESIDE_LEFT)
    assert len(found(scene())) == 0
    (place,) = found(image)
    assert place == pytest.approx(BESIDE_LEFT, abs=1.5)
    assert len(found(image, nucleus=2)) == 0


def test_a_body_that_was_given_a_label_is_a_body_still():
    labels = masks()
    labels[movies.disc(labels.shape, *BESIDE_LEFT, 2.6)] = 3
    assert len(found(scene(BESIDE_LEFT), labels)) == 1
    labels[movies.disc(labels.shape, *BESIDE_LEFT, 6)] = 3  # 8 um across: a nucleus of its own
    assert len(found(scene(BESIDE_LEFT), labels)) == 0


def test_noise_alone_is_no_body():
    for seed in range(5):
        assert len(found(scene(noise=6.0, seed=seed))) == 0


def test_what_is_far_from_the_nucleus_is_not_its_own():
    assert len(found(scene((20, 20)))) == 0


def test_a_body_counts_if_it_stays_where_it_is_seen_from_its_nucleus():
    here, there, nothing = np.array([[0.0, 12.0]]), np.array([[12.0, 0.0]]), np.zeros((0, 2))
    assert persistent([here, there, nothing]) == 0
    assert persistent([here, nothing, here + 1.5]) == 1
    assert persistent([np.concatenate([here, there]), here, there]) == 2
    assert persistent([]) == 0


def chromatin_between(image, labels=None):
    return bridge_intensity(image, masks() if labels is None else labels, 1, 2, pixel_size_um=PIXEL_UM)


def test_a_bridge_is_brighter_than_its_flanks():
    assert abs(chromatin_between(scene())) < micronuclei.BRIDGE / 2
    assert chromatin_between(scene(bridge=0.5)) > 2 * micronuclei.BRIDGE


def test_a_gap_that_cannot_be_seen_tells_nothing():
    touching = masks()
    touching[58:63, 45:59] = 1
    touching[58:63, 59:75] = 2
    assert chromatin_between(scene(), touching) is None
    third = masks()
    third[58:63, 58:62] = 3
    assert chromatin_between(scene(), third) is None
    assert chromatin_between(scene(), np.where(masks() == 2, 0, masks())) is None


def detections(frames):
    rows = [
        {"frame": t, "tracklet_id": 10 + label, "label": label, "y_px": y, "x_px": x}
        for t in frames
        for label, (y, x) in enumerate((LEFT, RIGHT), start=1)
    ]
    return pd.DataFrame(rows)


def looked(monkeypatch, small=(), bridge=0.0, micronucleus_um=2.0, bridge_share=0.05, **options):
    row = {"pixel_size_um": 1.0, "micronucleus_um": micronucleus_um, "bridge_share": bridge_share}
    monkeypatch.setattr(micronuclei, "_measured", lambda: [row])
    early, late = scene(bridge=bridge), scene(*small, seed=1)
    frames = np.stack([[early if t < 6 else late] for t in range(N_FRAMES)]).astype(np.float32)
    video = movies.movie(frames, pixel_size_um=options.get("pixel_size_um", PIXEL_UM), phase=False)
    quality = movies.fine(N_FRAMES, unusable=options.get("unusable", ()))
    return detect(video, quality, lambda t: masks(), EVENT, detections(options.get("seen", range(2, 15))))


def test_micronuclei_and_a_bridge_are_told_of(monkeypatch):
    assert looked(monkeypatch) == Findings(0, False)
    both = (BESIDE_LEFT, (60, 98))
    assert looked(monkeypatch, small=both, bridge=0.5) == Findings(2, True)


def test_where_common_ones_are_missed_none_is_never_zero(monkeypatch):
    coarse = {"micronucleus_um": 5.0, "bridge_share": 0.2}
    assert looked(monkeypatch, **coarse) == Findings(None, None)
    assert looked(monkeypatch, small=(BESIDE_LEFT,), bridge=0.5, **coarse) == Findings(1, True)


def test_where_nothing_is_reliable_nothing_is_said(monkeypatch):
    nothing = {"micronucleus_um": None, "bridge_share": None}
    assert looked(monkeypatch, small=(BESIDE_LEFT,), bridge=0.5, **nothing) == Findings(None, None)
    assert looked(monkeypatch, small=(BESIDE_LEFT,), pixel_size_um=1.2) == Findings(None, None)


def test_too_few_frames_tell_nothing(monkeypatch):
    assert looked(monkeypatch, seen=range(2, 7)) == Findings(None, False)  # one frame 40 min after
    assert looked(monkeypatch, unusable=(3, 4, 5)) == Findings(0, None)


def test_the_limits_are_those_of_the_recall_beside_them():
    rows = json.loads(micronuclei.LIMITS.read_text(encoding="utf-8"))["limits"]
    assert len(rows) >= 5
    for row in rows:
        for limit, recall, false in (
            ("micronucleus_um", "recall_by_diameter_um", "false_micronuclei_per_division"),
            ("bridge_share", "recall_by_share_between", "false_bridges_per_division"),
        ):
            if row[limit] is not None:
                assert row[false] <= 0.05
                assert min(r for size, r in row[recall].items() if float(size) >= row[limit]) >= 0.8


def test_the_next_coarser_pixel_size_gives_the_limit(monkeypatch):
    rows = [{"pixel_size_um": p, "micronucleus_um": 2 * p, "bridge_share": None} for p in (0.5, 1.0)]
    monkeypatch.setattr(micronuclei, "_measured", lambda: rows)
    assert [limits(p).micronucleus_um for p in (0.2, 0.5, 0.51, 1.0, 1.1)] == [1.0, 1.0, 2.0, 2.0, None]
