"""One word says where torch computes; every network gets its tensors there, and a GPU fails in one line."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from plates import HEADER, write_movie, write_plate
from typer.testing import CliRunner

from lineage import config, device
from lineage.nuclei import appearance, segment
from lineage.progress import Screen
from lineage.run import reopen, run
from lineage.schema import LOOKS, InputError
from lineage.stardist import model, predict
from lineage.stardist.network import StarDist

META = torch.device("meta")  # a device without numbers: what lies on another one cannot be computed with


@pytest.fixture
def found(monkeypatch):
    """A list of the GPUs that are found; all of them work."""
    gpus: list[str] = []
    monkeypatch.setattr(device, "gpus", lambda: gpus)
    monkeypatch.setattr(device, "works", lambda word: True)
    device.device_of.cache_clear()
    yield gpus
    device.device_of.cache_clear()


def test_auto_takes_the_first_gpu_that_works_else_the_processor(found, monkeypatch):
    assert device.device_of("auto").type == "cpu"
    found += ["cuda:0", "cuda:1", "mps"]
    device.device_of.cache_clear()
    assert str(device.device_of("auto")) == "cuda:0"
    for works, chosen in ({"cuda:1", "mps"}, "cuda:1"), (set(), "cpu"):
        monkeypatch.setattr(device, "works", works.__contains__)
        device.device_of.cache_clear()
        assert str(device.device_of("auto")) == chosen


def test_a_device_is_the_one_that_was_asked_for(found):
    found += ["cuda:0", "cuda:1", "mps"]
    words = ("cpu", "cuda", "cuda:1", "mps")
    assert [str(device.device_of(w)) for w in words] == ["cpu", "cuda:0", "cuda:1", "mps"]
    assert [device.is_gpu(w) for w in words] == [False, True, True, True]


@pytest.mark.parametrize("word", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there_is_refused_with_what_is(found, word):
    with pytest.raises(
        InputError, match=f"device {word} is not there: .* finds cpu; give --device cpu or auto"
    ):
        device.device_of(word)
    assert not device.is_there(word)
    assert device.is_there("cpu")


@pytest.mark.parametrize("word", ["gpu", "cuda:", "CUDA", "meta", ""])
def test_other_words_are_refused(word):
    with pytest.raises(InputError, match="wanted auto, cpu, cuda"):
        device.device_of(word)
    with pytest.raises(InputError, match="device"):
        config.read(None, {"device": word})


def test_a_gpu_that_computes_nothing_does_not_work():
    assert device.works("cpu")
    assert not device.works("meta")  # it has no numbers to give back


def test_whether_it_may_be_a_gpu_is_told_by_the_drivers_file(monkeypatch, tmp_path):
    monkeypatch.setattr(device.sys, "platform", "linux")
    monkeypatch.setattr(device, "DRIVERS", (str(tmp_path / "driver"),))
    assert [device.may_be_gpu(w) for w in ("auto", "cpu", "cuda")] == [False, False, True]
    (tmp_path / "driver").touch()
    assert device.may_be_gpu("auto")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nsee"),
            "too little free memory",
        ),
        (RuntimeError("CUDA error: no kernel image is available"), "failed .CUDA error: no kernel image"),
        (NotImplementedError("aten::x is not implemented for the MPS device"), "failed .aten::x"),
    ],
)
def test_a_gpu_fails_in_one_line_that_names_the_processor(error, words):
    with (
        pytest.raises(InputError, match=f"GPU cuda:0.* {words}.*--device cpu") as caught,
        device.computing(torch.device("cuda:0")),
    ):
        raise error
    assert "\n" not in str(caught.value)
    with pytest.raises(type(error)), device.computing(torch.device("cpu")):
        raise error


class Counted(torch.nn.Module):
    """A network on the device without numbers; what it computes there comes back as zeros."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network.to(META), []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.network(x)  # fails unless all of it is on one device
        self.seen.append(x.device)
        return torch.zeros(out.shape)


@pytest.fixture
def no_autocast(monkeypatch):
    """The device without numbers has no half precision to choose from."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def test_stardist_computes_where_its_network_is(monkeypatch, no_autocast):
    seen = []

    def candidates(self: StarDist, x: torch.Tensor, _: float) -> tuple[torch.Tensor, ...]:
        logits, rays = self(x)
        seen.append((x.device, logits.device, rays.device))
        return torch.zeros((0, 2), dtype=torch.int64), torch.zeros(0), torch.zeros((0, rays.shape[1]))

    monkeypatch.setattr(StarDist, "candidates", candidates)
    loaded = model.load(device=META)
    noise = np.random.default_rng(0).integers(0, 99, (64, 64), np.uint16)
    labels, _ = predict.predict(loaded, noise)
    assert seen == [(META,) * 3]
    assert labels.shape == (64, 64)


def test_appearance_is_told_where_its_network_is():
    net = Counted(appearance.new_network().eval())
    seen = appearance.Network(net, META)
    p = appearance.probabilities(seen, np.zeros((3, 2, 32, 32), np.float32))
    assert net.seen == [META]
    np.testing.assert_allclose(p, np.full((3, len(LOOKS)), 1 / len(LOOKS)), rtol=1e-6)


def test_the_classifier_computes_where_it_was_loaded(monkeypatch, no_autocast):
    from classifier import predict as classifier

    loaded = classifier.load(device="cpu")
    nets = [Counted(m) for m in loaded.models]
    monkeypatch.setattr(classifier, "device_of", lambda word: META if word == "mps" else torch.device("cpu"))
    width = nets[0].network.mean.shape[0]
    asked = []

    def measured(pixels: np.ndarray, um: float, *, device: str) -> np.ndarray:
        asked.append(device)
        return np.zeros((12, width), np.float32)

    monkeypatch.setattr(classifier, "measures", measured)
    there = classifier.Classifier(nets, None, loaded.card, "", "mps")
    p = there.probabilities(np.zeros((12, 2, 32, 32), np.uint16))
    assert asked == ["mps"]
    assert {d for net in nets for d in net.seen} == {META}
    assert p.sum() == pytest.approx(1)


def test_a_gpu_is_fed_by_one_process(monkeypatch):
    from types import SimpleNamespace

    long = SimpleNamespace(n_frames=1000, shape=(1024, 1024))
    monkeypatch.setattr(segment, "cores", lambda: 8)
    assert segment.workers_for(long, device="cpu") == 8
    monkeypatch.setattr(segment, "is_gpu", lambda word: word == "cuda")
    assert segment.workers_for(long, device="cuda") == 1


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("movie") / "U251_0Gy_p1.tif"
    write_movie(path, seed=0)
    return path


def settings(movie, word):
    return config.read(None, {"labels": movie.with_suffix(".masks.tif"), "device": word})


def test_a_run_that_is_given_again_with_another_device_is_kept(movie, tmp_path):
    out = tmp_path / "run"
    first = run(movie, out, settings(movie, "cpu"), screen=Screen(quiet=True)).record
    assert first["devices"]["segment"] == ["cpu"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.csv")}
    again = run(movie, out, settings(movie, "auto"), screen=Screen(quiet=True)).record
    assert (first["settings"]["device"], again["settings"]["device"]) == ("cpu", "auto")
    assert again["stages"] == first["stages"]
    assert again["devices"] == first["devices"]
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*.csv")}


def test_of_a_run_from_another_machine_the_device_is_what_is_here(movie, tmp_path, found):
    record = run(movie, tmp_path / "run", settings(movie, "cpu"), screen=Screen(quiet=True)).record
    record["settings"]["device"] = "cuda:1"
    assert reopen(tmp_path / "run", record)[1].device == "auto"
    found += ["cuda:0", "cuda:1"]
    device.device_of.cache_clear()
    assert reopen(tmp_path / "run", record)[1].device == "cuda:1"


def commands(movie, tmp_path):
    from classifier import evaluate, predict, train
    from lineage.command import app as of_run
    from lineage.stardist.__main__ import app as of_stardist
    from pipelines.plate_command import app as of_plate

    plate = write_plate(
        movie.parent / "map.csv", f"{movie.name},2026-11-30,1,A1,1,0,U251,none", header=HEADER
    )
    out = ["--out", str(tmp_path / "out")]
    return {
        "run": (of_run, [str(movie), *out]),
        "stardist": (of_stardist, ["predict", str(movie), str(tmp_path / "out")]),
        "plate": (of_plate, ["run", str(plate), *out]),
        "predict": (predict.app, [str(movie.parent), *out]),
        "train": (train.app, [str(movie.parent), *out]),
        "evaluate": (evaluate.app, [str(movie.parent)]),
    }


@pytest.mark.parametrize("name", ["run", "stardist", "plate", "predict", "train"])
def test_every_command_refuses_a_device_that_is_not_there(movie, tmp_path, found, name):
    app, words = commands(movie, tmp_path)[name]
    for word, line in ("mps", "device mps is not there: torch"), ("gpu", "device"):
        ended = CliRunner().invoke(app, [*words, "--device", word])
        assert ended.exit_code == 2, ended.output
        assert line in ended.output
        assert ended.output.count("\n") <= 2, (
            ended.output
        )  # the plate says before that its map has no mistake
    assert not (tmp_path / "out").exists()


def test_a_plate_passes_the_device_on(movie, tmp_path):
    from pipelines import plate, platemap

    path = write_plate(
        movie.parent / "two.csv",
        f"{movie.name},2026-11-30,1,A1,1,0,U251,none,cpu",
        header=f"{HEADER},device",
    )
    (one,) = platemap.check(path).movies
    assert one.config.device == "cpu"
    assert plate.with_device(one, "cuda:1").config.device == "cuda:1"


def test_labels_of_a_gpu_are_those_of_the_processor(tmp_path):
    """Where a GPU is: the tolerance that docs/lab/device.md states."""
    gpus = device.gpus()
    if not gpus:
        pytest.skip("no GPU")
    from lineage.simulate.nuclei import nucleus_field

    image, _ = nucleus_field(np.random.default_rng(0), size=512)
    here, there = (predict.predict(model.load(device=torch.device(w)), image)[0] for w in ("cpu", gpus[0]))
    assert here.max() > 20
    assert abs(int(here.max()) - int(there.max())) <= max(1, 0.02 * here.max())
    assert ((here > 0) != (there > 0)).mean() < 0.005


def test_run_json_says_where_each_stage_was_computed(movie, tmp_path):
    run(movie, tmp_path / "run", settings(movie, "cpu"), screen=Screen(quiet=True))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["settings"]["device"] == "cpu"
    assert {tuple(d) for d in record["devices"].values()} == {("cpu",)}
