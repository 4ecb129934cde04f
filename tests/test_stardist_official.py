"""StarDist's own models are downloaded once, checked, and unzipped; without a network, one clear line."""

import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lineage.schema import InputError
from lineage.stardist import keras, official

FIXTURE = Path(__file__).parent / "fixtures" / "stardist" / "grid2"
NAME = "2D_demo"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def release(tmp_path, monkeypatch) -> Iterator[str]:
    """The address of a server on this machine, with a zip file that stands in for StarDist's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "served").mkdir()
    path = tmp_path / "served" / f"python_{NAME}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "thresholds.json", "weights_best.h5"):
            archive.write(FIXTURE / name, f"any/folder/{name}")
        archive.writestr("../../escaped.txt", "out of the folder")
        archive.writestr("any/__MACOSX/._config.json", "?")
    monkeypatch.setitem(official.NAMES, NAME, hashlib.sha256(path.read_bytes()).hexdigest())
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_addresses_are_those_that_the_stardist_package_has():
    package = Path(__import__("stardist").__file__).parent
    registered = (package / "models" / "__init__.py").read_text()
    for name, digest in official.NAMES.items():
        assert f"'{official.RELEASE}python_{name}.zip', '{digest}'" in registered


def test_a_model_is_downloaded_once(release, tmp_path):
    cache = tmp_path / "cache"
    folder = official.fetch(NAME, cache=cache, release=release)
    assert folder == cache / NAME
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "thresholds.json", "weights_best.h5"]
    assert keras.read(folder)[0] == keras.read(FIXTURE)[0]
    assert [p.name for p in cache.iterdir()] == [NAME]
    assert not list(tmp_path.rglob("escaped.txt"))
    assert official.fetch(NAME, cache=cache, release="http://127.0.0.1:9/") == folder


def test_what_stardist_did_not_publish_is_not_unzipped(release, tmp_path, monkeypatch):
    monkeypatch.setitem(official.NAMES, NAME, "0" * 64)
    with pytest.raises(InputError, match=r"python_2D_demo.zip is not what StarDist published .*SHA-256"):
        official.fetch(NAME, cache=tmp_path / "cache", release=release)
    assert not (tmp_path / "cache" / NAME).exists()


@pytest.mark.parametrize("missing", ["nowhere/", None])
def test_without_a_network_the_line_says_what_to_put_where(release, tmp_path, missing):
    address = f"{release}{missing}" if missing else "http://127.0.0.1:9/"
    cache = tmp_path / "cache"
    with pytest.raises(InputError) as error:
        official.fetch(NAME, cache=cache, release=address)
    assert str(error.value) == (
        f"{address}python_2D_demo.zip cannot be reached; download it where there is a network, and unzip it "
        f"into {cache / NAME}"
    )


def test_a_folder_put_there_by_hand_is_taken(tmp_path):
    (tmp_path / NAME).mkdir()
    assert official.fetch(NAME, cache=tmp_path) == tmp_path / NAME


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"no model '2D_best'; .* are 2D_versatile_fluo, .*2D_demo"):
        official.fetch("2D_best")
