"""How long until results hold a correction: `python benchmarks/review_redo.py RUN_DIR`.

RUN_DIR is a copy, for it is corrected. A server is started, its worker process is given time to load,
then two verdicts and a division that is none are said, each once the results hold the one before.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

LOADED_S, POLL_S, LIMIT_S = 20.0, 0.2, 600.0


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the server answers to a request."""
    base, token = address.split("/?token=")
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Review-Token": token, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/{path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        return json.load(answer)


def seconds_until_held(address: str, said: dict[str, Any]) -> float:
    """From saying something until the results hold it."""
    start = time.monotonic()
    ask(address, "movies/0/corrections", {"say": said, "who": "benchmark"})
    while True:
        state = ask(address, "movies/0/state")
        if state["error"]:
            raise SystemExit(state["error"])
        if state["holds"] == state["applied"] and not state["working"]:
            return time.monotonic() - start
        time.sleep(POLL_S)


def main() -> None:
    """Start, say, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir", type=Path)
    command = [sys.executable, "-m", "lineage.review", str(parser.parse_args().run_dir)]
    server = subprocess.Popen([*command, "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        ask(address, "movies/0")
        events = ask(address, "movies/0/events")
        normal = [e for e in events if e["verdict"] == "normal" and e["daughter_ids"]]
        time.sleep(LOADED_S)
        print("| correction | seconds |\n|---|---|")
        for event in normal[:2]:
            said = {"what": "verdict", "event": event["ref"], "verdict": "abnormal"}
            print(f"| verdict | {seconds_until_held(address, said):.1f} |", flush=True)
        said = {"what": "no_division", "mother": normal[2]["ref"]["mother"]}
        print(f"| no division | {seconds_until_held(address, said):.1f} |")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


if __name__ == "__main__":
    main()
