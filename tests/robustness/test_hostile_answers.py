"""Whatever a corrector answers, in whichever use: a sentence names it, or its finite samples are taken."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from posed_motions import walking
from robustness.faults import attempt

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.motion.corrector_interface.each import each_motion
from selfcorrect.motion.corrector_interface.lifting import lift_motions
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.storage.runs.memory import MemoryStore

USES: dict[str, dict[str, Any]] = {
    "plain": {}, "half": {"strength": 1.0},
    "interpolation": {"strength": 1.0, "operator": "interpolation"},
}  # fmt: skip


def _values(change: Callable[[torch.Tensor], Any]) -> Callable[[Samples], Any]:
    return lambda samples: samples.with_values(change(samples.values))


def _forever(samples: Samples) -> Samples:
    return _forever(samples)


def _accepting(mask: Any, info: Any = None) -> Callable[[Samples], Any]:
    return lambda samples: Corrected(samples, mask(samples) if callable(mask) else mask, info or {})


ANSWERS: dict[str, Callable[..., Any]] = {
    "recursion": _forever,
    "memory": lambda samples: torch.zeros(10**12),
    "None": lambda samples: None,
    "the class": lambda samples: Samples,
    "a generator": lambda samples: (value for value in samples.values),
    "too many": lambda samples: samples.take(torch.zeros(50, dtype=torch.int64)),
    "none at all": lambda samples: samples.take(torch.arange(0)),
    "NaN": _values(lambda values: values * float("nan")),
    "one NaN": _values(lambda values: torch.where(torch.arange(len(values))[:, None] == 1, float("nan"), values)),
    "complex": _values(lambda values: values.to(torch.complex64)),
    "half": _values(lambda values: values.half()),
    "double": _values(lambda values: values.double()),
    "sparse": _values(lambda values: values.to_sparse()),
    "no device": _values(lambda values: values.to("meta")),
    "an axis more": _values(lambda values: values[..., None]),
    "gradients": _values(lambda values: values.clone().requires_grad_() * 2),
    "an array": _values(lambda values: values.numpy()),
    "a list": _values(lambda values: values.tolist()),
    "a view": _values(lambda values: values.flip(0).T.contiguous().T),
    "rejects all": _accepting(lambda samples: torch.zeros(len(samples), dtype=torch.bool)),
    "accepts None": _accepting(None),
    "numbers for names": _accepting(lambda samples: torch.ones(len(samples), dtype=torch.bool), {3: np.zeros(20)}),
    "labels elsewhere": lambda samples: replace(samples, labels=samples.labels - 99),
    "labels of fractions": lambda samples: replace(samples, labels=samples.labels + 0.5),
    "labels of another shape": lambda samples: replace(samples, labels=samples.labels[:, None]),
    "labels are a list": lambda samples: replace(samples, labels=samples.labels.tolist()),
    "weights of NaN": lambda samples: replace(samples, weights=samples.weights * float("nan")),
    "weights below nothing": lambda samples: replace(samples, weights=samples.weights - 2),
    "takes nothing": lambda: None,
    "takes too much": lambda samples, answer, more: samples,
}


def _in_place(name: str) -> Callable[[Motion], Motion]:
    def corrector(motion: Motion) -> Motion:
        getattr(motion, name)[:] = 1.0
        return motion

    return corrector


MOTIONS: dict[str, Callable[[Motion], Any]] = {
    "root in place": _in_place("root_m"),
    "rotations in place": _in_place("rotations"),
    "skeleton in place": lambda motion: (motion.skeleton.offsets_m.fill(0), motion)[1],
    "None": lambda motion: None,
    "an array": lambda motion: motion.root_m,
    "shorter": lambda motion: motion.frames(0, 5),
    "empty": lambda motion: motion.frames(0, 0),
    "other rate": lambda motion: replace(motion, fps=10.0),
    "NaN": lambda motion: replace(motion, root_m=motion.root_m * np.nan),
    "zero turns": lambda motion: replace(motion, rotations=motion.rotations * 0),
    "huge": lambda motion: replace(motion, root_m=motion.root_m + 1e300),
    "whole numbers": lambda motion: replace(motion, root_m=motion.root_m.astype(int)),
    "complex": lambda motion: replace(motion, root_m=motion.root_m + 1j),
    "wrong shape": lambda motion: replace(motion, root_m=motion.root_m[:, :2]),
    "other body": lambda motion: replace(
        motion, skeleton=replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * 2)
    ),
}


@pytest.fixture(scope="module")
def codec() -> FeatureCodec:
    return FeatureCodec.fit(MotionBatch.stack([walking().frames(start, start + 12) for start in (0, 12)]))


@pytest.mark.slow
@pytest.mark.parametrize("use", USES)
def test_every_answer_is_told_of_or_leaves_finite_numbers(use: str, codec: FeatureCodec) -> None:
    warnings.simplefilter("ignore")
    lifted = {name: lift_motions(each_motion(change), codec, "hostile") for name, change in MOTIONS.items()}
    flat = torch.randn(20, 2)
    motions = torch.randn(4, 12, len(codec.mean))
    finite = 0
    for values, answers in ((flat, ANSWERS), (motions, lifted)):
        for name, corrector in answers.items():
            first = MemoryStore()
            store = MemoryStore()
            task = Task(Gaussian.standard(*values.shape[1:]), Samples.real(values), lambda candidate: {"mean": 0.0})
            arm = Arm(parse_policy("replace"), 1, correction=Correction(corrector, name="hostile", **USES[use]))
            train_first_generation(task, first, streams(0))
            _, sentence = attempt(partial(run_loop, task, arm, store, first, streams(0)), SelfcorrectError)
            finite += bool(sentence)
            if sentence:
                assert any(words in sentence for words in ("generation 1", "tried before anything")), name
                assert any(word in sentence for word in ("hostile", "training", "weight")), (name, sentence)
                assert "internal error" not in sentence, name
            else:
                assert store.batch(1).samples.values.isfinite().all(), name
    assert finite > 15
