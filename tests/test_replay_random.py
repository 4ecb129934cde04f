"""Whatever is said, in whatever order: results follow from the run and the lines that stand."""

import json
import random
import shutil

import numpy as np
import pytest
from drawn_run import FRAMES, SIDE

from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io.files import read_table
from lineage.io.integrity import read_record
from lineage.progress import Screen
from lineage.run import reopen, run
from lineage.schema import Decision, InputError

RESULTS = ("*.csv", "lineage.graphml", "crops/*", "stages/*.csv", "labels.zarr/tracked/*/0/0")
TRIALS = 3
REDONE = 4  # times in each


def redo(root):
    movie, config = reopen(root, read_record(root))
    run(movie, root, config, screen=Screen(quiet=True), report=False)


def results(root):
    found = {p.relative_to(root): p.read_bytes() for pattern in RESULTS for p in root.glob(pattern)}
    corrections = json.loads((root / "run.json").read_text()).get("corrections", {})
    return found | {"corrections": corrections}


class Somebody:
    """Says anything of a run: what makes sense, what does not, and undoes some of it."""

    def __init__(self, seed, root):
        self.random, self.root = random.Random(seed), root

    def speak(self, n):
        """Add `n` lines."""
        self.nuclei = read_table(self.root / "detections.csv")
        self.events = read_table(self.root / "events.csv", text=("daughter_ids",))
        while n:
            try:
                line = make(self.anything(), who="somebody")
            except InputError:  # a frame before another, or the like
                continue
            journal.append(self.root / journal.NAME, line)
            n -= 1

    def anything(self):
        kinds = {
            "verdict": lambda: {"event": self.event(), "verdict": self.decision()},
            "mitosis": lambda: {"nucleus": self.nucleus(), "verdict": self.decision()},
            "division": self.division,
            "no_division": lambda: {"mother": self.event()["mother"]},
            "cut": self.pair,
            "join": self.pair,
            "fusion": self.fusion,
            "death": lambda: {"nucleus": self.nucleus()},
            "no_death": lambda: {"nucleus": self.nucleus()},
            "false_nuclei": lambda: {"nuclei": [self.nucleus() for _ in range(self.random.randint(1, 3))]},
            "merge_outlines": lambda: {"nuclei": self.two_of_a_frame()},
            "split_outline": self.split,
            "draw_outline": self.drawing,
            "right": lambda: {"nucleus": self.nucleus()},
            "undo": self.undo,
        }
        what = self.random.choice(list(kinds))
        return {"what": what, **kinds[what]()}

    def decision(self):
        return self.random.choice(list(Decision))

    def nucleus(self, *, after=-1, frame=None):
        """One of the run's, in one of the three frames after another; sometimes one that is nowhere."""
        if self.random.random() < 0.05:
            y, x = (self.random.choice([-3.0, 0.0, SIDE / 2, SIDE - 1.0, 1e6]) for _ in range(2))
            return {
                "frame": self.random.randint(0, 2 * FRAMES) if frame is None else frame,
                "y_px": y,
                "x_px": x,
            }
        frames = self.nuclei["frame"]
        is_meant = frames.between(after + 1, after + 3) if frame is None else frames == frame
        some = self.nuclei[is_meant if is_meant.any() and (frame is not None or after >= 0) else frames >= 0]
        row = some.iloc[self.random.randrange(len(some))]
        return {"frame": int(row["frame"]), "y_px": float(row["y_px"]), "x_px": float(row["x_px"])}

    def event(self):
        if not len(self.events) or self.random.random() < 0.2:
            mother = self.nucleus()
            return {"mother": mother, "frame": mother["frame"]}
        event = self.events.iloc[self.random.randrange(len(self.events))]
        of_mother = self.nuclei[self.nuclei["tracklet_id"] == event["mother_id"]]
        row = of_mother.sort_values("frame").iloc[-1]
        mother = {"frame": int(row["frame"]), "y_px": float(row["y_px"]), "x_px": float(row["x_px"])}
        return {"mother": mother, "frame": int(event["frame"])}

    def division(self):
        mother = self.nucleus()
        n = self.random.randint(2, 4)
        return {"mother": mother, "daughters": [self.nucleus(after=mother["frame"]) for _ in range(n)]}

    def pair(self):
        before = self.nucleus()
        return {"before": before, "after": self.nucleus(after=before["frame"])}

    def two_of_a_frame(self):
        one = self.nucleus()
        return [one, self.nucleus(frame=one["frame"])]

    def fusion(self):
        parents = self.two_of_a_frame()
        return {"parents": parents, "fused": self.nucleus(after=parents[0]["frame"])}

    def split(self):
        nucleus = self.nucleus()
        y, x, way = nucleus["y_px"], nucleus["x_px"], self.random.uniform(0, np.pi)
        dy, dx = 20 * np.sin(way), 20 * np.cos(way)
        return {"nucleus": nucleus, "line": [[y - dy, x - dx], [y + dy, x + dx]]}

    def drawing(self):
        y, x = (self.random.uniform(-5, SIDE + 5) for _ in range(2))
        corners = [[y + 7 * np.sin(k), x + 7 * np.cos(k)] for k in range(6)]
        return {"frame": self.random.randint(0, FRAMES), "polygon": corners}

    def undo(self):
        known = [line.id for line in journal.read(self.root / journal.NAME).lines]
        return {"line": self.random.choice(known or ["0" * 32])}


@pytest.mark.parametrize("seed", range(TRIALS))
def test_what_was_redone_bit_by_bit_is_what_is_done_at_once(drawn, tmp_path, seed):
    bit_by_bit = shutil.copytree(drawn, tmp_path / "bit_by_bit.lineage")
    somebody = Somebody(seed, bit_by_bit)
    for _ in range(REDONE):
        somebody.speak(5)
        redo(bit_by_bit)
    at_once = shutil.copytree(drawn, tmp_path / "at_once.lineage")
    shutil.copy(bit_by_bit / journal.NAME, at_once)
    redo(at_once)
    assert results(at_once) == results(bit_by_bit)
    assert results(at_once) != results(drawn)
