"""Code of others cannot end or hang us, nor change what others draw."""

import random
import signal
import threading

import numpy as np
import pytest
import torch

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import CorrectorError, InputError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import call_corrector
from selfcorrect.loop.correctors.loop_correction import Correction, apply_corrector
from selfcorrect.runtime import global_generators
from selfcorrect.runtime.supervision import EndedError, forbid_exit

RAW = Samples.synthetic(torch.zeros(4, 2), None, 1)


class Odd(BaseException):
    """An exception of no usual kind."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Odd("no"), "raised Odd"),
        (GeneratorExit(), "raised GeneratorExit"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (SystemExit(3), r"tried to end the program \(exit code 3\)"),
    ],
)
def test_unusual_exceptions_are_errors(error: BaseException, words: str) -> None:
    def corrector(samples: Samples) -> Samples:
        raise error

    with pytest.raises(CorrectorError, match=f"corrector 'odd' failed.*it {words}"):
        apply_corrector(RAW, Correction(corrector, name="odd"), streams(0))


def test_ctrl_c_stays_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), forbid_exit():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_passes_fences() -> None:
    with pytest.raises(KeyboardInterrupt), forbid_exit("outer"), forbid_exit("inner"):
        signal.raise_signal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)

    def replace_handler() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt), forbid_exit():
            replace_handler()
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_get_no_interrupt() -> None:
    caught = []

    def work() -> None:
        try:
            with forbid_exit("the plug-in"):
                raise KeyboardInterrupt
        except InputError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught[0].startswith("the plug-in raised KeyboardInterrupt")


def test_ended_call_is_not_retried() -> None:
    calls = []

    def ending(samples: Samples) -> Samples:
        calls.append(len(samples))
        raise EndedError("its process was killed")

    with pytest.raises(CorrectorError, match="its process was killed"):
        apply_corrector(RAW, Correction(ending), streams(0))
    assert calls == [len(RAW)]


def test_changes_stay_in_copy() -> None:
    def vandal(samples: Samples) -> Samples:
        answer = samples.with_values(samples.values.clone())
        samples.values.fill_(9)
        samples.labels.fill_(9)
        samples.weights.fill_(9)
        samples.provenance.generation.fill(9)
        return answer

    synthetic = Samples.synthetic(torch.zeros(4, 2), None, 1)
    call_corrector(vandal, synthetic, streams(0))
    assert not synthetic.values.any()
    assert not synthetic.labels.any()
    assert synthetic.weights.tolist() == [1] * 4
    assert synthetic.provenance.generation.tolist() == [1] * 4


def jitter(samples: Samples) -> Samples:
    drawn = random.gauss(0, 1) + np.random.randn() + torch.randn(samples.values.shape)  # noqa: NPY002
    return samples.with_values(samples.values + drawn)


def test_global_generators_are_restored() -> None:
    before = global_generators.get_state()
    first = call_corrector(jitter, RAW, streams(1)).samples.values
    repeated = call_corrector(jitter, RAW, streams(1)).samples.values
    from_another_stream = call_corrector(jitter, RAW, streams(2)).samples.values
    assert torch.equal(first, repeated)
    assert not torch.equal(first, from_another_stream)
    after = global_generators.get_state()
    assert before["python"] == after["python"]
    assert all(np.array_equal(first, two) for first, two in zip(before["numpy"], after["numpy"], strict=True))
    assert np.array_equal(before["torch"], after["torch"])


@pytest.mark.slow
def test_command_ends_with_error(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "quitter.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["motion", "--corrector", "quitter:x"]) == 2
    assert "tried to end the program" in capsys.readouterr().err
