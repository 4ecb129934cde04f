"""Every kind of input that the commands read: a small whole one, how it is read, by which command."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))  # small worlds, movies and plates are drawn there

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[Path, Path], Sequence[object]]

N_FRAMES, SIDE = 12, 48
ND2 = ROOT / "shared" / "data" / "real" / "containers" / "cluster.nd2"
KERAS = ROOT / "tests" / "fixtures" / "stardist" / "grid4"
UNITS = {"pixel_size_um": 1.0, "minutes_per_frame": 10.0}
IN_TEXT = ("--pixel-size-um", 1, "--minutes-per-frame", 10)


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    A case is a folder with `in`, which is damaged, `whole`, which is not, and, made by what reads, `out`.
    """

    name: str
    make: Callable[[Path], None]  # writes `in` and `whole` of a case
    read: Callable[[Path], str]  # a case -> a digest of all that was read
    command: Callable[[Path], Sequence[object]] | None = None  # the words of the real command after python -m
    lines: bool = False  # its refusals may have a line for each mistake
    goes_on: bool = False  # what was finished before a refusal is kept


def digest(*parts: Any) -> str:
    """One word for arrays, texts, numbers, and what holds them."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.shape} {part.dtype}".encode() + np.ascontiguousarray(part).tobytes())
        elif isinstance(part, bytes):
            total.update(part)
        elif isinstance(part, list | tuple):
            total.update(digest(*part).encode())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()[:16]


def of_files(folder: Path, *, without: tuple[str, ...] = ()) -> str:
    """Of a folder's files, or of one file."""
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else [folder]
    return digest(*((str(p.relative_to(folder)), p.read_bytes()) for p in files if p.name not in without))


# --- Movies


def pixels(n_frames: int = N_FRAMES, side: int = SIDE) -> np.ndarray:
    """(T, 2, Y, X) uint8: phase contrast, and nuclei on black."""
    rng = np.random.default_rng(0)
    frames = np.stack(
        [rng.normal(120, 15, (n_frames, side, side)), rng.normal(10, 1, (n_frames, side, side))], axis=1
    )
    for y, x in ((5, 6), (5, 30), (20, 15), (33, 8), (38, 33)):
        frames[:, 1, y : y + 6, x : x + 6] = 180
    return frames.clip(0, 255).astype(np.uint8)


def _write_plain(path: Path, **options: Any) -> None:
    tifffile.imwrite(path, pixels(), photometric="minisblack", metadata={"axes": "TCYX"}, **options)


def _write_folder(path: Path) -> None:
    path.mkdir()
    for t, frame in enumerate(pixels()):
        tifffile.imwrite(path / f"t{t:03d}.tif", frame, photometric="minisblack")


def _movie_writers() -> dict[str, tuple[str, Callable[[Path], object]]]:
    """Format -> name of the movie, and what writes it."""
    import video_files

    stack = pixels()
    writers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "TIFF": ("m.tif", _write_plain),
        "TIFF, zlib": ("m.tif", partial(_write_plain, compression="zlib")),
        "BigTIFF": ("m.tif", partial(_write_plain, bigtiff=True)),
        "BigTIFF, tiled, LZW": (
            "m.tif", partial(_write_plain, bigtiff=True, compression="lzw", tile=(16, 16)),
        ),
        "OME-TIFF": ("m.ome.tif", lambda p: video_files.write_ome(p, stack)),
        "ImageJ": ("m.tif", lambda p: video_files.write_imagej(p, stack)),
        "folder of TIFFs": ("frames", _write_folder),
        "OME-Zarr, Zarr 2": ("m.zarr", lambda p: video_files.write_ngff(p, stack, 2)),
        "OME-Zarr, Zarr 3": ("m.zarr", lambda p: video_files.write_ngff(p, stack, 3)),
        "ND2": ("m.nd2", lambda p: video_files.write_nd2(p, stack.astype(np.uint16), ("phase", "SiR-DNA"))),
    }  # fmt: skip
    if ND2.exists():
        writers["ND2, of a microscope"] = ("m.nd2", lambda p: shutil.copyfile(ND2, p))
    return writers


def _movies() -> list[Kind]:
    kinds = []
    for name, (file, write) in _movie_writers().items():

        def make(case: Path, file: str = file, write: Callable[[Path], object] = write) -> None:
            write(case / "in" / file)

        def read(case: Path, file: str = file) -> str:
            from lineage.video import open_video

            video = open_video(case / "in" / file)
            facts = (video.n_frames, video.shape, video.channels, video.nucleus, video.phase)
            units = (video.pixel_size_um, video.minutes_per_frame)
            frames = [video.frame(t, c) for t in range(video.n_frames) for c in range(len(video.channels))]
            return digest(facts, units, frames)

        def command(case: Path, file: str = file) -> Sequence[object]:
            return ("lineage.run", case / "in" / file, "--out", case / "out")

        kinds.append(Kind(f"movie: {name}", make, read, command))
    return kinds


# --- Masks


def masks() -> np.ndarray:
    """(T, Y, X) uint16, five nuclei."""
    from skimage.measure import label

    return np.stack([label(frame[1] > 100) for frame in pixels()]).astype(np.uint16)


def _write_mask_folder(path: Path) -> None:
    path.mkdir()
    for t, mask in enumerate(masks()):
        tifffile.imwrite(path / f"mask{t:03d}.tif", mask, compression="zlib")


def _write_mask_zarr(path: Path, zarr_format: Any) -> None:
    import zarr

    stack = masks()
    array = zarr.create_array(
        path, shape=stack.shape, chunks=(1, *stack.shape[1:]), dtype=stack.dtype, zarr_format=zarr_format
    )
    array[:] = stack


def _masks() -> list[Kind]:
    writers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "stack": ("masks.tif", lambda p: tifffile.imwrite(p, masks(), photometric="minisblack")),
        "stack, zlib": (
            "masks.tif", lambda p: tifffile.imwrite(p, masks(), photometric="minisblack", compression="zlib"),
        ),
        "folder": ("masks", _write_mask_folder),
        "Zarr 2": ("masks.zarr", partial(_write_mask_zarr, zarr_format=2)),
        "Zarr 3": ("masks.zarr", partial(_write_mask_zarr, zarr_format=3)),
    }  # fmt: skip

    def read(case: Path, file: str) -> str:
        from lineage.nuclei.masks import as_video, open_masks

        path = case / "in" / file
        video = as_video(path, **UNITS)
        found = open_masks(path, n_frames=N_FRAMES, shape=(SIDE, SIDE))
        frames = [(found(t), video.frame(t, 0)) for t in range(video.n_frames)]
        return digest(video.n_frames, video.shape, frames)

    return [
        Kind(
            f"masks: {name}",
            lambda case, file=file, write=write: write(case / "in" / file),
            partial(read, file=file),
            lambda case, file=file: (
                "lineage.run", "--labels", case / "in" / file, "--out", case / "out", *IN_TEXT,
            ),
        )
        for name, (file, write) in writers.items()
    ]  # fmt: skip


# --- Clips, images with masks, mosaics' tables


def _clip(seed: int) -> np.ndarray:
    """(12, 2, 32, 32) uint8."""
    return np.random.default_rng(seed).integers(1, 255, (12, 2, 32, 32)).astype(np.uint8)


def _write_clips(case: Path) -> None:
    for k, name in enumerate(("NormalMitosis", "AbnormalMitosis")):
        folder = case / "in" / name
        folder.mkdir()
        for n in range(2):
            path = folder / f"{2 * k}Gy_p{n + 1}_{10 * n}-{10 * n + 11}.tif"
            phase, dna = _clip(10 * k + n).swapaxes(0, 1)
            if n:  # as the paper has them, and as ours are
                tifffile.imwrite(path, np.stack([dna, phase, phase], -1), photometric="rgb")
            else:
                tifffile.imwrite(path, _clip(10 * k + n), imagej=True, metadata={"axes": "TCYX"})


def _read_clips(case: Path) -> str:
    from classifier.data import find_clips
    from classifier.pixels import normalised, read_clip

    clips = find_clips(case / "in")
    return digest(
        *((c.path.name, c.label, c.field) for c in clips),
        *(normalised(read_clip(c.path), side_px=32, normalisation="percentiles") for c in clips),
    )


def _write_training(case: Path) -> None:
    for name in ("images", "masks"):
        (case / "in" / name).mkdir()
    for t in range(4):
        tifffile.imwrite(case / "in" / "images" / f"{t}.tif", pixels()[t, 1], compression="zlib")
        tifffile.imwrite(case / "in" / "masks" / f"{t}.tif", masks()[t])


def _read_training(case: Path) -> str:
    from lineage.stardist import data

    pairs = data.read_folders(case / "in" / "images", case / "in" / "masks")
    rng = np.random.default_rng(0)
    shown = [data.patch(pair, rng, 64) for pair in pairs]
    targets = [data.targets(mask, 8, 2) for _, mask in shown]
    return digest(data.digest(pairs), *shown, *targets)


def _read_images(case: Path) -> str:
    """As `predict` reads them, but the network is asked for none of them."""
    from lineage.stardist import images, model

    network = model.load(model.BUNDLED)
    return digest(*(images.read(p, network) for p in sorted((case / "in" / "images").glob("*.tif"))))


def _write_mosaic(case: Path) -> None:
    from lineage.evaluate.mosaic import MOSAIC_COLUMNS

    rows = [(f"c{n}.tif", "normal" if n % 2 else "abnormal", 5 * n, 5 * n + 12, 20 * n, 20 * n, 99, 99)
            for n in range(6)]  # fmt: skip
    with (case / "in" / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([MOSAIC_COLUMNS, *rows])
    _write_world(case / "whole")


def _read_mosaic(case: Path) -> str:
    from lineage.evaluate.evaluate import evaluate_mosaic

    return digest(
        evaluate_mosaic(
            case / "whole" / "a.lineage", case / "in" / "m.csv", out=case / "out" / "m.csv", overwrite=False,
            screen=screen(),
        )
    )  # fmt: skip


# --- Models


def _read_stardist(case: Path) -> str:
    from lineage.stardist import model
    from lineage.stardist.predict import predict

    loaded = model.load(case / "in" / "model")
    weights = [value.numpy() for value in loaded.network.state_dict().values()]
    known = (loaded.prob_threshold, loaded.nms_threshold, loaded.normalisation, loaded.diameters_px)
    labels, probability = predict(loaded, pixels()[0, 1])
    return digest(known, loaded.half, *weights, labels, probability)


def _write_classifier(case: Path) -> None:
    from classifier.predict import BUNDLED

    shutil.copyfile(BUNDLED, case / "in" / "model.safetensors")
    (case / "whole" / "clips").mkdir()
    tifffile.imwrite(case / "whole" / "clips" / "clip.tif", _clip(0), imagej=True, metadata={"axes": "TCYX"})


def _read_classifier(case: Path) -> str:
    from classifier.predict import load, row

    classifier = load(case / "in" / "model.safetensors")
    weights = [value.numpy() for m in classifier.models for value in m.state_dict().values()]
    clip = row(case / "whole" / "clips" / "clip.tif", classifier)
    return digest(clip, asdict(classifier.card), *weights)


# --- Tables that people write


def _write_two_movies(case: Path) -> None:
    import plates

    for n in range(2):
        plates.write_movie(case / "whole" / f"U251_{4 * n}Gy_p{n}.tif", seed=n)


def _rows(case: Path) -> list[dict[str, Any]]:
    return [
        {
            "movie": str(case / "whole" / f"U251_{4 * n}Gy_p{n}.tif"), "experiment_date": "2026-01-05",
            "plate": "P1", "well": f"A{n + 1}", "position": "1", "dose_gy": 4.0 * n, "cell_line": "U251",
            "treatment": "none", "nucleus_channel": 1,
        }
        for n in range(2)
    ]  # fmt: skip


def _write_plate_csv(case: Path) -> None:
    _write_two_movies(case)
    rows = _rows(case)
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    (case / "in" / "plate.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in table))


def _write_plate_toml(case: Path) -> None:
    _write_two_movies(case)
    lines = ['cell_line = "U251"', 'plate = "P1"']
    for row in _rows(case):
        lines += [
            "[[movies]]",
            *(f"{k} = {json.dumps(v)}" for k, v in row.items() if k not in ("cell_line", "plate")),
        ]
    (case / "in" / "plate.toml").write_text("\n".join(lines) + "\n")


def _read_plate(case: Path, name: str) -> str:
    from pipelines import platemap

    checked = platemap.check(case / "in" / name)
    return digest(checked.table.to_csv(), [(m.path, m.run_folder, m.config) for m in checked.movies])


SETTINGS = """dose_gy = 4.0
[video]
nucleus_channel = 1
pixel_size_um = 1.1518
[segment]
model = "sir-dna"
workers = 1
[crop]
size_px = 96
"""
SIMULATED = 'frames = 20\nsize = 128\nfounders = 3\ndose_gy = 4.0\ncell_line = "PC3"\nseed = 3\n'
PROFILE = (
    'jobs = 4\ncores = 2\nmemory = "8GB"\nwalltime = "12:00:00"\npartition = "short"\ndirectives = ["--x"]\n'
)


def _read_settings(case: Path) -> str:
    from lineage import config

    return digest(config.read(case / "in" / "s.toml", {"dose_gy": 4.0}).model_dump_json())


def _read_simulated(case: Path) -> str:
    from lineage.simulate.__main__ import read

    return digest(read(case / "in" / "s.toml", {"dose_gy": 4.0}))


def _read_profile(case: Path) -> str:
    from pipelines.slurm_profile import read_profile

    return digest(read_profile(case / "in" / "s.toml").model_dump_json())


def _write_reviewed(case: Path) -> None:
    """A sample that two people judged."""
    import dose_plates

    from lineage.corrections import sample
    from lineage.corrections.lines import Event, Nucleus

    folder = case / "in" / "sample"
    folder.mkdir(parents=True)
    events = [Event(mother=Nucleus(frame=n, y_px=n, x_px=2 * n), frame=n + 1) for n in range(40)]
    items = [
        sample.Item(movie=f"A{n % 6 + 1}_p1", event_id=n, event=e, side_um=60.0) for n, e in enumerate(events)
    ]
    (folder / sample.RECORD).write_text(sample.dumps(sample.Sample(items=tuple(items))))
    classes = ("normal", "abnormal", "not_a_mitosis")
    for who, shift in (("anna", 0), ("ben", 9)):
        dose_plates.judge(folder, who, [(n, classes[(n + (n < shift)) % 3]) for n in range(40)])


def _read_reviewed(case: Path) -> str:
    from pipelines.dose import reviewed

    found = reviewed.read(case / "in" / "sample")
    return digest(found.record(), [(m, str(e), c) for m, es in found.classes.items() for e, c in es.items()])


# --- Truths and runs


def screen() -> Any:
    """A screen that nobody looks at."""
    from lineage.progress import Screen

    shown = Screen()
    shown.console.file = io.StringIO()
    return shown


def _write_world(folder: Path) -> None:
    """`a.lineage` and `a.truth`: two generations, and a second founder."""
    import folders
    import worlds

    lineage = worlds.as_lineage(worlds.two_generations())
    folders.write_run(folder / "a.lineage", lineage)
    folders.write_truth(folder / "a.truth", lineage)


def _write_truth(case: Path) -> None:
    _write_world(case / "whole")
    shutil.move(case / "whole" / "a.truth", case / "in" / "a.truth")


def _evaluated(run: Path, truth: Path, out: Path) -> str:
    from lineage.evaluate.evaluate import evaluate

    with redirect_stdout(io.StringIO()):
        evaluate(run, truth, out=out / "page.html", overwrite=False, screen=screen())
    return of_files(out)


def _read_truth(case: Path) -> str:
    return _evaluated(case / "whole" / "a.lineage", case / "in" / "a.truth", case / "out")


def _write_run(case: Path) -> None:
    """A real run of a real movie with masks; its truth, and a plate map that names it."""
    import plates

    from lineage import config
    from lineage.run import run

    movie = plates.write_movie(case / "whole" / "m.tif")
    given = {"labels": str(movie.with_suffix(".masks.tif")), "video.nucleus_channel": 1, "dose_gy": 0.0}
    with redirect_stdout(io.StringIO()):
        run(movie, case / "in" / "m.lineage", config.read(None, given), screen=screen())
    _write_plate_of_runs(case)


def _write_judged_run(case: Path) -> None:
    """A run with a person's verdict on its first mitosis."""
    from lineage.corrections import journal
    from lineage.corrections.events import listed, named
    from lineage.corrections.lines import make
    from lineage.io.files import read_table

    _write_run(case)
    run = case / "in" / "m.lineage"
    events = read_table(run / "events.csv", text=("daughter_ids", "event_type"))
    mitosis = listed(events[events["event_type"] == "mitosis"].iloc[:1])
    (event,) = named(mitosis, read_table(run / "detections.csv", text=("state",))).values()
    said = {"what": "verdict", "event": event.model_dump(), "verdict": "normal"}
    journal.append(run / journal.NAME, make(said, who="anna"))


def _write_plate_of_runs(case: Path) -> None:
    header = "movie,run_folder,experiment_date,plate,well,position,dose_gy,cell_line,treatment"
    row = "/movies/m.tif,m.lineage,2026-01-05,P1,A01,1,0,U251,none"
    (case / "whole" / "plate.csv").write_text(f"{header}\n{row}\n")


def _write_run_and_truth(case: Path) -> None:
    """The truth of a run is the run itself."""
    from lineage.export import ctc, graphml
    from lineage.io import labels

    _write_run(case)
    run, truth = case / "in" / "m.lineage", case / "whole" / "m.truth"
    tracked = labels.open_array(run / "labels.zarr", labels.TRACKED)
    ctc.write(graphml.read(run / "lineage.graphml"), tracked, truth)
    tra = (truth / ctc.RESULT).rename(truth / "TRA")
    (tra / "res_track.txt").rename(tra / "man_track.txt")
    for mask in tra.glob("mask*.tif"):
        mask.rename(tra / mask.name.replace("mask", "man_track"))


def _read_evaluated(case: Path) -> str:
    return _evaluated(case / "in" / "m.lineage", case / "whole" / "m.truth", case / "out")


def _read_exported(case: Path, form: str) -> str:
    from lineage.export import __main__ as export

    out = case / f"out.{form}"
    with redirect_stdout(io.StringIO()):
        getattr(export, form)(case / "in" / "m.lineage", out)
    return of_files(out)


def _read_predicted(case: Path) -> str:
    from classifier.predict import main

    with redirect_stdout(io.StringIO()):
        main(case / "in" / "m.lineage", case / "out.csv", model=None, overwrite=False, debug=False)
    return of_files(case / "out.csv")


def _read_corrected(case: Path) -> str:
    from classifier.corrected import corrected
    from classifier.pixels import read_clip

    clips = corrected(case / "in" / "m.lineage")
    return digest(*((c.path.name, c.label, c.field, read_clip(c.path)) for c in clips))


def _run_again(case: Path) -> None:
    from lineage import config
    from lineage.run import run

    movie = case / "whole" / "m.tif"
    given = {"labels": str(movie.with_suffix(".masks.tif")), "video.nucleus_channel": 1, "dose_gy": 0.0}
    run(movie, case / "in" / "m.lineage", config.read(None, given), screen=screen())


def _read_run_again(case: Path) -> str:
    _run_again(case)
    # When each stage ran, and how long it took, is no result.
    return of_files(case / "in" / "m.lineage", without=("run.json", "report.html"))


def _read_plate_again(case: Path) -> str:
    """What `pipelines.plate run` reads of a run folder before and after a worker had it."""
    from pipelines.plate import Outcome, stages_of, warnings_of
    from pipelines.platemap import Movie

    run = case / "in" / "m.lineage"
    before = stages_of(run)
    _run_again(case)
    movie: Any = Movie(case / "whole" / "m.tif", "m.lineage", None, 14, (72, 72))  # type: ignore[arg-type]
    warnings = warnings_of([Outcome(movie, None, was_done=stages_of(run) == before)], case / "in")
    return digest(warnings)


def _collected(folder: Path) -> str:
    from dataclasses import fields

    from pipelines.dose import collect, movies
    from pipelines.report.words import run_records

    found, missing = movies.find(folder, movies.read_map(folder))
    tables = collect.together([collect.collect(movies.read(root, row)) for root, row in found])
    versions = [movies.run_versions(root) for root, _ in found]
    records = [r["video"] for r in run_records(root for root, _ in found)]
    values = [getattr(tables, f.name).to_csv() for f in fields(tables)]
    return digest(missing, versions, records, values)


def _write_dose(case: Path) -> None:
    _write_run(case)
    shutil.copyfile(case / "whole" / "plate.csv", case / "in" / "plate.csv")


def _write_simulated_dose(case: Path) -> None:
    import dose_plates
    import pandas as pd

    from lineage.mitosis.crops import name

    dose_plates.write_plate(case / "in", doses=(0, 8), wells=1, founders=4, frames=73)
    for run in (case / "in").glob("*.lineage"):
        (run / "crops").mkdir()
        for event in pd.read_csv(run / "events.csv")["event_id"]:
            tifffile.imwrite(run / "crops" / name(event), _clip(int(event)).astype(np.uint16))


def _read_sample(case: Path) -> str:
    from pipelines.dose.sample import candidates, draw, write

    write(draw(candidates(case / "in", None), each=2, seed=1), case / "out" / "sample", lambda *_: None)
    return of_files(case / "out" / "sample")


def kinds() -> list[Kind]:
    """All of them."""
    run, dose = "in/m.lineage", "pipelines.dose"
    again = ("lineage.run", "{}/whole/m.tif", "--labels", "{}/whole/m.masks.tif", "--nucleus-channel", 1)
    return [
        *_movies(),
        *_masks(),
        Kind("clips", _write_clips, _read_clips, _words("classifier.predict", "{}/in", "--out",
             "{}/out.csv")),
        Kind(
            "images and masks to train on", _write_training, _read_training,
            _words("lineage.stardist", "train", "{}/in/images", "{}/in/masks", "--out", "{}/out",
                   "--steps", 1, "--batch", 1, "--size", 64, "--filters", 4, "--depth", 1, "--aside", 0.5),
        ),
        Kind(
            "images to find nuclei in", _write_training, _read_images,
            _words("lineage.stardist", "predict", "{}/in/images", "{}/out", "--workers", 1),
            goes_on=True,  # labels of the images before the damaged one
        ),
        Kind("table of a mosaic", _write_mosaic, _read_mosaic),
        Kind(
            "StarDist model, ours", _write_stardist, _read_stardist,
            _words("lineage.stardist", "predict", "{}/whole/images", "{}/out", "--model", "{}/in/model"),
        ),
        Kind("StarDist model, Keras", _write_keras, _read_stardist),
        Kind(
            "classifier", _write_classifier, _read_classifier,
            _words("classifier.predict", "{}/whole/clips", "--out", "{}/out.csv", "--model",
                   "{}/in/model.safetensors"),
        ),
        Kind("truth", _write_truth, _read_truth,
             _words("lineage.evaluate", "{}/whole/a.lineage", "{}/in/a.truth", "--out", "{}/out.html")),
        Kind("plate map, CSV", _write_plate_csv, partial(_read_plate, name="plate.csv"),
             _words("pipelines.plate", "run", "{}/in/plate.csv", "--out", "{}/out", "--workers", 1),
             lines=True),
        Kind("plate map, TOML", _write_plate_toml, partial(_read_plate, name="plate.toml"), lines=True),
        Kind("settings of a run", _write_text(SETTINGS), _read_settings,
             _words("lineage.run", "{}/whole/none.tif", "--config", "{}/in/s.toml")),
        Kind("settings of the simulator", _write_text(SIMULATED), _read_simulated,
             _words("lineage.simulate", "{}/out.tif", "--config", "{}/in/s.toml")),
        Kind("profile of SLURM", _write_text(PROFILE), _read_profile),
        Kind("reviewed events", _write_reviewed, _read_reviewed),
        Kind("run: gone on with", _write_run, _read_run_again,
             _words(*again, "--dose-gy", 0, "--out", "{}/" + run), goes_on=True),
        Kind("run: of a plate", _write_run, _read_plate_again, goes_on=True),
        Kind("run: evaluated", _write_run_and_truth, _read_evaluated,
             _words("lineage.evaluate", "{}/" + run, "{}/whole/m.truth", "--out", "{}/out.html")),
        *(
            Kind(f"run: exported, {form}", _write_run, partial(_read_exported, form=form),
                 _words("lineage.export", form, "{}/" + run, "{}/out." + form))
            for form in ("csv", "ctc", "graphml", "geff", "nhx")
        ),
        Kind("run: classified", _write_run, _read_predicted,
             _words("classifier.predict", "{}/" + run, "--out", "{}/out.csv")),
        Kind("run: learned from", _write_judged_run, _read_corrected),
        Kind("run: dose", _write_dose, lambda case: _collected(case / "in"),
             _words(dose, "{}/in", "--out", "{}/out"), lines=True),
        Kind("simulated runs: dose", _write_simulated_dose, lambda case: _collected(case / "in"),
             _words(dose, "{}/in", "--out", "{}/out"), lines=True),
        Kind("simulated runs: sample", _write_simulated_dose, _read_sample,
             _words(dose, "sample", "{}/in", "--out", "{}/out/sample", "--each", 2), lines=True),
    ]  # fmt: skip


def _words(*words: object) -> Command:
    """The words of a command, `{}` being the case's folder."""
    return lambda case: [str(w).format(case) for w in words]


def _write_text(text: str) -> Callable[[Path], None]:
    def write(case: Path) -> None:
        (case / "in" / "s.toml").write_text(text)

    return write


def _write_stardist(case: Path) -> None:
    from lineage.stardist import model

    shutil.copytree(model.find(model.BUNDLED), case / "in" / "model")
    (case / "whole" / "images").mkdir()
    tifffile.imwrite(case / "whole" / "images" / "0.tif", pixels()[0, 1])


def _write_keras(case: Path) -> None:
    shutil.copytree(KERAS, case / "in" / "model", ignore=shutil.ignore_patterns("truth.npz"))
