"""The app -> a server on this machine, and a browser that shows its page."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import typer
import uvicorn

from lineage.review.server import app_of
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

HERE = "127.0.0.1"  # no other machine can reach it
USUAL_PORT = 8731
MAX_WHO = 80


def serve(place: Path, *, port: int | None, browser: bool, read_only: bool, who: str) -> None:
    """Serve until Ctrl-C.

    Args:
        place: a run folder, or a folder that holds them.
        port: 0 takes a free one; None the usual one, for which browsers remember what people chose, if it is
            free.
        browser: open the page in it.
        read_only: nothing can be said.
        who: whose name stands in what is said.

    Raises:
        InputError: there is no run, or the port is taken.
    """
    if len(who) > MAX_WHO:
        raise InputError(f"--who has {len(who)} letters; at most {MAX_WHO} are kept")
    with _listening(port) as listener:
        port, token = listener.getsockname()[1], secrets.token_urlsafe(32)
        app = app_of(place, token=token, port=port, read_only=read_only, who=who)
        address = f"http://{HERE}:{port}/?token={token}"
        safe = (
            "nothing can be changed"
            if read_only
            else "every correction is on the disk once the page shows it"
        )
        typer.echo(f"{address}\nStop it with Ctrl-C; {safe}.")
        Thread(target=_warm_up, daemon=True).start()
        if browser:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int | None) -> socket.socket:
    if port is None:
        try:
            return _listening(USUAL_PORT)
        except InputError:
            return _listening(0)
    # With the protocol named, asyncio sends small answers at once; else each waits for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # On Windows SO_REUSEADDR would let two servers listen at the same port.
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind((HERE, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} cannot be used ({error.strerror}): give another --port, or none"
        ) from error
    return listener


def _warm_up() -> None:
    """What is compiled when it is first called."""
    import numpy as np

    from lineage.outlines import outlines

    outlines(np.zeros((2, 2)))
