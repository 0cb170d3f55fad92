"""A user's corrector gives the same in a sandbox, and never gets the loop's own data."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from selfcorrect.core.errors import CorrectorError, RunFolderError, SelfcorrectError, SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples, digest_tensors
from selfcorrect.experiments.jobs.identities import IdentityFile
from selfcorrect.experiments.studies.motion.correctors import own
from selfcorrect.experiments.studies.motion.correctors.own import (
    CorrectorInputs,
    own_corrector,
    own_identity,
    try_corrector,
)
from selfcorrect.experiments.studies.motion.correctors.own_function import load_in_sandbox
from selfcorrect.loop.correctors.loop_correction import CorrectedBatch, Correction, apply_corrector
from selfcorrect.loop.correctors.sandbox import InProcessSandbox, Sandbox, SubprocessSandbox
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.digests import describe_damage, read_with_digest

MODULE = """
import os
import random
import signal
from dataclasses import replace
from functools import partial

import numpy as np
import torch

import selfcorrect as sc


def raised(motion):
    if motion.root_m[0, 1] > HEIGHT_M:
        return motion
    return replace(motion, root_m=motion.root_m + [0.0, 0.01 * random.random() + 0.01 * np.random.rand(), 0.0])


_buffer = {}


def fills_one_array(motion):
    root_m = _buffer.setdefault("root", np.empty_like(motion.root_m))
    root_m[:] = motion.root_m + [0.0, 0.02, 0.0]
    return replace(motion, root_m=root_m)


def shrunk(values):
    return 0.9 * values.double() + 0.01 * torch.rand(values.shape)


def moved(samples, stream):
    noise = torch.randn(samples.values.shape, generator=stream.generator())
    accepted = samples.values[:, 0, 0] > -1
    return sc.Corrected(samples.with_values(samples.values + 0.1 * noise), accepted, {"why": np.arange(len(samples))})


def made(inputs):
    inputs.real.values.mul_(0.5)
    inputs.real.labels.zero_()
    mean = inputs.real.values.mean(0)
    return lambda samples: samples.with_values(0.9 * samples.values + 0.1 * mean)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(0.9))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(self.scale * x)


network = Network()
raised_more = partial(raised)


class Lifter:
    def __call__(self, motion):
        return replace(motion, root_m=motion.root_m + [0.0, 0.03, 0.0])


class Needs:
    def __init__(self, something):
        pass

    def __call__(self, motion):
        return motion


def leaves(motion):
    os.kill(os.getpid(), signal.SIGTERM)


def divides(inputs):
    return 1 / 0


def ends(inputs):
    os.kill(os.getpid(), signal.SIGKILL)


def picky(motion):
    if motion.root_m[0, 1] > HEIGHT_M:
        raise ArithmeticError("too high")
    return motion
"""


@pytest.fixture(scope="module")
def inputs(walk: Motion) -> CorrectorInputs:
    batch = MotionBatch.stack([walk.frames(start, start + 12) for start in range(8)])
    codec = FeatureCodec.fit(batch)
    real = Samples.real(codec.encode(batch), torch.arange(8) % 2)
    return CorrectorInputs(codec, real, Gaussian.standard(*real.event_shape, dtype=torch.float32), streams(0), silent)


def first_heights_m(inputs: CorrectorInputs) -> torch.Tensor:
    return torch.from_numpy(inputs.codec.decode(inputs.real.values).root_m[:, 0, 1])


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory, inputs: CorrectorInputs) -> Iterator[Path]:
    """Make a folder for a user's modules.

    Modules have other names in each test, because a process imports a name once.
    """
    folder = tmp_path_factory.mktemp("users")
    (folder / "users_own.py").write_text(MODULE + f"\n\nHEIGHT_M = {float(first_heights_m(inputs).median())}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        yield folder
    sys.modules.pop("users_own", None)


@pytest.fixture(scope="module")
def one_sandbox(users: Path) -> Iterator[SubprocessSandbox]:
    """Share one process among tests that keep it alive, as starting one takes longer than these tests."""
    process = SubprocessSandbox("the corrector")
    process.call(load_in_sandbox, "users_own:raised")  # the folder is on its path
    yield process
    process.close()


@pytest.fixture
def in_one_sandbox(one_sandbox: SubprocessSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """All own processes are that one."""
    monkeypatch.setattr(one_sandbox, "close", lambda: None)

    def make(name: str, limit_s: float | None = None, *, in_process: bool = False) -> Sandbox:
        return InProcessSandbox() if in_process else one_sandbox

    monkeypatch.setattr(own, "make_sandbox", make)


def correct_batch(name: str, inputs: CorrectorInputs, *, in_process: bool) -> CorrectedBatch:
    how = {**vars(inputs), "in_process": in_process}
    correction = Correction(own_corrector(f"users_own:{name}", CorrectorInputs(**how)))
    raw = Samples.synthetic(inputs.real.values, inputs.real.labels, 1)
    return apply_corrector(raw, correction, streams(5))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["raised", "fills_one_array", "shrunk", "moved", "made", "network", "Network", "Lifter", "raised_more"]
)
@pytest.mark.usefixtures("in_one_sandbox")
def test_process_equals_local_call(name: str, users: Path, inputs: CorrectorInputs) -> None:
    before = digest_tensors(inputs.real.values, inputs.real.weights)
    there = correct_batch(name, inputs, in_process=False)
    in_process = correct_batch(name, inputs, in_process=True)
    assert digest_tensors(inputs.real.values, inputs.real.weights) == before
    assert torch.equal(there.samples.values, in_process.samples.values)
    assert not torch.equal(there.samples.values, inputs.real.values[: len(there.samples)])
    assert there.info.keys() == in_process.info.keys()
    assert there.drawn.provenance.accepted.tolist() == in_process.drawn.provenance.accepted.tolist()
    assert there.drawn.provenance.corrector.tolist() == in_process.drawn.provenance.corrector.tolist()


def test_one_array_for_all_motions(users: Path, inputs: CorrectorInputs) -> None:
    moved = correct_batch("fills_one_array", inputs, in_process=True).samples.values - inputs.real.values
    heights = inputs.codec.std[2] * moved[:, :, 2]
    torch.testing.assert_close(heights, torch.full_like(heights, 0.02), atol=1e-5, rtol=0)


def test_ended_process_names_corrector(users: Path, inputs: CorrectorInputs) -> None:
    with pytest.raises(CorrectorError, match=r"'leaves'.*SIGTERM"):
        correct_batch("leaves", inputs, in_process=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [("divides", r"ZeroDivisionError: division by zero \(users_own.py"), ("ends", "its process was killed by SIGKILL")],
)
def test_failed_construction_is_named(users: Path, inputs: CorrectorInputs, name: str, message: str) -> None:
    with pytest.raises(SelfcorrectError, match=rf"corrector 'users_own:{name}'.* {message}"):
        own_corrector(f"users_own:{name}", inputs, None if name == "ends" else InProcessSandbox())


@pytest.mark.usefixtures("in_one_sandbox")
def test_faulty_sample_is_named(users: Path, inputs: CorrectorInputs) -> None:
    heights_m = first_heights_m(inputs)
    first = int((heights_m > heights_m.median()).nonzero()[0])
    with pytest.raises(CorrectorError, match=rf"'picky' failed on sample {first} .*ArithmeticError: too high"):
        correct_batch("picky", inputs, in_process=False)


@pytest.mark.usefixtures("in_one_sandbox")
@pytest.mark.parametrize("name", ["users_own:missing", "no_such_module:f", "nothing", "users_own:Needs"])
def test_failed_load_raises_early(name: str, users: Path) -> None:
    with pytest.raises(SettingError, match=r"corrector|module 'users_own' has no 'missing'"):
        own_identity(name, None)


@pytest.mark.parametrize("name", ["quits:x", "leaves:x"])
def test_ended_load_raises_early(name: str, users: Path) -> None:
    (users / "quits.py").write_text("import posix\nposix._exit(0)\n")
    (users / "leaves.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(SettingError, match=r"cannot (load|import) .*corrector '"):
        own_identity(name, None)


def test_changed_corrector_stops_resume(users: Path, tmp_path: Path) -> None:
    (users / "helper.py").write_text("FACTOR = 2\n")
    (users / "edited.py").write_text("import helper\ndef fix(motion):\n    return motion\n")
    run = tmp_path / "run"
    run.mkdir()

    def go_on(*, accept: bool = False) -> None:
        IdentityFile(run / "identities.json").record(
            {"corrector 'edited:fix'": own_identity("edited:fix", None)}, accept_changed=accept
        )

    go_on()
    (users / "helper.py").write_text("# twice as much\nFACTOR  = 2\n")
    (users / "edited.py").write_text("import helper  # as before\n\ndef fix(motion):\n    return motion  # unchanged\n")
    go_on()
    (users / "helper.py").write_text("FACTOR = 3\n")
    with pytest.raises(RunFolderError, match=r"'edited:fix': .*helper\.py; accept_changed=True"):
        go_on()
    (users / "edited.py").write_text("import helper\ndef fix(motion):\n    return motion.frames(0, 9)\n")
    with pytest.raises(RunFolderError, match=r"`return motion.frames\(0, 9\)`.*`return motion`"):
        go_on()
    go_on(accept=True)
    go_on()
    identities = read_with_digest(run / "identities.json")["corrector 'edited:fix'"]
    assert ["frames" in identity["source"] for identity in identities] == [False, True]
    assert not describe_damage(run / "identities.json")


@pytest.mark.usefixtures("in_one_sandbox")
@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (1, "return motion.frames(0, 5)", "on 8 real and .* failed on sample 0 .* keep .*12 frames at"),
        (2, "return motion.root_m", "on sample 0 .* must return a motion, got ndarray"),
        (3, "return 1 / 0", r"on sample 0 .*ZeroDivisionError: division by zero \(tried3.py, line 3\)"),
    ],
)
def test_failure_names_line(users: Path, inputs: CorrectorInputs, number: int, line: str, message: str) -> None:
    name = f"tried{number}"
    (users / f"{name}.py").write_text(f"calls = []\ndef fix(motion):\n    {line}\n")
    with pytest.raises(CorrectorError, match=rf"'{name}:fix' \({name}.py, line 2\) failed in a trial .*: .*{message}"):
        try_corrector(f"{name}:fix", inputs)


@pytest.mark.slow
def test_batch_corrector_gets_batch(users: Path, inputs: CorrectorInputs) -> None:
    (users / "batches.py").write_text(
        "import os\ndef whitened(samples):\n"
        "    assert len(samples) > 2, 'too few'\n    return samples\n"
        "def gone(samples):\n    os.kill(os.getpid(), 9)\n"
    )
    try_corrector("batches:whitened", inputs)
    with pytest.raises(CorrectorError, match=r"SIGKILL"):
        try_corrector("batches:gone", inputs)


@pytest.mark.usefixtures("in_one_sandbox")
def test_unrepeatable_corrector_raises(users: Path, inputs: CorrectorInputs) -> None:
    counting = (
        "from dataclasses import replace\ncalls = []\n"
        "def fix(motion):\n    calls.append(1)\n"
        "    return replace(motion, root_m=motion.root_m + [0, 0.01 * len(calls), 0])\n"
    )
    (users / "tally.py").write_text(counting)
    with pytest.raises(CorrectorError, match=r"'tally:fix'.*3\)"):
        try_corrector("tally:fix", inputs)
    (users / "declared.py").write_text(f"{counting}fix.repeatable = False\n")
    with pytest.warns(UserWarning, match=r"'declared:fix'.*cannot be repeated"):
        try_corrector("declared:fix", inputs)
    keeper = """
from dataclasses import replace

class Keeper:
    def __init__(self): self.calls = 0
    def __call__(self, motion):
        self.calls += 1
        return replace(motion, root_m=motion.root_m + [0, 0.01 * self.calls, 0])
    def state(self): return {"calls": self.calls}
    def load_state(self, state): self.calls = int(state["calls"])

fix = Keeper()
"""
    (users / "keeping.py").write_text(keeper)
    try_corrector("keeping:fix", inputs)
    try_corrector("users_own:raised", inputs)
