"""`mitosis COMMAND ...`: every command of the toolkit under one name."""

from __future__ import annotations

import runpy
import sys

# Name -> the module that `python -m` runs, and what it does.
COMMANDS = {
    "run": ("lineage.run", "a movie -> its annotated lineage, tables and report"),
    "review": ("lineage.review", "a run, or all of a plate, looked at and corrected in the browser"),
    "plate": ("pipelines.plate", "a plate map -> a run folder for each movie"),
    "dose": ("pipelines.dose", "run folders and a plate map -> what a dose does"),
    "evaluate": ("lineage.evaluate", "a run against ground truth"),
    "simulate": ("lineage.simulate", "a movie of irradiated cells whose truth is known"),
    "export": ("lineage.export", "a run -> GraphML, GEFF, Newick, ImageJ, a film, CSV, ..."),
    "predict": ("classifier.predict", "crops of mitoses -> normal or abnormal"),
    "train": ("classifier.train", "labelled clips -> a classifier"),
    "nuclei": ("lineage.stardist", "images -> label images of nuclei; training of the network"),
}


def usage() -> str:
    """What `mitosis` alone prints."""
    lines = [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: mitosis COMMAND ...", "", *lines, "", "mitosis COMMAND --help says more."])


def main() -> None:
    """Hand over to the command's module."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name == "--version":
        from lineage import __version__

        sys.stdout.write(f"mitosis-lineage {__version__}\n")
    elif name in ("--help", "-h"):
        sys.stdout.write(usage() + "\n")
    elif name not in COMMANDS:
        sys.stderr.write(f"error: there is no command {name}; there are {', '.join(COMMANDS)}\n")
        raise SystemExit(2)
    else:
        sys.argv = [f"mitosis {name}", *sys.argv[2:]]
        runpy.run_module(COMMANDS[name][0], run_name="__main__")


if __name__ == "__main__":
    main()
