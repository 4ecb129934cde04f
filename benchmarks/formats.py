"""What files of microscopes hold, as it is read: `python benchmarks/formats.py FILE [FILE ...]`.

A row a file, each in a process of its own: positions, and of the first one frames, size, channels, planes
of z (which are projected), units with what was assumed, milliseconds a plane, and how much memory all frames
took beyond the first. What a file leaves open is chosen: the maximum of z, channel 0 for the nuclei.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage.schema import InputError
from lineage.video import open_video, positions

if TYPE_CHECKING:
    from lineage.schema import Video

COLUMNS = (
    "file",
    "positions",
    "frames, y, x",
    "channels",
    "units",
    "ms a plane",
    "memory beyond a frame, MB",
)


def opened(path: Path, **options: Any) -> tuple[Video, dict[str, Any]]:
    """The movie, and what had to be chosen."""
    try:
        return open_video(path, **options), options
    except InputError as error:
        for option, value in (("z", "max"), ("nucleus_channel", 0)):
            if f"--{option.replace('_', '-')}" in str(error) and option not in options:
                return opened(path, **options, **{option: value})
        raise


def row(path: Path) -> str:
    """One line of the table."""
    found = positions(path)
    try:
        video, chosen = opened(path, **({"position": found[0].name} if len(found) > 1 else {}))
    except InputError as error:
        return f"| {path.name} | {len(found)} | refused: {error} | | | | |"
    video.frame(0, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    for t in range(video.n_frames):
        for c in range(len(video.channels)):
            video.frame(t, c)
    each = 1000 * (time.perf_counter() - begun) / (video.n_frames * len(video.channels))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    units = f"{video.pixel_size_um:.4g} um, {video.minutes_per_frame:.4g} min"
    assumed = "; assumed: " * bool(video.assumed) + ", ".join(s.split(":")[0] for s in video.assumed)
    size = f"{video.n_frames}, {video.shape[0]}, {video.shape[1]}" + ", z projected" * ("z" in chosen)
    channels = ", ".join(video.channels)
    return (
        f"| {path.name} | {len(found)} | {size} | {channels} | {units}{assumed} | {each:.1f} | {memory:.0f} |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    if len(args.files) == 1:
        print(row(args.files[0]))
    else:
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
        for file in args.files:
            subprocess.run([sys.executable, __file__, str(file)], check=False)
