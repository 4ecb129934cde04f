"""A word (auto, cpu, cuda, cuda:1, mps) -> where torch computes; a GPU's failure -> one line."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

AUTO, CPU = "auto", "cpu"
WORDS = r"auto|cpu|mps|cuda(:\d+)?"
DRIVERS = (
    "/dev/nvidiactl",
    "/dev/kfd",
    "/dev/dxg",
)  # of NVIDIA, AMD and Windows' Linux, where there is a GPU
HELP = "where torch computes: auto (a GPU if there is one), cpu, cuda, cuda:1, mps (Apple's GPU)"


@lru_cache
def device_of(word: str) -> torch.device:
    """Where torch computes.

    Args:
        word: `cpu`; `cuda`, the first of NVIDIA's GPUs (or AMD's, with torch for ROCm); `cuda:1`, the second;
            `mps`, Apple's; `auto`, the first of `cuda` and `mps` that works, else `cpu`.

    Raises:
        InputError: no such word, or no such device.
    """
    import torch

    if not re.fullmatch(WORDS, word):
        raise InputError(f"device {word}: wanted auto, cpu, cuda, cuda:1, ... or mps")
    if word == CPU:
        return torch.device(CPU)
    found = gpus()
    if word == AUTO:
        return torch.device(next(filter(works, found), CPU))
    wanted = "cuda:0" if word == "cuda" else word
    if wanted not in found:
        here = ", ".join((CPU, *found))
        raise InputError(
            f"device {word} is not there: torch {torch.__version__} finds {here}; give --device {CPU} or "
            "auto, or install a torch for this GPU and its driver"
        )
    return torch.device(wanted)


def is_there(word: str) -> bool:
    """Whether a device is one that torch finds here."""
    try:
        device_of(word)
    except InputError:
        return False
    return True


def gpus() -> list[str]:
    """The GPUs that torch finds, as words."""
    import torch

    cuda = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def works(word: str) -> bool:
    """Whether a GPU computes a convolution; one that is too old for this torch, or full, does not."""
    import torch

    try:
        x = torch.ones((1, 1, 8, 8), device=word)
        return bool(torch.nn.functional.conv2d(x, x[..., :3, :3]).cpu().eq(9).all())
    except RuntimeError:
        return False


def may_be_gpu(word: str) -> bool:
    """Whether it could be a GPU, without loading torch; `auto` could where the system has a driver of one.

    Args:
        word: as `device_of` knows it.
    """
    if word != AUTO:
        return word != CPU
    return sys.platform != "linux" or any(Path(name).exists() for name in DRIVERS)


def is_gpu(word: str) -> bool:
    """Whether it is a GPU that computes."""
    return may_be_gpu(word) and device_of(word).type != CPU


def description(word: str) -> str:
    """The device, with a GPU's name, for a run's record."""
    if not may_be_gpu(word):
        return CPU
    import torch

    device = device_of(word)
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


@contextmanager
def computing(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """The same numbers each time on one GPU, and a line in place of its errors.

    Args:
        device: that the block computes on.
        tf32: allow convolutions of 10 bits where float32 has 23.

    Raises:
        InputError: the GPU failed; most often its memory ran out.
    """
    import torch

    flags = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=tf32)
    with flags, one_line_failures(device):
        yield


@contextmanager
def one_line_failures(device: torch.device) -> Iterator[None]:
    """A line in place of a GPU's errors; on the processor an error is one of the program, and stays as it is.

    Args:
        device: that the block computes on.

    Raises:
        InputError: the GPU failed; most often its memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if device.type == CPU:
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        what = "has too little free memory" if "out of memory" in reason else "failed"
        raise InputError(
            f"the GPU {device} {what} ({reason}): give the same command again with --device {CPU}, or when "
            "no other program uses the GPU"
        ) from error
