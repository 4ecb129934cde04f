"""Pictures of nuclei -> the network of `lineage/nuclei/appearance.py`, to be copied there.

    python benchmarks/fit_appearance.py REAL FIT MOSAICS HELD_OUT OUT [--without hela02]

REAL holds `mitocheck_cells` and `hela02`; FIT the movies of `benchmarks/fit_likelihoods.py`; MOSAICS and
HELD_OUT clips of different fields, laid out by `benchmarks/mosaic.py`. A third of the plates, what is of 2 Gy
and HELD_OUT are left out of the training and tested on. OUT keeps the pictures, and gets the network.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import appearance_data
import numpy as np
import torch
from appearance_data import Pictures
from torch.nn import functional

from lineage.nuclei import appearance
from lineage.schema import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEPS, BATCH, RATE = 3000, 256, 2e-3
PLATES_ASIDE = 1 / 3
ZOOM, GAMMA, NOISE = 1.25, 1.5, 0.15


def kept(out: Path, name: str, make: Callable[[], Pictures]) -> Pictures:
    """Pictures of one source, made once."""
    file = out / f"{name}.npz"
    if not file.exists():
        found = make()
        np.savez(file, seen=found.seen, may_be=found.may_be, group=found.group)
    read = np.load(file)
    return Pictures(name, read["seen"], read["may_be"], read["group"])


def is_aside(source: str, group: str) -> bool:
    """Whether it is tested on."""
    if source == "mitocheck":
        return int(hashlib.sha256(group.encode()).hexdigest(), 16) % 1000 < 1000 * PLATES_ASIDE
    return source == "held_out" or source.endswith("_2Gy")


def augmented(seen: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """(N, 2, SIDE, SIDE) turned, mirrored, zoomed, brighter, noisier, as the network sees it."""
    n, cut = len(seen), seen.shape[-1]

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=random)

    angle, zoom = uniform(0, 2 * np.pi), ZOOM ** uniform(-1, 1) * appearance.SIDE / cut
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    turn = torch.stack([
        torch.stack([zoom * angle.cos(), -zoom * angle.sin() * mirror, uniform(-0.03, 0.03)], 1),
        torch.stack([zoom * angle.sin(), zoom * angle.cos() * mirror, uniform(-0.03, 0.03)], 1),
    ], 1)  # fmt: skip
    grid = functional.affine_grid(turn, [n, 2, appearance.SIDE, appearance.SIDE], align_corners=False)
    seen = functional.grid_sample(seen, grid, align_corners=False)
    grey, own = seen[:, :1], (seen[:, 1:] > 0.5).float()
    blur = functional.avg_pool2d(grey, 3, 1, 1)
    part = uniform(-0.5, 1).clamp(0)[:, None, None, None]
    grey = (1 - part) * grey + part * blur
    grey = grey.clamp(0) ** (GAMMA ** uniform(-1, 1))[:, None, None, None]
    grey = grey + uniform(0, NOISE)[:, None, None, None] * torch.randn(grey.shape, generator=random)
    mean = (grey * own).sum((2, 3), keepdim=True) / own.sum((2, 3), keepdim=True).clamp(1)
    grey = (grey / mean.clamp(0.05)).clamp(0, appearance.BRIGHTEST)
    return torch.cat([grey, own], 1)


def weights(pictures: list[Pictures]) -> np.ndarray:
    """How often each is drawn: what it may be alike often, and of that every source."""
    keys = [
        (p.source if not p.source.endswith("Gy") else "simulated", row.tobytes())
        for p in pictures for row in p.may_be
    ]  # fmt: skip
    single = {key: np.frombuffer(key[1], bool) for key in set(keys)}
    number = {key: keys.count(key) for key in single}
    share = {}
    for k in range(len(LOOKS)):
        mine = [key for key, may in single.items() if may[k]]
        for key in mine:
            # of a look: as the square root of how many there are, so that a few are not seen for ever
            total = sum(np.sqrt(number[m]) / single[m].sum() for m in mine)
            share[key] = share.get(key, 0) + np.sqrt(number[key]) / single[key].sum() / total
    return np.array([share[key] / number[key] for key in keys])


def fitted(pictures: list[Pictures], *, steps: int, seed: int = 0) -> torch.nn.Sequential:
    """A network trained on them; where several looks are allowed their probabilities are summed."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    seen = torch.from_numpy(np.concatenate([p.seen for p in pictures]))
    may_be = torch.from_numpy(np.concatenate([p.may_be for p in pictures]))
    often = torch.from_numpy(weights(pictures))
    net = appearance.new_network()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step in range(steps):
        i = torch.multinomial(often, BATCH, replacement=True, generator=random)
        logits = net(augmented(seen[i].float(), random)).log_softmax(dim=1)
        loss = -logits.masked_fill(~may_be[i], -torch.inf).logsumexp(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step}: {loss.item():.3f}", flush=True)
    return net.eval()


def judged(net: torch.nn.Sequential, p: Pictures) -> np.ndarray:
    """(N, len(LOOKS)) of pictures as a run would cut them."""
    return appearance.probabilities(appearance.ready(net, torch.device("cpu")), as_cut(p.seen))


def as_cut(seen: np.ndarray) -> np.ndarray:
    """The middle of pictures, (N, 2, SIDE, SIDE) float32, which is what a run cuts out."""
    edge = (seen.shape[-1] - appearance.SIDE) // 2
    inner = slice(edge, edge + appearance.SIDE)
    return seen[:, :, inner, inner].astype(np.float32)


def report(net: torch.nn.Sequential, pictures: Iterable[Pictures]) -> None:
    """What those left out are taken for."""
    for p in pictures:
        found = judged(net, p)
        print(f"\n{p.source}: share that looks most like\n| truly | nuclei | {' | '.join(LOOKS)} |")
        for row in np.unique(p.may_be, axis=0)[::-1]:
            mine = (p.may_be == row).all(axis=1)
            share = np.bincount(found[mine].argmax(axis=1), minlength=len(LOOKS)) / mine.sum()
            name = " or ".join(n for n, may in zip(LOOKS, row, strict=True) if may)
            print(f"| {name} | {mine.sum()} | {' | '.join(f'{s:.2f}' for s in share)} |")


def main() -> None:
    """Gather, train, test, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("real", "fit", "mosaics", "held_out", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--without", nargs="*", default=[], help="sources")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    every = [
        kept(args.out, "mitocheck", lambda: appearance_data.mitocheck(args.real)),
        kept(args.out, "hela02", lambda: appearance_data.hela(args.real)),
        kept(args.out, "mosaics", lambda: appearance_data.mosaics(args.mosaics)),
        kept(args.out, "held_out", lambda: appearance_data.mosaics(args.held_out)),
    ]
    for movie, settings in appearance_data.simulated_movies(args.fit):
        every.append(kept(args.out, movie.stem, lambda m=movie, s=settings: appearance_data.simulated(m, s)))
    for p in every:
        print(
            p.source,
            len(p.seen),
            {
                "+".join(np.array(LOOKS)[r]): int((p.may_be == r).all(1).sum())
                for r in np.unique(p.may_be, axis=0)
            },
            flush=True,
        )
    learnt, tested = [], []
    for p in every:
        aside = np.array([is_aside(p.source, g) for g in p.group], bool) | (p.source in args.without)
        for into, keep in ((learnt, ~aside), (tested, aside)):
            if keep.any():
                into.append(Pictures(p.source, p.seen[keep], p.may_be[keep], p.group[keep]))
    net = fitted(learnt, steps=args.steps)
    report(net, tested)
    name = "_".join(["appearance", *(f"without_{n}" for n in args.without)])
    seen = (as_cut(p.seen[i : i + BATCH]) for p in learnt for i in range(0, len(p.seen), BATCH))
    appearance.save(net, appearance.ranges_of(net, seen), args.out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
