import nuclei
import numpy as np
import pytest
import torch

from lineage.nuclei import appearance
from lineage.nuclei.measure import measures_of
from lineage.schema import LOOK_COLUMNS, LOOKS, State
from lineage.tracking import state


def two_nuclei(shape=(120, 160), radius=12):
    y, x = np.ogrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    labels[(y - 40) ** 2 + (x - 50) ** 2 <= radius**2] = 1
    labels[(y - 80) ** 2 + (x - 155) ** 2 <= radius**2] = 2
    return labels, 100.0 * (labels > 0)


def test_each_nucleus_is_seen_at_the_same_size_in_the_middle_of_its_crop():
    for radius in (5, 12, 30):
        labels, above = two_nuclei((300, 400), radius)
        seen = appearance.crops(above.astype(np.float32), labels, measures_of(labels, above))
        assert seen.shape == (2, 2, appearance.SIDE, appearance.SIDE)
        own = seen[0, 1] > 0
        assert 2 * np.sqrt(own.sum() / np.pi) == pytest.approx(appearance.DIAMETER, rel=0.12)
        assert np.argwhere(own).mean(axis=0) == pytest.approx(np.full(2, (appearance.SIDE - 1) / 2), abs=0.7)
        assert seen[0, 0][own].mean() == pytest.approx(1, abs=0.15), "grey levels are over its own mean"


def test_what_lies_beyond_the_image_is_dark_and_no_nucleus():
    labels, above = two_nuclei()
    seen = appearance.crops(above.astype(np.float32), labels, measures_of(labels, above))[1]
    assert not seen[:, :, -8:].any()


def test_probabilities_are_of_each_nucleus_and_none_for_none():
    labels, above = two_nuclei()
    p = appearance.looks(above.astype(np.float32), labels, measures_of(labels, above))
    assert p.shape == (2, len(LOOKS))
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    nothing = np.zeros_like(labels)
    assert appearance.looks(above, nothing, measures_of(nothing, above)).shape == (0, len(LOOKS))


def test_smooth_discs_look_neither_condensed_nor_dead():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :260]
    image, labels = rng.normal(0, 1, y.shape).astype(np.float32), np.zeros(y.shape, np.int32)
    for k, (cy, cx) in enumerate([(40, 40), (40, 110), (110, 40), (160, 110), (160, 190), (40, 190)], 1):
        away = ((y - cy) / 13) ** 2 + ((x - cx) / 11) ** 2
        labels[away <= 1] = k
        image += 40 * np.clip(2 * (1.2 - away), 0, 1)
    p = appearance.looks(image, labels, measures_of(labels, image))
    condensed = p[:, [LOOKS.index(s) for s in ("prometaphase", "metaphase", "anaphase", "dead")]].sum(axis=1)
    assert (condensed < 0.5).all()


def test_what_the_pixels_say_moves_the_state_and_nothing_said_leaves_it():
    table = nuclei.table({"one": nuclei.still((50, 50), range(10)), "two": nuclei.still((90, 90), range(10))})
    plain = state.estimate(table)
    for look in ("dead", "prometaphase"):
        told = dict.fromkeys(LOOK_COLUMNS, 0.005) | {f"look_{look}": 0.97}
        rows = table["name"] == "one"
        seen = state.estimate(table.assign(**{c: np.where(rows, p, np.nan) for c, p in told.items()}))
        column = "p_dead" if look == "dead" else "p_mitotic"
        of_one = seen["name"] == "one"
        assert (seen[column][of_one] > 5 * plain[column][of_one]).all()
        assert seen[column][~of_one].tolist() == plain[column][~of_one].tolist()
    assert set(plain["state"]) <= {s.value for s in State}


def test_the_network_sees_few_different_numbers_of_nuclei():
    """torch keeps something for each: memory would grow with the movie."""
    seen_at_once = []

    class Net:
        device = torch.device("cpu")

        def __call__(self, seen):
            seen_at_once.append(len(seen))
            return seen.flatten(1)[:, : len(appearance.LOOKS)]

    for n in range(40):
        pictures = np.random.default_rng(n).random((n, 2, appearance.SIDE, appearance.SIDE), np.float32)
        found = appearance.probabilities(Net(), pictures)
        assert found.shape == (n, len(appearance.LOOKS))
        assert np.allclose(found.sum(axis=1), 1)
    assert set(seen_at_once) <= {1, 2, 4, 8, 16, 32, 64}
