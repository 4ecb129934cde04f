"""Makes btrack's compiled library load where the wheel's own does not.

The Linux wheel of btrack 0.7 asks for `GLIBCXX_3.4.32` (GCC 13), which Debian 12, Ubuntu 22.04 and RHEL 9
do not have, and uses nothing of it: the only symbol of that version is a marker. The ELF format lets a
needed version be marked weak (Linux Standard Base, `VER_FLG_WEAK`): the loader then warns of nothing and
goes on. That is one byte in a copy held in memory; btrack's file on disk is left as it is.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

GNU_VERSION_NEEDED = 0x6FFFFFFE  # section type SHT_GNU_verneed
VER_FLG_WEAK = 0x2
UNUSED_VERSION = b"GLIBCXX_3.4.32"


def install() -> None:
    """Let `btrack.BayesianTracker()` find a library that loads; harmless where the wheel's own does.

    Raises:
        OSError: no library for this machine (Linux on ARM), or it fails for another reason.
    """
    from btrack import libwrapper

    libwrapper.load_library = _load


def _load(stem: str | Path) -> ctypes.CDLL:
    suffix = {"Linux": ".so", "Darwin": ".dylib", "Windows": ".DLL"}.get(platform.system(), ".so")
    path = Path(stem).with_suffix(suffix)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        if UNUSED_VERSION.decode() not in str(error):
            raise OSError(
                f"btrack has no library for {platform.system()} on {platform.machine()} ({error}); "
                "use x86-64 Linux, Windows or macOS"
            ) from error
    fd = os.memfd_create("libtracker")
    with os.fdopen(fd, "wb", closefd=False) as f:
        f.write(weaken(path.read_bytes(), UNUSED_VERSION))
    library = ctypes.CDLL(f"/proc/self/fd/{fd}")
    os.close(fd)
    return library


def weaken(elf: bytes, version: bytes) -> bytes:
    """Mark one needed symbol version of a 64-bit little-endian ELF library as weak.

    Raises:
        ValueError: the library does not need that version.
    """
    (table,) = struct.unpack_from("<Q", elf, 40)
    entry_size, n_sections = struct.unpack_from("<HH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * entry_size) for i in range(n_sections)]
    for _, kind, _, _, offset, _, link, n_files, _, _ in sections:
        if kind != GNU_VERSION_NEEDED:
            continue
        strings = sections[link][4]
        for _ in range(n_files):
            _, n_versions, _, first, following = struct.unpack_from("<HHIII", elf, offset)
            at = offset + first
            for _ in range(n_versions):
                _, flags, _, name, step = struct.unpack_from("<IHHII", elf, at)
                start = strings + name
                if elf[start : elf.index(b"\0", start)] == version:
                    marked = bytearray(elf)
                    struct.pack_into("<H", marked, at + 4, flags | VER_FLG_WEAK)
                    return bytes(marked)
                at += step
            offset += following
    raise ValueError(f"the library does not need {version.decode()}")
