"""Copy the clips of one held-out fold: `python benchmarks/holdout.py CLIPS OUT --fold K --folds 4`.

OUT gets NormalMitosis/ and AbnormalMitosis/ with links to the clips that a model trained with
`--hold-out-fold K --folds 4` has not seen; with `--rest`, to the ones that it has.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from classifier.data import CLASS_FOLDERS, find_clips, folds


def main() -> None:
    """Parse, split, link."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--rest", action="store_true", help="all clips but the fold's")
    args = parser.parse_args()
    clips = find_clips(args.clips)
    for folder in CLASS_FOLDERS:
        (args.out / folder).mkdir(parents=True)
    chosen = (folds(clips, args.folds) == args.fold) != args.rest
    for clip, taken in zip(clips, chosen, strict=True):
        if taken:
            (args.out / clip.path.parent.name / clip.path.name).symlink_to(clip.path.resolve())
    print(f"{chosen.sum()} clips -> {args.out}")


if __name__ == "__main__":
    main()
