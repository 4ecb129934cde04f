"""The name or address of published weights -> their tensors, checked by their hash."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

from lineage.schema import InputError

if TYPE_CHECKING:
    import torch

    from classifier.model import Network

# Torchvision writes the first digits of a file's SHA-256 into its name: resnet50-0676ba61.pth.
IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
MIN_DIGITS = 8


def fetch(source: str) -> Path:
    """Find a weights file; one from the web is downloaded once, into the user's cache.

    Args:
        source: a path; or an address that ends with `#sha256=DIGITS`, or whose file name holds the hash, as
            torchvision's do.

    Returns:
        Its path on this machine.

    Raises:
        InputError: no such file, an address without a hash, or a file with another hash.
    """
    address, fragment = urldefrag(source)
    is_web = urlsplit(address).scheme in ("http", "https")
    wanted = _stated_digits(address, fragment)
    if is_web and wanted is None:
        raise InputError(f"{source}: nothing to check the file by; add #sha256=DIGITS to the address")
    path = _download(address, wanted or "") if is_web else Path(address)
    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted pretrained weights")
    found = sha256(path)
    if wanted and not found.startswith(wanted):
        if is_web:
            path.unlink()
        raise InputError(f"{path.name} has the SHA-256 {found}; wanted {wanted}: damaged, or another file")
    return path


def _stated_digits(address: str, fragment: str) -> str | None:
    if fragment:
        name, _, digits = fragment.partition("=")
        if name != "sha256" or not re.fullmatch(rf"[0-9a-f]{{{MIN_DIGITS},64}}", digits):
            raise InputError(f"#{fragment}: wanted #sha256= and 8 to 64 digits, 0-9 and a-f")
        return digits
    match = IN_NAME.search(address)
    return match[1] if match else None


def _download(address: str, digits: str) -> Path:
    from urllib.error import URLError
    from urllib.request import urlopen

    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mitosis-lineage"
    path = cache / f"{digits[:16]}-{Path(urlsplit(address).path).name}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        try:
            with urlopen(address, timeout=60) as web, part.open("wb") as file:
                while block := web.read(1 << 20):
                    file.write(block)
        except URLError as error:
            raise InputError(
                f"{address} cannot be fetched ({error.reason}); download it and name the file"
            ) from error
        os.replace(part, path)
    return path


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a .pth, .safetensors or .npz file; no code in it is executed.

    Raises:
        InputError: the file is none of these, or damaged.
    """
    import numpy as np
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                return {name: torch.from_numpy(file[name]) for name in file.files}
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise InputError(
            f"{path.name}: cannot be read as .pth, .safetensors or .npz weights ({error})"
        ) from error


def load_backbone(model: Network, state: dict[str, torch.Tensor]) -> None:
    """Copy published weights into a network's backbone; their own classification layer is left out.

    Raises:
        InputError: the weights are of another network.
    """
    from classifier.backbones.mobilenet import MobileNetV2

    backbone = model.backbone
    if isinstance(backbone, MobileNetV2):
        backbone.load_pretrained(state)
        return
    own = backbone.state_dict()
    heads = ("fc.", "classifier.", "last_linear.")
    state = {n.removeprefix("module."): p for n, p in state.items()}
    usable = {n: p for n, p in state.items() if not n.startswith(heads)}
    missing = sorted(
        n
        for n in own
        if n not in usable and not n.startswith(heads) and not n.endswith("num_batches_tracked")
    )
    unknown = sorted(set(usable) - set(own))
    if missing or unknown:
        raise InputError(
            f"the pretrained file is of another network: {len(missing)} parameters are missing "
            f"({', '.join(missing[:2])}), {len(unknown)} unknown ({', '.join(unknown[:2])})"
        )
    wrong = [n for n, p in usable.items() if p.shape != own[n].shape]
    if wrong:
        raise InputError(
            f"the pretrained file's {wrong[0]} is {tuple(usable[wrong[0]].shape)}; "
            f"wanted {tuple(own[wrong[0]].shape)}"
        )
    backbone.load_state_dict(usable, strict=False)
