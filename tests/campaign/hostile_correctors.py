"""Correctors that do everything that a corrector should not do; each has to be named, and nothing be lost."""

from __future__ import annotations

import functools
import os
import posix
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Case, random_of

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected
from selfcorrect.correctors.correction import Correction, apply_corrector
from selfcorrect.experiments.jobs.progress_bars import silent
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs, own_corrector
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.motion.correction.each import each_motion
from selfcorrect.motion.correction.lifting import lift_motions
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.supervision import supervised
from selfcorrect.storage.runs.folder_store import FolderStore, damage_below


class _Odd(BaseException):
    """Not even an Exception."""


def _raises(error: BaseException) -> Callable[..., Any]:
    def corrector(samples: Any) -> Any:
        raise error

    return corrector


def _endless(samples: Any) -> Any:
    while True:
        time.sleep(0.001)


def _forever(samples: Any) -> Any:
    return _forever(samples)


def _returns(make: Callable[[Samples], Any]) -> Callable[..., Any]:
    return lambda samples: make(samples)


def _values(change: Callable[[torch.Tensor], Any]) -> Callable[..., Any]:
    return lambda samples: samples.with_values(change(samples.values))


_REAL: list[Samples] = []
"""The real data of the loop that runs, as a closure would have them."""
_REUSED = torch.empty(0)

_BATCH: dict[str, Callable[..., Any]] = {
    "sys.exit(0)": lambda samples: sys.exit(0),
    "sys.exit(None)": lambda samples: sys.exit(),
    "sys.exit text": lambda samples: sys.exit("bye"),
    "os._exit(0)": lambda samples: os._exit(0),
    "os._exit(7)": lambda samples: os._exit(7),
    "quit": lambda samples: quit(),
    "ValueError": _raises(ValueError("no")),
    "SystemError": _raises(SystemError("no")),
    "MemoryError": _raises(MemoryError()),
    "StopIteration": _raises(StopIteration()),
    "GeneratorExit": _raises(GeneratorExit()),
    "BaseException": _raises(_Odd("no")),
    "an exception without text": _raises(RuntimeError()),
    "an exception of surrogates": _raises(RuntimeError("\ud800")),
    "endless recursion": _forever,
    "endless": supervised(_endless, "endless", 0.3),
    "memory": lambda samples: torch.zeros(10**12),
    "None": _returns(lambda samples: None),
    "a number": _returns(lambda samples: 3),
    "a tensor": _returns(lambda samples: samples.values),
    "the class": _returns(lambda samples: Samples),
    "a generator": _returns(lambda samples: (value for value in samples.values)),
    "too few": _returns(lambda samples: samples.take(torch.arange(2))),
    "too many": _returns(lambda samples: samples.take(torch.zeros(50, dtype=torch.int64))),
    "none at all": _returns(lambda samples: samples.take(torch.arange(0))),
    "NaN": _values(lambda values: values * float("nan")),
    "infinity": _values(lambda values: values + float("inf")),
    "one NaN": _values(lambda values: torch.where(torch.arange(len(values))[:, None] == 1, float("nan"), values)),
    "whole numbers": _values(lambda values: values.long()),
    "complex": _values(lambda values: values.to(torch.complex64)),
    "half": _values(lambda values: values.half()),
    "another shape": _values(lambda values: values[:, :1]),
    "an axis more": _values(lambda values: values[..., None]),
    "gradients": _values(lambda values: values.clone().requires_grad_() * 2),
    "an array": _values(lambda values: values.numpy()),
    "a list": _values(lambda values: values.tolist()),
    "nothing": _values(lambda values: None),
    "a sparse tensor": _values(lambda values: values.to_sparse()),
    "another device": _values(lambda values: values.to("meta")),
    "rejects all": _returns(lambda samples: Corrected(samples, torch.zeros(len(samples), dtype=torch.bool))),
    "accepts with numbers": _returns(lambda samples: Corrected(samples, torch.ones(len(samples)))),
    "accepts too few": _returns(lambda samples: Corrected(samples, torch.ones(1, dtype=torch.bool))),
    "accepts None": _returns(lambda samples: Corrected(samples, None)),  # type: ignore[arg-type]
    "info too short": _returns(
        lambda samples: Corrected(samples, torch.ones(len(samples), dtype=torch.bool), {"x": [1]})
    ),
    "info of objects": _returns(
        lambda samples: Corrected(samples, torch.ones(len(samples), dtype=torch.bool), {"x": [object()] * len(samples)})
    ),
    "info of numbers for names": _returns(
        lambda samples: Corrected(samples, torch.ones(len(samples), dtype=torch.bool), {3: np.zeros(len(samples))})
    ),
    "labels from elsewhere": _returns(lambda samples: replace(samples, labels=samples.labels - 99)),
    "weights of NaN": _returns(lambda samples: replace(samples, weights=samples.weights * float("nan"))),
    "takes nothing": lambda: None,
    "takes too much": lambda samples, other, more: samples,
    "leaves the folder": lambda samples: (os.chdir("/"), samples)[1],
    "closes its output": lambda samples: (os.close(os.dup(1)), samples)[1],
    "another seed": lambda samples: (torch.manual_seed(1), samples)[1],
    "posix._exit": lambda samples: posix._exit(0),
    "KeyboardInterrupt": _raises(KeyboardInterrupt()),
    "turns gradients off": lambda samples: (torch.set_grad_enabled(False), samples)[1],
    "another default type": lambda samples: (torch.set_default_dtype(torch.float64), samples)[1],
    "other errors of NumPy": lambda samples: (np.seterr(all="raise"), samples)[1],
    "forks": lambda samples: (os.fork(), samples)[1],
    "labels of fractions": _returns(lambda samples: replace(samples, labels=samples.labels + 0.5)),
    "labels of another shape": _returns(lambda samples: replace(samples, labels=samples.labels[:, None])),
    "labels are a list": _returns(lambda samples: replace(samples, labels=samples.labels.tolist())),
    "weights below nothing": _returns(lambda samples: replace(samples, weights=samples.weights - 2)),
    "a view": _values(lambda values: values.flip(0).T.contiguous().T),
    "double": _values(lambda values: values.double()),
    "one array for all calls": _values(lambda values: _REUSED.resize_(values.shape).copy_(values)),
    "global random numbers": _values(
        lambda values: values + random.random() + np.random.rand() + torch.rand(values.shape)  # noqa: NPY002
    ),
    "changes real values": lambda samples: (_REAL[0].values.mul_(2), samples)[1],
    "changes real labels": lambda samples: (_REAL[0].labels.zero_().sub_(1), samples)[1],
    "changes real weights": lambda samples: (_REAL[0].weights.zero_(), samples)[1],
    "writes into its argument": lambda samples: (samples.values.fill_(9), samples.labels.fill_(-9), samples)[2],
    "writes and returns another": lambda samples: (samples.take(torch.arange(len(samples))), samples.values.fill_(9))[
        0
    ],
}


def _in_place(name: str) -> Callable[[Motion], Any]:
    def corrector(motion: Motion) -> Motion:
        getattr(motion, name)[:] = 1.0
        return motion

    return corrector


_MOTION: dict[str, Callable[..., Any]] = {
    "motion: root in place": _in_place("root_m"),
    "motion: rotations in place": _in_place("rotations"),
    "motion: skeleton in place": lambda motion: (motion.skeleton.offsets_m.fill(0), motion)[1],
    "motion: exit": lambda motion: sys.exit(0),
    "motion: _exit": lambda motion: os._exit(0),
    "motion: None": lambda motion: None,
    "motion: an array": lambda motion: motion.root_m,
    "motion: shorter": lambda motion: motion.frames(0, 5),
    "motion: empty": lambda motion: motion.frames(0, 0),
    "motion: other rate": lambda motion: replace(motion, fps=10.0),
    "motion: NaN": lambda motion: replace(motion, root_m=motion.root_m * np.nan),
    "motion: NaN turns": lambda motion: replace(motion, rotations=motion.rotations * np.nan),
    "motion: zero turns": lambda motion: replace(motion, rotations=motion.rotations * 0),
    "motion: huge": lambda motion: replace(motion, root_m=motion.root_m + 1e300),
    "motion: whole numbers": lambda motion: replace(motion, root_m=motion.root_m.astype(int)),
    "motion: complex": lambda motion: replace(motion, root_m=motion.root_m + 1j),
    "motion: wrong shape": lambda motion: replace(motion, root_m=motion.root_m[:, :2]),
    "motion: other body": lambda motion: replace(
        motion, skeleton=replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * 2)
    ),
    "motion: raises": _raises(KeyError("no")),
    "motion: endless": supervised(_endless, "endless", 0.3),
}


_OWN_MODULE = """
import os, posix, random, signal, sys, time
from posix import _exit as leave
import numpy as np

def exits(motion): sys.exit(0)
def leaves(motion): posix._exit(0)
def is_killed(motion): os.kill(os.getpid(), signal.SIGKILL)
def crashes(motion): import ctypes; ctypes.string_at(0)
def interrupts(motion): raise KeyboardInterrupt
def raises(motion): raise KeyError("no")
def takes_for_ever(motion):
    while True:
        try: time.sleep(0.01)
        except BaseException: pass
def forks(motion): os.fork(); return motion
def closes_everything(motion): os.closerange(3, 200); return motion
def writes_everywhere(motion):
    for number in range(3, 100):
        try: os.write(number, b"x" * 99)
        except OSError: pass
    return motion
def returns_a_generator(motion): return (frame for frame in motion.root_m)
def returns_an_object(motion): return object()
def signals_its_group(motion): os.killpg(0, signal.SIGTERM)
def asks(motion): input("sure? ")
def takes_memory(motion): return [bytearray(2**28) for _ in range(64)]
"""
_OWN = {line.partition("(")[0].removeprefix("def ") for line in _OWN_MODULE.splitlines() if line.startswith("def ")}
_SOUND = {"forks", "writes_everywhere", "closes_everything"}
"""What a process of its own makes harmless."""


def _in_own_process(name: str, kind: str, folder: Path) -> str:
    """A corrector in a process of its own: one sentence that names it, or the motions as they were."""
    (folder / "hostile_own.py").write_text(_OWN_MODULE)
    codec = _codec()
    values = torch.randn(4, 12, len(codec.mean), generator=torch.Generator().manual_seed(0))
    samples = Samples.synthetic(values, None, 1)
    inputs = CorrectorInputs(codec, samples, Gaussian.standard(2), streams(0), silent, limit_s=2.0)
    sys.path.insert(0, str(folder))
    try:
        corrector = own_corrector(f"hostile_own:{name}", inputs)
        batch = apply_corrector(samples, _correction(corrector, kind), streams(0))
    except SelfcorrectError as error:
        if name in _SOUND:
            return f"failed: {error}"
        return "" if "hostile" in str(error) else f"a message without the corrector: {error}"
    finally:
        sys.path.remove(str(folder))
    told = batch.info.get("exception", np.array([""]))
    if name in _SOUND:
        return "" if torch.equal(batch.samples.values, values) else "changed what it should have left"
    return "" if all(map(str, told)) else "said nothing"


def corrector_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """Every hostile corrector in a loop with each of some strengths and rules, up to `count` of them."""
    names = [*_BATCH, *_MOTION, *sorted(f"own: {name}" for name in _OWN)]
    kinds = ("plain", "reject", "half", "interpolation")
    pairs = [(name, kind) for kind in kinds for name in names]
    pairs = [pairs[index] for index in random_of(seed, "correctors", 0).permutation(len(pairs))]
    return [
        Case(f"correctors:{name}, {kind}", partial(_case, name, kind, seed, folder)) for name, kind in pairs[:count]
    ]


def _case(name: str, kind: str, seed: int, folder: Path) -> str:
    where = os.getcwd()
    warnings.simplefilter("ignore")
    before = _settings()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        if name.startswith("own: "):
            wrong = _in_own_process(name.removeprefix("own: "), kind, Path(place))
        elif name in _MOTION:
            wrong = _in_motion(name, kind, seed)
        else:
            runs = [_in_loop(name, kind, seed, Path(place) / f"run{number}") for number in range(2)]
            wrong = runs[0][0] or ("" if runs[0] == runs[1] else "differs from run to run")
    if os.getcwd() != where:
        os.chdir(where)
        return wrong or "left another folder"
    return wrong or ("" if _settings() == before else "left other settings or random numbers")


def _settings() -> tuple[Any, ...]:
    return (
        torch.get_rng_state().tolist(), torch.is_grad_enabled(), torch.get_default_dtype(), np.geterr(),
        random.getstate(), np.random.get_state()[1].tolist(),  # noqa: NPY002
    )  # fmt: skip


def _correction(corrector: Any, kind: str) -> Correction:
    options: dict[str, dict[str, Any]] = {
        "plain": {}, "reject": {"on_failure": "reject"}, "half": {"strength": 1.0},
        "interpolation": {"strength": 1.0, "operator": "interpolation"},
    }  # fmt: skip
    return Correction(corrector, name="hostile", **options[kind])


def _in_loop(name: str, kind: str, seed: int, folder: Path) -> tuple[str, list[Any]]:
    """What is wrong, and the last model."""
    stream = streams(seed)
    model = Gaussian.standard(2)
    real = Samples.real(model.sample(torch.zeros(20, dtype=torch.int64), stream.child("data")))
    task = Task(model, real, lambda candidate: {"mean": candidate.samples(8).values.mean()})
    plan = Plan(parse_policy("accumulate:1"), 2, correction=_correction(_BATCH[name], kind))
    told, last = "", list[Any]()
    _REAL[:] = [real]
    with FolderStore(folder / "first", {}) as first, FolderStore(folder / "arm", {}) as arm:
        train_first_generation(task, first, stream)
        try:
            last = [value.tolist() for value in run_loop(task, plan, arm, first, stream).state().values()]
        except SelfcorrectError as error:
            told = str(error)
    if told and "generation 1" not in told and "generation 2" not in told:
        return f"a message without the generation: {told}", last
    if told and "hostile" not in told and "training" not in told and "weight" not in told:
        return f"a message without the corrector: {told}", last
    if name.startswith("changes real") and "in place" not in told:
        return f"changed real data unnoticed: {told}", last
    for run in ("first", "arm"):
        if damage_below(folder / run):
            return f"left damage: {damage_below(folder / run)}", last
        if [path for path in (folder / run).iterdir() if path.name.endswith(".tmp")]:
            return "left something half-written", last
    return "", last


@functools.cache
def _codec() -> FeatureCodec:
    from bad_files import walker

    return FeatureCodec.fit(MotionBatch.stack([walker(12)] * 2))


def _in_motion(name: str, kind: str, seed: int) -> str:
    codec = _codec()
    values = torch.randn(4, 12, len(codec.mean), generator=torch.Generator().manual_seed(seed))
    corrector = lift_motions(each_motion(_MOTION[name]), codec, "hostile")
    try:
        batch = apply_corrector(Samples.synthetic(values, None, 1), _correction(corrector, kind), streams(seed))
    except SelfcorrectError as error:
        return "" if "hostile" in str(error) else f"a message without the corrector: {error}"
    return "" if batch.samples.values.isfinite().all() else "left values that are not finite"
