"""What every command does with an error or a signal: one clear line, and an exit code for scripts."""

from __future__ import annotations

import errno
import io
import signal
import sys
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

import typer

from lineage.progress import printable
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ctrl-C, `kill`, and a terminal that closes (there is no such signal on Windows).
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What libraries that have no MemoryError say instead: torch, and the system's loader of libraries.
_NO_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "failed to map segment",
    "Unable to allocate",
    "std::bad_alloc",
)

_NO_MEMORY_LEFT = "memory ran out; close other programs, or give the command on a machine with more of it"


@contextmanager
def one_line_errors(*, debug: bool, stopped: str = "what was finished is kept") -> Iterator[None]:
    """Exit code 2 for input, disk and memory, 130 for Ctrl-C, with what `stopped` says.

    `kill` and a terminal that closes do what Ctrl-C does. A lineage that the solver cannot find within its
    time is the settings' matter, and so exit code 2 too. With `debug` errors have their traceback.
    """
    from lineage.tracking.resolve import Unsolved

    heard: list[int] = []
    _print_any_letter()
    try:
        with ended_by_signals() as heard:
            yield
    except typer.Exit:
        raise
    except (KeyboardInterrupt, Exception) as error:
        # What goes wrong after a signal does so because of it: a closed terminal cannot be written to either.
        if heard or isinstance(error, KeyboardInterrupt):
            _say(f"stopped; {stopped}")
            raise typer.Exit(130) from None
        is_clear = isinstance(error, InputError | OSError | Unsolved | UnicodeEncodeError) or _is_of_memory(
            error
        )
        if debug or not is_clear:
            raise
        _say(f"error: {_NO_MEMORY_LEFT if _is_of_memory(error) else printable(_in_words(error))}")
        raise typer.Exit(2) from error


@contextmanager
def ended_by_signals() -> Iterator[list[int]]:
    """Let `kill` and a closing terminal act like Ctrl-C; signals that are ignored stay so (nohup).

    Yields:
        The signals that were heard, by number.
    """
    heard: list[int] = []
    if current_thread() is not main_thread():  # which alone may say what signals do
        yield heard
        return

    def stop(number: int, _: object) -> None:
        heard.append(number)
        raise _Stopped

    before = {s: signal.getsignal(s) for s in ENDING}
    try:
        for number, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, stop)
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopped(KeyboardInterrupt):
    """A signal was heard.

    Python that sees KeyboardInterrupt itself leave `exec` ends by a signal in the end, not with an exit code.
    """


def _say(line: str) -> None:
    with suppress(OSError):  # where the terminal has closed there is nobody to read it
        typer.echo(line, err=True)


def _is_of_memory(error: Exception) -> bool:
    """Whether it says so; InputErrors have words of their own."""
    if isinstance(error, InputError):
        return False
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _print_any_letter() -> None:
    r"""Write letters that stdout lacks (a pipe of Windows has cp1252) as `\u6620`, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):  # a name that could not be decoded when it was read
        near = ascii(error.object[max(error.start - 20, 0) : error.end])
        return (
            f"a name ({near}) is not of this system's encoding; "
            "rename the file or folder, or set LC_ALL=C.UTF-8"
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{error.filename}: the name is longer than this system allows; give a shorter one with --out"
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in _FULL:
        return "the disk is full; make room and give the same command again"
    if error.errno == errno.EROFS:
        return f"{error.filename} may not be written: its disk is read-only; give another place"
    if isinstance(error, PermissionError):
        name = error.filename2 or error.filename
        return f"{name} may not be read or written; look at its rights, or give another place"
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename} is not there: check the name, and whether its disk is there"
    return str(error)
