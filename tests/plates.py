"""Small movies with their masks, and plate maps of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

N_FRAMES, SIDE = 14, 72
DIVIDES_AT = 7
HEADER = "movie,experiment_date,plate,well,position,dose_gy,cell_line,treatment"


def write_movie(path: Path, *, seed: int = 0) -> Path:
    """Three still nuclei, of which one divides; STEM.masks.tif beside it holds their outlines."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    dna = np.zeros((N_FRAMES, SIDE, SIDE))
    masks = np.zeros((N_FRAMES, SIDE, SIDE), np.uint16)
    for t in range(N_FRAMES):
        apart = 6 + 0.5 * (t - DIVIDES_AT)
        middle = [(36, 36, 6)] if t < DIVIDES_AT else [(36, 36 - apart, 4.2), (36, 36 + apart, 4.2)]
        for label, (cy, cx, r) in enumerate([(14, 14, 6), (58, 16, 6), *middle], 1):
            inside = np.hypot(y - cy, x - cx) <= r
            dna[t][inside] = 120
            masks[t][inside] = label
    dna += rng.normal(20, 2, dna.shape)
    pixels = np.stack([rng.normal(100, 3, dna.shape), dna], 1).clip(0, 255).astype(np.uint8)
    labels = {"Labels": ["phase", "SiR-DNA"] * N_FRAMES}
    tifffile.imwrite(
        path,
        pixels,
        imagej=True,
        resolution=(1, 1),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, **labels},
    )
    tifffile.imwrite(path.with_suffix(".masks.tif"), masks, photometric="minisblack")
    return path


def write_plate(path: Path, *rows: str, header: str = HEADER) -> Path:
    """A CSV."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


SBATCH = r"""#!/bin/sh
here=$(dirname "$0")
if [ "$1" = --version ]; then exit; fi
if [ -e "$here/refused" ]; then cat "$here/refused" >&2; exit 1; fi
cat > "$here/job.$$"
if [ ! -e "$here/held" ]; then
    SLURM_JOB_ID=$$ setsid sh -c 'sh "$0"; rm "$0"' "$here/job.$$" > "$here/out.$$" 2>&1 &
    echo $! > "$here/pid.$$"
fi
echo $$
"""
SQUEUE = r"""#!/bin/sh
here=$(dirname "$0")
for job in $(grep -ls "^#SBATCH -J $3\$" "$here"/job.*); do
    id=${job##*.}
    if [ -e "$here/pid.$id" ]; then echo "$id RUNNING None"; else echo "$id PENDING $(cat "$here/held")"; fi
done
"""
SCANCEL = r"""#!/bin/sh
here=$(dirname "$0")
if [ "$1" = --name ]; then set -- $(grep -ls "^#SBATCH -J $2\$" "$here"/job.* | sed "s/.*\\.//"); fi
for id; do
    if [ -e "$here/pid.$id" ]; then kill -- "-$(cat "$here/pid.$id")"; fi
    rm "$here/job.$id"
done
"""


def write_slurm(folder: Path) -> Path:
    """A stand-in for SLURM's commands: a job begins at once, and is there as long as `job.NUMBER` is.

    A file `held` keeps new jobs waiting, for the reason in it; one called `refused` holds why none is taken.
    """
    folder.mkdir()
    for name, script in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder
