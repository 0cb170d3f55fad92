"""Functions and correctors become correctors that keep the contract."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from two_modes import halve

from selfcorrect.core.errors import CorrectorError, SampleError, SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import (
    Corrected,
    call_corrector,
    chain,
    filter_of,
    lift,
    load_state,
    merge_info,
    name_of,
    random_perturbation,
    state_of,
    verifier,
)
from selfcorrect.runtime.registry import import_callable

STREAM = streams(3)


def batch(count: int = 200, *event: int) -> Samples:
    values = torch.randn((count, *(event or (3,))), generator=STREAM.child("data").generator())
    return Samples.synthetic(values, torch.arange(count) % 4, generation=2)


def test_stream_argument_is_passed():
    def jitter(samples: Samples, stream) -> Samples:
        return samples.with_values(samples.values + torch.randn(samples.values.shape, generator=stream.generator()))

    first = call_corrector(jitter, batch(), STREAM.child("a")).samples.values
    same = call_corrector(jitter, batch(), STREAM.child("a")).samples.values
    different = call_corrector(jitter, batch(), STREAM.child("b")).samples.values
    assert torch.equal(first, same)
    assert not torch.equal(first, different)


def without_return(values):
    values * 2


def yielding(values):
    yield values


async def waiting(values):
    return values


@pytest.mark.parametrize(
    ("corrector", "message"),
    [
        (lambda s: s.values, "returned a Tensor, expected Samples or Corrected"),
        (lambda s: s.take(torch.arange(5)), "one sample per input, got 5 for 200.*`accepted` mask"),
        (lambda s: s.with_values(s.values[:, :2]), r"must keep the shape \(200, 3\), got \(200, 2\)"),
        (lambda s: s.with_values(s.values.long()), "floating-point values, got torch.int64"),
        (lambda s: s.with_values(s.values.numpy()), "values as a torch tensor, got ndarray"),
        (lambda s: s.with_values(s.values.to("meta")), "values as a dense tensor"),
        (lambda s: replace(s, labels=s.labels + 0.5), r"labels of shape \(200,\) and type torch.int64"),
        (lambda s: replace(s, weights=s.weights - 2), "weights that are finite and not negative"),
        (lambda s: Corrected(s, torch.ones(200)), r"`accepted` must be bool of shape \(200,\), got torch.float32"),
        (lambda s: Corrected(s, torch.ones(9, dtype=torch.bool)), r"got torch.bool of shape \(9,\)"),
        (lambda s: Corrected(s, torch.ones(200, dtype=torch.bool), {"pen": np.zeros(3)}), r"info\['pen'\].*\(3,\)"),
        (lambda s: Corrected(s, torch.ones(200, dtype=torch.bool), {"x": [{}] * 200}), r"info\['x'\] must hold"),
        (without_return, r"returned None \(is a `return` missing\?\), expected a tensor \(200, 3\)"),
        (yielding, r"returned a generator \(it must `return` all values.*expected a tensor \(200, 3\)"),
        (waiting, r"returned a coroutine \(it must not be an `async` function\), expected a tensor \(200, 3\)"),
        (lambda values: values.numpy(), r"returned a ndarray, expected a tensor \(200, 3\)"),
        (lambda samples: None, r"returned None .*, expected Samples or Corrected"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_invalid_answer_raises(corrector, message):
    with pytest.raises(CorrectorError, match=message):
        call_corrector(corrector, batch(), STREAM)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_values_raise(bad):
    def breaks_seven(samples: Samples, accepted=False) -> Corrected:
        values = samples.values
        values[7, 1] = bad
        mask = torch.ones(len(samples), dtype=torch.bool)
        mask[7] = accepted
        return Corrected(samples.with_values(values), mask)

    assert not call_corrector(breaks_seven, batch(), STREAM).accepted[7]
    with pytest.raises(SampleError, match="not finite") as caught:
        call_corrector(lambda s: breaks_seven(s, accepted=True), batch(), STREAM)
    assert caught.value.sample == 7


def test_lift_keeps_name():
    corrector = lift(torch.tanh)
    assert name_of(corrector) == "tanh"
    assert torch.equal(call_corrector(corrector, batch(), STREAM).samples.values, batch().values.tanh())


def test_a_verifier_only_rejects():
    answer = call_corrector(verifier(lambda s: s.values[:, 0] > 0, "positive"), batch(), STREAM)
    assert torch.equal(answer.samples.values, batch().values)
    assert torch.equal(answer.accepted, batch().values[:, 0] > 0)


def half_and_reject(samples: Samples) -> Corrected:
    return Corrected(halve(samples), samples.values[:, 0] > 0, {"height": samples.values[:, 1].numpy()})


def test_filter_rejects_the_same():
    answer = call_corrector(filter_of(half_and_reject), batch(), STREAM)
    assert torch.equal(answer.samples.values, batch().values)
    assert torch.equal(answer.accepted, batch().values[:, 0] > 0)


def test_placebo_moves_as_far():
    samples = batch(4000)
    answer = call_corrector(random_perturbation(half_and_reject), samples, STREAM)
    moved = answer.samples.values - samples.values
    torch.testing.assert_close(moved.norm(dim=1), samples.values.norm(dim=1) / 2)
    cosine = torch.nn.functional.cosine_similarity(moved, samples.values)
    assert abs(cosine.mean()) < 4 / np.sqrt(3 * 4000)  # each cosine has mean 0 and variance 1/3 on the sphere
    assert torch.equal(answer.accepted, samples.values[:, 0] > 0)


def test_chain_passes_accepted_samples():
    seen = []

    def second(samples: Samples) -> Corrected:
        seen.append(len(samples))
        return Corrected(halve(samples), samples.values[:, 1] > 0, {"label": samples.labels.numpy()})

    samples = batch()
    answer = call_corrector(chain(half_and_reject, second), samples, STREAM)
    first_half = samples.values[:, 0] > 0
    accepted = first_half & (samples.values[:, 1] > 0)
    assert seen == [int(first_half.sum())]
    assert torch.equal(answer.accepted, accepted)
    assert torch.equal(answer.samples.values[accepted], samples.values[accepted] / 4)
    np.testing.assert_array_equal(answer.info["half_and_reject.height"], samples.values[:, 1].numpy())
    np.testing.assert_array_equal(np.isnan(answer.info["second.label"]), ~first_half.numpy())


def test_chain_uses_callers_numbering():
    def fails_on_first(samples: Samples) -> Samples:
        raise SampleError(0, "too tall")

    samples = batch()
    first_accepted = int((samples.values[:, 0] > 0).nonzero()[0])
    with pytest.raises(SampleError, match="fails_on_first: too tall") as caught:
        call_corrector(chain(half_and_reject, fails_on_first), samples, STREAM)
    assert caught.value.sample == first_accepted


def test_joined_diagnostics_are_padded():
    joined = merge_info([(2, {"pen": np.array([1.0, 2.0])}), (1, {"reason": np.array(["fell"])})])
    np.testing.assert_array_equal(joined["pen"], [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(joined["reason"], ["", "", "fell"])


@pytest.fixture
def module_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in ("my_correctors", "my_broken"):
        sys.modules.pop(name, None)


def test_corrector_in_current_folder(module_folder: Path):
    (module_folder / "my_correctors.py").write_text("def gentle(samples):\n    return samples\n")
    assert name_of(import_callable("my_correctors:gentle")) == "gentle"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("gentle", "as package.module:function or .*, got 'gentle'"),
        ("my_correctors:", "as package.module:function"),
        ("no_such_module:f", "cannot import the module 'no_such_module'.*No module named"),
        ("my_correctors:missing", "module 'my_correctors' has no 'missing'"),
        ("my_correctors:number", "must be a function or a callable object, got 3"),
        ("my_correctors:Thing", "must be a function or a callable object, got <class"),
        ("my_broken:f", "cannot import the module 'my_broken'.*division by zero"),
    ],
)
def test_bad_reference_raises(module_folder: Path, reference: str, message: str):
    (module_folder / "my_correctors.py").write_text("number = 3\nclass Thing:\n    pass\n")
    (module_folder / "my_broken.py").write_text("1 / 0\n")
    with pytest.raises(SettingError, match=message) as caught:
        import_callable(reference)
    assert "\n" not in str(caught.value)


def test_gradients_are_left_behind():
    synthetic = Samples.synthetic(torch.zeros(3, 2), None, 1)
    answer = call_corrector(
        lambda samples: samples.with_values(samples.values.requires_grad_() * 2), synthetic, streams(0)
    )
    assert not answer.samples.values.requires_grad


def test_network_runs_in_eval_mode():
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5), torch.nn.Linear(3, 3)).double().train()
    network[1].eval()
    answer = call_corrector(network, batch(), STREAM)
    expected = network[2](network[0](batch().values.double())).float()
    torch.testing.assert_close(answer.samples.values, expected)
    assert not answer.samples.values.requires_grad
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert name_of(network) == "Sequential"


def test_callables_are_correctors():
    class Shrunk:
        def __call__(self, samples: Samples) -> Samples:
            return halve(samples)

    def scale_samples(factor: float, samples: Samples) -> Samples:
        return samples.with_values(samples.values * factor)

    for corrector in (halve, Shrunk(), partial(scale_samples, 0.5), lambda samples: halve(samples)):
        answer = call_corrector(corrector, batch(), STREAM)
        assert torch.equal(answer.samples.values, batch().values / 2)
        assert answer.accepted.all()
    assert name_of(partial(scale_samples, 0.5)) == "scale_samples"


class Broken:
    """A corrector whose state cannot be read or restored."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def state(self) -> dict[str, torch.Tensor]:
        raise self.error

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        raise self.error


@pytest.mark.parametrize("error", [KeyError("x"), OSError("x"), SystemExit(3)])
def test_failing_state_raises(error: BaseException) -> None:
    is_exit = isinstance(error, SystemExit)
    for name, call in (("state", state_of), ("load_state", partial(load_state, state={"a": torch.zeros(1)}))):
        reason = (
            "tried to end the program" if is_exit else rf"^{name}\(\) of corrector 'Broken': {type(error).__name__}"
        )
        with pytest.raises(ValueError if is_exit else CorrectorError, match=reason):
            call(Broken(error))
