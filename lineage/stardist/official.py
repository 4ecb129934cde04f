"""The name of one of StarDist's own 2D models -> its folder, downloaded once."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from lineage.schema import InputError

RELEASE = "https://github.com/stardist/stardist-models/releases/download/v0.1/"
# SHA-256 of `python_NAME.zip`. Source: stardist 0.9.2, stardist/models/__init__.py.
NAMES = {
    "2D_versatile_fluo": "4ad678d0758eed6e55625f1b5ae30771e59adb79f1239e09b9772eac8846c3dd",
    "2D_versatile_he": "f1696ef0631bd7e1c0e5c0d3017e2b4c6a95e284c6aab9c22fc2f08317817b28",
    "2D_paper_dsb2018": "4c11cf68512341d9e8ce3d1278c64ceb8ac400582739f85fcab079a2e82840d2",
    "2D_demo": "a1efaebd7103db6236655bf158b6e21cf5b38d58ec77a509802244a89a260fa4",
}
FILES = ("config.json", "thresholds.json", "weights_*.h5")
TIMEOUT_S = 30


def fetch(name: str, *, cache: Path | None = None, release: str = RELEASE) -> Path:
    """Find the folder of one of StarDist's models; it is downloaded if it is not there yet.

    Args:
        name: one of NAMES.
        cache: where the folders are kept; None is the user's cache folder.
        release: the address below which the zip files lie.

    Returns:
        A folder that `lineage.stardist.keras.read` reads.

    Raises:
        InputError: no such name, no network, or a download that is not what StarDist published.
    """
    import pooch

    if name not in NAMES:
        raise InputError(f"StarDist has no model {name!r}; its 2D models are {', '.join(NAMES)}")
    folder = (cache or Path(pooch.os_cache("mitosis-lineage")) / "stardist") / name
    if not folder.exists():
        _unzip(_download(f"{release}python_{name}.zip", NAMES[name], folder), folder)
    return folder


def _download(address: str, digest: str, folder: Path) -> Path:
    import pooch
    from requests import RequestException

    name, get = f"{folder.name}.zip", pooch.HTTPDownloader(timeout=TIMEOUT_S)
    try:
        path = pooch.retrieve(address, f"sha256:{digest}", name, folder.parent, downloader=get)
    except RequestException as error:
        if error.response is not None:  # pooch leaves it open
            error.response.close()
        raise InputError(
            f"{address} cannot be reached; download it where there is a network, and unzip it into {folder}"
        ) from error
    except ValueError as error:  # pooch, of the digest
        raise InputError(
            f"what came from {address} is not what StarDist published (its SHA-256 differs); try again, or "
            f"unzip a good copy into {folder}"
        ) from error
    return Path(path)


def _unzip(path: Path, folder: Path) -> None:
    """Unpack the model's files, whatever folders they are in; all of them or nothing."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        unzipped = Path(scratch) / folder.name
        unzipped.mkdir()
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                file = PurePosixPath(member).name
                if any(fnmatch(file, pattern) for pattern in FILES):
                    with archive.open(member) as source, (unzipped / file).open("wb") as target:
                        shutil.copyfileobj(source, target)
        unzipped.rename(folder)
    path.unlink()
