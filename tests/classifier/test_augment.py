from __future__ import annotations

import pytest
import torch

from classifier.augment import (
    Batch,
    drop_channel,
    move_in_space,
    move_in_time,
    neighbour_at_edge,
    random_shifts,
    vary,
    vary_as_the_paper,
)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spots(n: int = 4) -> torch.Tensor:
    """A bright square in the middle, the same in all frames and both channels."""
    x = torch.zeros(n, 12, 2, 48, 48)
    x[..., 20:28, 21:27] = 1
    return x


def test_the_separation_lands_anywhere_from_0_to_8():
    for separation in (1, 5):
        landed = separation + random_shifts(torch.full((4000,), separation), random(0))
        assert set(landed.tolist()) == set(range(9))
        assert (landed == separation).float().mean() > 0.45


def test_end_frames_stand_still_where_a_clip_ends():
    x = torch.arange(12.0).view(1, 12, 1, 1, 1)
    earlier = move_in_time(x, torch.tensor([-3]), torch.tensor([1.0]))
    assert earlier.flatten().tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 11, 11]


def test_all_frames_and_channels_move_alike():
    x = spots()
    moved = move_in_space(x, torch.ones(4), random(1))
    assert not torch.allclose(moved, x)
    assert (moved - moved[:, :1, :1]).abs().max() < 1e-5


def test_the_clip_keeps_its_event_in_view():
    moved = move_in_space(spots(50), torch.full((50,), 1.3), random(2))
    assert (moved.amax((1, 2, 3, 4)) > 0.5).all()


def test_a_neighbour_comes_in_from_one_edge_and_only_there():
    x = spots(64)
    crowded = neighbour_at_edge(x, random(3))
    changed = (crowded != x).flatten(1).any(1).float().mean()
    assert 0.15 < changed < 0.45
    assert torch.equal(crowded[..., 20:], x[..., 20:])


@pytest.mark.parametrize("transform", [vary, vary_as_the_paper])
def test_equal_seeds_give_equal_clips_and_the_input_is_left_alone(transform):
    batch = Batch(spots(), torch.full((4,), 5))
    before = batch.pixels.clone()
    first, again, other = (transform(batch, random(s)) for s in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(batch.pixels, before)
    assert first.shape == batch.pixels.shape


@pytest.mark.parametrize(("channel", "share"), [(0, 1 / 6), (1, 1 / 12)])
def test_each_channel_is_sometimes_lost_and_never_both(channel, share):
    lost = ~drop_channel(torch.ones(4000, 1, 2, 1, 1), random(3)).flatten(1).bool()
    assert lost[:, channel].float().mean() == pytest.approx(share, abs=0.02)
    assert not lost.all(1).any()
