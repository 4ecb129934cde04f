"""What somebody else made is harmless: by kind of file, what could be in it, and what happens.

docs/lab/security.md lists it. Damage at random is in `test_fuzz.py`, the server's side of the review in
`test_review_server.py`.
"""

from __future__ import annotations

import ast
import csv
import json
import pickle
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest
import tifffile
import video_files
from drawn_run import DIVIDES_AT, FRAMES, SIDE, _mask
from pages import Page
from typer.testing import CliRunner

from lineage.config import Config
from lineage.config import read as read_settings
from lineage.io.files import read_table, write_table
from lineage.io.integrity import dumps, read_record
from lineage.io.spreadsheets import bare, guarded
from lineage.progress import Screen, printable
from lineage.run import run
from lineage.schema import InputError
from lineage.video import open_video
from lineage.video.formats import positions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.io.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
STARDIST = Path(__file__).parent / "fixtures" / "stardist" / "grid4"
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    + "]>"
)
DEEP = "[" * 100_000
SCRIPT = "<script>alert(1)</script>"
FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "\uff1d1+1",
    "a;=1+1",
)


class Touch:
    """What runs when it is unpickled: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def refusal(call: Callable[[], object], words: str) -> None:
    """The call is refused in one line."""
    with pytest.raises(InputError, match=words) as refused:
        call()
    assert "\n" not in str(refused.value)


# --- Weights


def test_a_pickle_given_as_weights_is_not_unpickled(tmp_path: Path) -> None:
    import torch

    from classifier import checkpoint
    from lineage.stardist import model

    run_ = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Touch(run_)))
    assert run_.exists()  # so it would
    run_.unlink()
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps(Touch(run_)))
    torch.save({"a": Touch(run_)}, tmp_path / "b.safetensors")
    shutil.copytree(model.find("sir-dna"), tmp_path / "model")
    for name in "ab":
        file = tmp_path / f"{name}.safetensors"
        refusal(lambda file=file: checkpoint.load(file), "is damaged or not a classifier's")
        shutil.copy(file, tmp_path / "model" / "weights.safetensors")
        refusal(lambda: model.load(tmp_path / "model"), "is damaged; copy the model's folder again")
    assert not run_.exists()


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**62) + b"{}",
        (lambda h: struct.pack("<Q", len(h)) + h + b"1234")(
            b'{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}'
        ),
        (lambda h: struct.pack("<Q", len(h)) + h)(b'{"a":' + DEEP.encode()),
    ],
    ids=["a header larger than the file", "a shape larger than memory", "deep nesting"],
)
def test_a_header_of_safetensors_that_claims_too_much_is_refused(tmp_path: Path, content: bytes) -> None:
    from classifier import checkpoint

    (tmp_path / "a.safetensors").write_bytes(content)
    refusal(lambda: checkpoint.load(tmp_path / "a.safetensors"), "is damaged or not a classifier's")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"hidden": 10**6}}, "of another version of the network"),
        ({"members": 10**9}, "of another version of the network"),
        ({"classes": [SCRIPT, "abnormal"]}, "is damaged or not a classifier's"),
        ({"classes": ["normal", "abnormal"] * 10**5}, "is damaged or not|another version"),
        (DEEP, "is damaged or not a classifier's"),
    ],
    ids=["a network larger than memory", "very many networks", "HTML as a class", "many classes", "nesting"],
)
def test_the_card_of_a_classifier_cannot_ask_for_more_than_its_weights(
    tmp_path: Path, changes: Any, words: str
) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    from classifier import checkpoint, predict

    with safe_open(predict.BUNDLED, "pt") as file:
        header = dict(file.metadata())
    header["card"] = changes if isinstance(changes, str) else json.dumps(json.loads(header["card"]) | changes)
    save_file(load_file(predict.BUNDLED), tmp_path / "a.safetensors", metadata=header)
    refusal(lambda: checkpoint.load(tmp_path / "a.safetensors"), words)


@pytest.mark.parametrize("what", ["measure", "left"])
def test_trees_that_point_outside_their_arrays_are_refused(tmp_path: Path, what: str) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    from classifier import checkpoint, predict

    with safe_open(predict.BUNDLED, "pt") as file:
        header = file.metadata()
    tensors = load_file(predict.BUNDLED)
    tensors[f"forest.{what}"][:] = 10**6
    save_file(tensors, tmp_path / "a.safetensors", metadata=header)
    refusal(lambda: checkpoint.load(tmp_path / "a.safetensors"), "is damaged .its forest")


def _first_dataset(group: Any) -> tuple[Any, str] | None:
    import h5py

    for name, item in group.items():
        if isinstance(item, h5py.Dataset):
            return group, name
        if found := _first_dataset(item):
            return found
    return None


@pytest.mark.parametrize("kind", ["external link", "raw file", "virtual", "huge", "group"])
def test_keras_weights_that_are_elsewhere_or_too_many_are_refused(tmp_path: Path, kind: str) -> None:
    import h5py

    from lineage.stardist import keras

    folder = shutil.copytree(STARDIST, tmp_path / "model")
    keras.read(folder)
    other = tmp_path / "other.h5"
    with h5py.File(next(folder.glob("*.h5")), "a") as file:
        group, name = _first_dataset(file) or (None, "")
        shape = group[name].shape
        del group[name]
        with h5py.File(other, "w") as of_another:
            of_another["w"] = np.zeros(shape, np.float32)
        if kind == "external link":
            group[name] = h5py.ExternalLink(str(other), "/w")
        elif kind == "raw file":
            raw = [(str(other), 0, 4 * int(np.prod(shape)))]
            group.create_dataset(name, shape, np.float32, external=raw)
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, np.float32)
            layout[:] = h5py.VirtualSource(str(other), "w", shape)
            group.create_virtual_dataset(name, layout)
        elif kind == "huge":
            group.create_dataset(name, (3, 3, 10**6, 10**6), np.float32, chunks=(3, 3, 100, 100))
        else:
            group.create_group(name)
    refusal(lambda: keras.read(folder), "cannot be read as the weights of a Keras model")


@pytest.mark.parametrize(
    "config",
    [
        {"unet_activation": "lambda x: __import__('os').system('true')"},
        {"unet_n_filter_base": 10**9},
        {"unet_n_depth": 10**6},
        DEEP,
        '{"n_rays": ' + "9" * 10_000 + "}",
    ],
    ids=["code", "filters", "depth", "nesting", "digits"],
)
def test_settings_of_a_keras_model_are_data(tmp_path: Path, config: Any) -> None:
    from lineage.stardist import keras

    folder = shutil.copytree(STARDIST, tmp_path / "model")
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(json.loads(path.read_text()) | config))
    refusal(lambda: keras.read(folder), "this reader wants|is damaged")


def test_a_zip_of_stardist_is_taken_by_its_checksum_and_unpacked_by_name_alone(tmp_path: Path) -> None:
    import zipfile

    from lineage.stardist import official

    folder = tmp_path / "models" / "2D_demo"
    folder.parent.mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member in ("../../config.json", "/thresholds.json", "../../evil.py", "x/weights_best.h5"):
            archive.writestr(member, "{}")
    official._unzip(tmp_path / "a.zip", folder)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        f"models/2D_demo/{name}" for name in ("config.json", "thresholds.json", "weights_best.h5")
    ]
    assert all(len(digest) == 64 for digest in official.NAMES.values())


# --- XML


def _ome(path: Path, description: str) -> Path:
    tifffile.imwrite(
        path, video_files.movie()[:, 1], description=description, metadata=None, photometric="minisblack"
    )
    return path


def test_ome_xml_that_defines_entities_is_refused(tmp_path: Path) -> None:
    path = _ome(tmp_path / "m.ome.tif", f"{LAUGHS}<OME>&a11;</OME>")
    refusal(lambda: open_video(path), "XML that defines entities")
    companion = tmp_path / "m.companion.ome"
    companion.write_text(f"{LAUGHS}<OME>&a11;</OME>")
    refusal(lambda: open_video(companion), "XML that defines entities")


def test_an_external_document_type_is_not_fetched(tmp_path: Path) -> None:
    gone = tmp_path / "never-read.dtd"
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    path = _ome(tmp_path / "m.ome.tif", f'<!DOCTYPE OME SYSTEM "{gone.as_uri()}"><OME xmlns="{schema}"/>')
    assert open_video(path, **video_files.UNITS).n_frames == 12
    path = _ome(
        tmp_path / "n.ome.tif", f'<!DOCTYPE OME [<!ENTITY e SYSTEM "{path.as_uri()}">]><OME>&e;</OME>'
    )
    refusal(lambda: open_video(path), "XML that defines entities")


def test_ome_xml_of_more_planes_than_any_movie_has_is_refused(tmp_path: Path) -> None:
    described = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="40" SizeY="48" SizeC="1" '
        'SizeZ="1" SizeT="2000000000">'
        "<TiffData/></Pixels></Image></OME>"
    )
    path = _ome(tmp_path / "m.ome.tif", described)
    refusal(lambda: open_video(path), "describes 2000000000 x 1 x 1 planes")


@pytest.mark.parametrize(
    "name", ["../secret.tif", "/etc/passwd", "C:\\secret.tif", "a/../../b.tif", "a\x1b.tif"]
)
def test_a_set_of_files_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    import containers

    document = containers.write_ome_files(
        tmp_path / "set", containers.fields()[:1], ["a"], companion=True, plate=False
    )
    assert open_video(document).n_frames == containers.N_FRAMES
    escaped = name.replace("\x1b", "&#x85;")
    text = document.read_text().replace("set_s0_c0.ome.tif", escaped)
    document.write_text(text, encoding="utf-8")
    refusal(lambda: open_video(document), "which is not in its folder")


def test_names_in_a_file_never_become_paths(tmp_path: Path) -> None:
    import containers

    path = containers.write_ome_series(
        tmp_path / "m.ome.tif", containers.fields()[:3], ["../../x", "/etc/y", "a\\..\\b"]
    )
    found = positions(path)
    assert len(found) == 3
    for position in found:
        assert Path(position.name).name == position.name
        assert not set(position.name) & set('/\\:*?"<>|\0\n\x1b')


@pytest.mark.parametrize("kind", ["CZI", "LIF", "GraphML"])
def test_other_xml_with_entities_is_refused(tmp_path: Path, kind: str) -> None:
    from defusedxml import DefusedXmlException

    from lineage.export import graphml
    from lineage.video.zeiss_metadata import read_xml

    if kind == "CZI":
        with pytest.raises(DefusedXmlException):
            read_xml(f"{LAUGHS}<ImageDocument>&a11;</ImageDocument>")
    elif kind == "LIF":
        pytest.importorskip("liffile")
        text = f"{LAUGHS}<LMSDataContainerHeader>&a11;</LMSDataContainerHeader>".encode("utf-16-le")
        block = struct.pack("<BI", 0x2A, len(text) // 2) + text
        (tmp_path / "m.lif").write_bytes(struct.pack("<II", 0x70, len(block)) + block)
        refusal(lambda: open_video(tmp_path / "m.lif"), "is damaged or cut short")
    else:
        (tmp_path / "a.graphml").write_text(f"{LAUGHS}<graphml>&a11;</graphml>")
        refusal(lambda: graphml.read(tmp_path / "a.graphml"), "is not a GraphML file")


def test_a_czi_that_counts_more_attachments_than_it_has_is_read_on_at_once(tmp_path: Path) -> None:
    from lineage.video.zeiss_metadata import time_stamps

    content = bytearray(600)
    struct.pack_into("<q", content, 32 + 72, 200)  # where the directory of attachments lies
    struct.pack_into("<i", content, 200 + 32, 2**31 - 1)  # how many it counts
    (tmp_path / "m.czi").write_bytes(content)
    assert time_stamps(tmp_path / "m.czi") == ()


# --- Zarr


@pytest.fixture
def ngff(tmp_path: Path) -> Path:
    path = video_files.write_ngff(tmp_path / "m.zarr", video_files.movie(), 2)
    assert open_video(path).n_frames == 12
    video_files.write_ngff(tmp_path / "secret.zarr", video_files.movie(), 2)
    return path


def _edit(path: Path, change: Callable[[Any], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


@pytest.mark.parametrize(
    "up", ["../secret.zarr/0", "/secret.zarr/0", "..\\secret.zarr\\0", "0/../../secret.zarr/0"]
)
def test_an_image_lies_in_its_store(ngff: Path, up: str) -> None:
    _edit(ngff / ".zattrs", lambda a: a["multiscales"][0]["datasets"][0].update(path=up))
    refusal(lambda: open_video(ngff), "is no OME-Zarr image, or it is damaged")


def test_a_field_of_a_plate_lies_in_its_store(tmp_path: Path) -> None:
    import containers

    path = containers.write_ngff_plate(tmp_path / "p.zarr", containers.fields())
    video_files.write_ngff(tmp_path / "secret.zarr", video_files.movie(), 2)
    _edit(path / "A" / "1" / ".zattrs", lambda a: a["well"]["images"][0].update(path="../../../secret.zarr"))
    refusal(lambda: open_video(path, position="0"), "is no OME-Zarr image, or it is damaged")
    _edit(path / ".zattrs", lambda a: a["plate"]["wells"][0].update(path="../secret.zarr"))
    refusal(lambda: positions(path), "is no OME-Zarr image, or it is damaged")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [10**12, 2, 1, 48, 40]}, "by its own description its axes are 1000000000000 T"),
        ({"shape": [12, 2, 1, 10**7, 10**7]}, "by its own description its axes are"),
        ({"shape": [12, 2, 1, 10**4, 10**4], "chunks": [1, 1, 1, 1, 1]}, "has 2400000000 chunks"),
        ({"chunks": [1, 1, 1, 10**7, 10**7]}, "chunks of 100000000000000 bytes"),
        ({"shape": [-12, 2, 1, 48, 40]}, "or it is damaged"),
        ({"dtype": "|O", "filters": [{"id": "pickle"}]}, "or it is damaged"),
        ({"dtype": "|O", "object_codec_id": "pickle"}, "or it is damaged"),
    ],
    ids=[
        "frames",
        "pixels",
        "number of chunks",
        "size of chunks",
        "negative",
        "pickle filter",
        "pickle codec",
    ],
)
def test_what_a_zarr_says_of_itself_is_checked_before_memory_is_asked_for(
    ngff: Path, changes: dict[str, Any], words: str
) -> None:
    _edit(ngff / "0" / ".zarray", lambda a: a.update(changes))
    refusal(lambda: open_video(ngff), words)


def test_masks_in_a_zarr_are_checked_likewise(tmp_path: Path) -> None:
    import zarr

    from lineage.nuclei.masks import open_masks

    zarr.create_array(tmp_path / "m.zarr", shape=(10**6, 10**5, 10**5), chunks=(1, 10**5, 10**5), dtype="u2")
    refusal(lambda: open_masks(tmp_path / "m.zarr", n_frames=12, shape=(48, 40)), "is damaged")


def test_a_chunk_that_would_unpack_to_far_more_than_its_pixels_is_refused(ngff: Path) -> None:
    _edit(ngff / "0" / ".zarray", lambda a: a.update(compressor={"id": "zlib", "level": 1}))
    bomb = zlib.compress(bytes(2**25), 1)
    assert len(bomb) > 2**17  # of pixels that are 1,920 bytes
    (ngff / "0" / "0.0.0.0.0").write_bytes(bomb)
    refusal(lambda: open_video(ngff), "has .* bytes, more than its pixels")


def test_deeply_nested_attributes_are_one_line(ngff: Path) -> None:
    (ngff / ".zattrs").write_text(DEEP)
    refusal(lambda: open_video(ngff), "is no OME-Zarr image, or it is damaged")


# --- TIFF


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A plain TIFF, a directory a frame, a strip a plane."""
    path = tmp_path / "m.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in video_files.movie()[:, 1]:
            tif.write(
                frame, contiguous=False, metadata=None, photometric="minisblack", compression="zlib",
                rowsperstrip=48,
            )  # fmt: skip
    assert open_video(path).n_frames == 12
    return path


def _set_tag(path: Path, name: str, value: int) -> None:
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for page in tif.pages:
            tag = page.tags[name]
            form, most = ("<H", 2**16 - 1) if tag.dtype == 3 else ("<I", 2**32 - 1)
            struct.pack_into(form, content, tag.valueoffset, min(value, most))
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("tag", "value"),
    [("ImageLength", 2**31), ("SamplesPerPixel", 2**15), ("BitsPerSample", 2**15), ("StripOffsets", 2**32)],
)
def test_absurd_numbers_in_a_tiff_are_one_line(pages: Path, tag: str, value: int) -> None:
    _set_tag(pages, tag, value)
    refusal(lambda: open_video(pages).frame(0, 0), "damaged or cut short|RGB|cannot be read|grey values")


@pytest.mark.parametrize("to", [0, 3], ids=["the first", "itself"])
def test_directories_in_a_loop_end(pages: Path, to: int) -> None:
    content = bytearray(pages.read_bytes())
    with tifffile.TiffFile(pages) as tif:
        offsets = [page.offset for page in tif.pages]
    (n_tags,) = struct.unpack_from("<H", content, offsets[3])
    struct.pack_into("<I", content, offsets[3] + 2 + 12 * n_tags, offsets[to])
    pages.write_bytes(content)
    refusal(lambda: open_video(pages), "the directory after image .* is not there")


def test_a_negative_offset_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, video_files.movie()[:, 1], bigtiff=True, photometric="minisblack", metadata=None)
    content = bytearray(path.read_bytes())
    struct.pack_into("<q", content, 8, -8)
    path.write_bytes(content)
    refusal(lambda: open_video(path), "damaged or cut short|not a TIFF")


def test_a_strip_is_unpacked_to_its_own_pixels_and_no_further(pages: Path) -> None:
    import tracemalloc

    bomb = zlib.compress(bytes(2**26), 1)
    content = pages.read_bytes() + bomb
    at = len(content) - len(bomb)
    pages.write_bytes(content)
    _set_tag(pages, "StripOffsets", at)
    _set_tag(pages, "StripByteCounts", len(bomb))
    tracemalloc.start()
    refusal(lambda: open_video(pages).frame(3, 0), "frame [03] cannot be read")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25


# --- Settings and plate maps


@pytest.mark.parametrize(
    "text",
    [
        f"a = {'[' * 5000}",
        "a = " + "\n".join("[" * 5000),
        ".".join("a" * 100_000) + " = 1",
        f"dose_gy = {'9' * 5000}",
        "dose_gy = 1e400",
        "dose_gy = nan",
        "[segment]\nworkers = 100000000",
        "[quality]\nwindow_frames = 99999999999999",
        '"__class__" = 1',
    ],
    ids=["nesting", "nesting over lines", "a key of many parts", "digits", "infinite", "nan", "processes",
         "frames", "names of Python"],
)  # fmt: skip
def test_settings_that_no_person_writes_are_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    refusal(lambda: read_settings(path, {}), "is not TOML|setting|too long for settings")


PLATE = "movie,run_folder,experiment_date,plate,well,position,dose_gy,cell_line,treatment"


def _plate(
    folder: Path, movie: str = "m.tif", run_folder: str = "m.lineage", cell_line: str = "U251"
) -> Path:
    video_files.write_imagej(folder / "m.tif", video_files.movie())
    with (folder / "map.csv").open("w", newline="") as file:
        row = [movie, run_folder, "2026-01-01", "P1", "A1", "1", "2", cell_line, "none"]
        csv.writer(file).writerows([PLATE.split(","), row])
    return folder / "map.csv"


@pytest.mark.parametrize(
    "name",
    ["../m.lineage", "/tmp/m.lineage", "a/m.lineage", "..\\m.lineage", "C:m.lineage", "a\x1b[31m.lineage",
     "a\n.lineage", "..lineage", "a" * 300 + ".lineage", "m.lineage/..", "\u202em.lineage"],
)  # fmt: skip
def test_a_plate_map_cannot_name_a_run_folder_elsewhere(tmp_path: Path, name: str) -> None:
    from pipelines import platemap

    assert len(platemap.check(_plate(tmp_path)).movies) == 1
    with pytest.raises(InputError, match=r"(?s)run_folder = .*wanted a name such as"):
        platemap.check(_plate(tmp_path, run_folder=name))


@pytest.mark.parametrize(
    "movie",
    ["http://example.org/m.tif", "file:///etc/passwd", "/etc/passwd", "\x01.tif", "~/m.tif", "|m.tif"],
)
def test_a_movie_in_a_plate_map_is_a_file_on_this_machine(tmp_path: Path, movie: str) -> None:
    from pipelines import platemap

    with pytest.raises(InputError, match=r"is not there|is not an image"):
        platemap.check(_plate(tmp_path, movie=movie))
    path = _plate(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"m.tif", b"m\0.tif"))
    refusal(lambda: platemap.check(path), "is no UTF-8 text")


def test_lines_of_corrections_from_elsewhere_are_data(tmp_path: Path) -> None:
    from lineage.corrections import journal

    path = tmp_path / "corrections.jsonl"
    line = '{"id":"%s","at":"","who":"%s","what":"no_division","mother":{"frame":%s,"y_px":1,"x_px":1}}'
    good = line % ("0" * 32, "anna", 1)
    bad = [
        DEEP,
        line % ("a" * 10**6, "anna", 1),
        line % ("../../x".ljust(32, "0"), "anna", 1),
        line % ("1" * 32, "a" * 10**6, 1),
        line % ("2" * 32, "\\u001b[2J", 1),
        line % ("3" * 32, "anna", "9" * 5000),
        line % ("4" * 32, "anna", 10**15),
    ]
    path.write_text("\n".join([*bad, good, "\x00\xff"]) + "\n", encoding="utf-8")
    found = journal.read(path)
    assert [x.id for x in found.lines] == ["0" * 32]
    assert found.unreadable == (*range(1, len(bad) + 1), len(bad) + 2)


# --- Text in terminals


def test_a_name_cannot_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202e[bold]b"
    Screen().log(evil)
    shown = capsys.readouterr().out
    assert "[bold]" in shown  # nor does it set the type of what follows
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert printable("two\nlines, µm, 細胞") == "two\nlines, µm, 細胞"


def test_an_error_about_a_file_cannot_either(tmp_path: Path) -> None:
    from lineage.command import app

    path = tmp_path / "a\x1b[2J.tif"
    path.write_bytes(b"no image")
    result = CliRunner().invoke(app, [str(path)])
    assert result.exit_code == 2
    assert "\\x1b[2J.tif is not an image" in result.output
    assert "\x1b" not in result.output


# --- Formulas in tables


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_runs_no_text_of_a_table(tmp_path: Path, text: str) -> None:
    assert _is_run(text)  # without the rule
    text = text.replace("\r", "\n")
    table = pd.DataFrame({"a": [-1.5, 2.0], "b": [text, "plain"], text: ["-2", ""]})
    path = tmp_path / "a.csv"
    write_table(table, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for cell in (cell for row in rows for cell in row):
        assert not _is_run(cell), cell
    assert rows[1][::2] == ["-1.5", "-2"]  # numbers stay numbers
    pd.testing.assert_frame_equal(read_table(path, text=("b", text)), table)


def _is_run(cell: str) -> bool:
    """Whether a spreadsheet might take a cell, or what follows a separator in it, for a formula."""
    parts = cell.replace("\t", ";").replace("\r", ";").replace("\n", ";").split(";")
    try:
        float(cell)
    except ValueError:
        return any(
            part.strip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
            for part in parts
        )
    return False


def test_what_is_guarded_is_read_back_as_it_was() -> None:
    parts = ("=", "'", " ", "a", "-", "1", "\t", ";", "\n")
    texts = ["".join(t) for n in range(5) for t in _words(parts, n)]
    assert len(texts) == sum(9**n for n in range(5))
    for text in texts:
        assert bare(guarded(text)) == text
        assert not _is_run(guarded(text)), repr(text)


def _words(parts: tuple[str, ...], n: int) -> list[tuple[str, ...]]:
    from itertools import product

    return list(product(parts, repeat=n))


def test_every_table_is_written_by_the_rule() -> None:
    """What writes a CSV in the packages guards it, or holds numbers and words of our own alone."""
    own_words_alone = {"lineage/simulate/truth.py", "lineage/export/ctc.py"}
    writers = set()
    for package in ("lineage", "classifier", "pipelines"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            names = {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}
            if names & {"to_csv", "writer", "DictWriter"} and (
                "csv.writer" in text or "csv.Dict" in text or "to_csv" in text
            ):
                writers.add(file.relative_to(ROOT).as_posix())
                guards = "guarded" in text
                assert guards or file.relative_to(ROOT).as_posix() in own_words_alone, file
    assert "lineage/io/files.py" in writers
    assert own_words_alone <= writers


def test_a_drafted_plate_map_is_read_back(tmp_path: Path) -> None:
    from pipelines import filenames, platemap
    from pipelines.sheet import read_sheet

    folder = tmp_path / "-movies"
    folder.mkdir()
    video_files.write_imagej(folder / "=U251 4Gy.tif", video_files.movie())
    filenames.write(filenames.draft(folder), folder / "plate.csv", folder=folder)
    with (folder / "plate.csv").open(newline="") as file:
        assert not any(_is_run(cell) for row in csv.reader(file) for cell in row)
    assert read_sheet(folder / "plate.csv").rows[0].cells["movie"] == "=U251 4Gy.tif"
    line = platemap.check(_plate(tmp_path, cell_line="=U251"))
    assert line.table["cell_line"].tolist() == ["=U251"]


# --- Names in what people open: a run, its page and its exports


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a movie with names that try everything: of the file, and of a further channel."""
    folder = tmp_path_factory.mktemp("hostile")
    masks = np.stack([_mask(t) for t in range(FRAMES)]).astype(np.uint16)
    rng = np.random.default_rng(5)
    dna = np.where(masks > 0, 900, 100) + rng.normal(0, 20, masks.shape)
    dna[DIVIDES_AT - 2 : DIVIDES_AT][masks[DIVIDES_AT - 2 : DIVIDES_AT] == 5] += 1500
    pixels = np.stack([rng.normal(500, 20, masks.shape), dna, dna / 2], axis=1).astype(np.uint16)
    movie = folder / f"={SCRIPT.replace('/', '&')}'\"(a,b);[c].tif"
    assert pixels.shape[-1] == SIDE
    video_files.write_ome(movie, pixels, names=("phase", "SiR-DNA", escape(f"=cmd;{SCRIPT}'&")))
    tifffile.imwrite(folder / "masks.tif", masks)
    out = folder / "m.lineage"
    settings = Config(labels=folder / "masks.tif", segment={"measure": (2,)})
    run(movie, out, settings, screen=Screen(quiet=True))
    return out


def test_tables_of_such_a_run_hold_no_formula_and_no_markup_is_run(hostile: Path) -> None:
    tables = sorted(hostile.rglob("*.csv"))
    assert len(tables) >= 8
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            assert not any(_is_run(cell) for row in csv.reader(file) for cell in row), path
    page = Page((hostile / "report.html").read_text(encoding="utf-8"))
    assert "alert(1)" in page.text
    assert len(page.having("script")) == 1  # the page's own
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert not any(
            (attributes.get(k) or "").strip().lower().startswith("javascript:") for k in ("href", "src")
        )


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("graphml", "a.graphml"),
        ("trackmate", "a.xml"),
        ("newick", "a.nwk"),
        ("nhx", "a.nhx"),
        ("csv", "tables"),
    ],
)
def test_exports_of_such_a_run_are_read_back(hostile: Path, tmp_path: Path, command: str, name: str) -> None:
    from lineage.export.__main__ import app

    result = CliRunner().invoke(app, [command, str(hostile), str(tmp_path / name)])
    assert result.exit_code == 0, result.output
    if name.endswith(("xml", "graphml")):
        root = ElementTree.parse(tmp_path / name).getroot()
        assert not [e for e in root.iter() if "script" in e.tag.lower()]
    elif command in ("newick", "nhx"):
        for tree in (tmp_path / name).read_text(encoding="utf-8").splitlines():
            assert tree.count("(") == tree.count(")")
            assert tree.endswith(";")
            assert tree.count(";") == 1
    else:
        for path in (tmp_path / name).glob("*.csv"):
            with path.open(newline="", encoding="utf-8") as file:
                assert not any(_is_run(cell) for row in csv.reader(file) for cell in row), path


def test_tables_of_a_run_of_others_are_exported_by_the_rule(hostile: Path, tmp_path: Path) -> None:
    from lineage.export import csv as export

    copy = shutil.copytree(hostile, tmp_path / "m.lineage")
    text = (copy / "events.csv").read_text(encoding="utf-8")
    assert ",division," in text
    (copy / "events.csv").write_text(text.replace(",division,", ",=1+1,"), encoding="utf-8")
    export.copy(copy, tmp_path / "out")
    assert ",'=1+1," in (tmp_path / "out" / "events.csv").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "lineages.csv").read_bytes() == (copy / "lineages.csv").read_bytes()


@pytest.fixture(scope="module")
def hostile_plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysis of a plate whose cell line, treatment and note try everything, $ of mathtext included."""
    from dose_plates import write_plate

    from pipelines.dose.__main__ import app

    folder = tmp_path_factory.mktemp("plate")
    plate = write_plate(folder / "runs", doses=(0, 4), wells=2, founders=4, frames=60)
    names = {"cell_line": f"=U251{SCRIPT}", "treatment": "+$\\frac{$ <b onload=x>&\"'", "note": "@SUM(1)"}
    write_table(plate.assign(**names), folder / "runs" / "plate.csv")
    result = CliRunner().invoke(app, [str(folder / "runs"), "--out", str(folder / "out")])
    assert result.exit_code == 0, result.output
    return folder / "out"


def test_names_in_a_plate_map_stay_names_in_the_dose_report(hostile_plate: Path) -> None:
    page = Page((hostile_plate / "dose_report.html").read_text(encoding="utf-8"))
    assert f"=U251{SCRIPT}" in page.text
    assert not page.having("script")
    assert not [1 for _, a in page.elements if any(name.startswith("on") for name in a)]
    for path in (hostile_plate / "figures").glob("*.svg"):
        assert not [e for e in ElementTree.parse(path).iter() if e.tag.endswith("script")]
    tables = sorted(hostile_plate.rglob("*.csv"))
    assert len(tables) > 20
    texts = set()
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            cells = {cell for row in csv.reader(file) for cell in row}
        texts |= cells
        assert not any(map(_is_run, cells)), path
    assert f"'=U251{SCRIPT}" in texts


def test_names_stay_names_on_the_evaluations_page_and_the_classifiers() -> None:
    """Both are made by templates that escape what they are given; what they take as it is, is drawn by us."""
    import re

    from classifier import page as of_classifier
    from lineage.report.page import template
    from pipelines.report import page as of_dose

    environments = [template("evaluation.html.j2").environment, of_dose.template().environment]
    assert all(e.autoescape is True for e in environments)
    assert "autoescape=True" in Path(of_classifier.__file__).read_text(encoding="utf-8")
    for environment in environments:
        shown = environment.from_string("<p title='{{ name }}'>{{ name }}</p>").render(name=f"'{SCRIPT}")
        assert Page(shown).elements == [("p", {"title": f"'{SCRIPT}"})]
    drawn = {
        "card.strip", "chart", "drawing", "f.svg", "figure.svg", "reliability", "strip.figure.svg",
        "subtypes",
    }  # fmt: skip
    for path in [p for d in ("lineage", "classifier", "pipelines") for p in (ROOT / d).rglob("*.j2")]:
        for name in re.findall(r"{{\s*([^}|]+?)\s*\|\s*safe", path.read_text(encoding="utf-8")):
            assert name in drawn or re.match(r"sign[.\[]", name), (path.name, name)


# --- Run folders that somebody else made


@pytest.fixture
def given(hostile: Path, tmp_path: Path) -> Path:
    """A copy of the run, its movie and masks, in a folder with something precious."""
    for path in hostile.parent.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
    precious = tmp_path / "precious"
    (precious / "nuclei").mkdir(parents=True)
    (precious / "quality.csv").write_text("mine")
    (precious / "nuclei" / "thesis.txt").write_text("mine")
    return tmp_path / hostile.name


def _again(out: Path, **changes: Any) -> RunFolder:
    movie = next(p for p in out.parent.iterdir() if p.name.startswith("="))
    settings = Config(labels=out.parent / "masks.tif", segment={"measure": (2,)})
    return run(movie, out, settings, screen=Screen(quiet=True), **changes)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["stages", "labels.zarr", "crops", "events.csv", "corrections.jsonl"])
def test_a_link_out_of_a_run_folder_is_refused_and_nothing_behind_it_changes(
    given: Path, name: str, overwrite: bool
) -> None:
    precious = given.parent / "precious"
    target = precious if (given / name).is_dir() else precious / "quality.csv"
    path = given / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    refusal(lambda: _again(given, overwrite=overwrite), "is a link to .*, outside the run folder")
    assert sorted(p.name for p in precious.rglob("*")) == ["nuclei", "quality.csv", "thesis.txt"]
    assert {p.read_text() for p in precious.rglob("*.*")} == {"mine"}


def test_paths_in_run_json_are_never_written_to_nor_deleted(given: Path) -> None:
    record = read_record(given)
    for stage in record["stages"].values():
        stage["files"] = ["../precious/quality.csv", str(given.parent / "precious"), "../../../../dev/zero"]
        stage["sums"] = {}
    record["stages"]["../../precious"] = {"key": "", "files": ["../precious/nuclei"]}
    record["settings"]["classify"] = {"model": "../precious/quality.csv"}
    (given / "run.json").write_text(dumps(record), encoding="utf-8")
    _again(given)
    precious = given.parent / "precious"
    assert {p.read_text() for p in precious.rglob("*.*")} == {"mine"}
    assert len(list(precious.rglob("*"))) == 3
    _again(given, overwrite=True)
    assert {p.read_text() for p in precious.rglob("*.*")} == {"mine"}


def test_corrections_are_never_added_to_a_file_behind_a_link(tmp_path: Path) -> None:
    from lineage.corrections import journal
    from lineage.corrections.lines import make

    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "corrections.jsonl").symlink_to(tmp_path / "mine.txt")
    line = make({"what": "no_death", "nucleus": {"frame": 1, "y_px": 1, "x_px": 1}}, who="anna")
    refusal(lambda: journal.append(tmp_path / "corrections.jsonl", line), "is a link")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_deeply_nested_run_json_is_one_line(given: Path) -> None:
    (given / "run.json").write_text('{"format": "lineage-run", "a": ' + DEEP)
    refusal(lambda: read_record(given), "is damaged")
