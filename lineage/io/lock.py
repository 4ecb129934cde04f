"""A run folder is written by one run at a time."""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 5.0  # a run that was killed may need so long to let go
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # of file systems that know none


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs.

    The lock is a file beside it, `.NAME.lock`, that the system gives free when its process ends, however that
    is. Where the file system knows no locks nothing is held.

    Args:
        folder: it need not be there.

    Raises:
        InputError: another process holds it.
    """
    path = folder.with_name(f".{folder.name}.lock")
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _hold(path, folder)
    try:
        yield
    finally:
        _let_go(path, descriptor)
        if is_new:
            with suppress(OSError):  # what a run has written stays
                path.parent.rmdir()


def _hold(path: Path, folder: Path) -> int:
    """The descriptor of the lock file, once this process holds it."""
    until = time.monotonic() + WAIT_S
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _try(descriptor) and _is_same(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") if hasattr(os, "pread") else ""
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= until:
            raise InputError(
                f"{folder} is being written by another run ({holder or 'an unknown process'}): wait for it, "
                "or give another folder with --out"
            )
        time.sleep(0.2)


def _let_go(path: Path, descriptor: int) -> None:
    """Delete the file while it is held; Windows deletes none that is open, by whomever."""
    if os.name == "nt":
        os.close(descriptor)
    with suppress(OSError):
        path.unlink()
    if os.name != "nt":
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    """Whether the file is now held by this process; also where the file system knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _is_same(descriptor: int, path: Path) -> bool:
    """Whether the file that is held still has its name: whoever held it before has deleted it.

    Windows deletes no file that is open, and gives numbers of files that need not agree.
    """
    if os.name == "nt":
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
