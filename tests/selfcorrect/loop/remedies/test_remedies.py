"""Every remedy changes the loop, and works with correctors in every place."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import add_package
from torch import Tensor
from two_modes import STREAM, halve, start_small_loop

from selfcorrect.core.errors import SettingError
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Policy, RealOnly, Replace
from selfcorrect.loop.remedies.remedies import RemedyInputs, with_place, with_remedy
from selfcorrect.loop.remedies.table import PLACES, REMEDIES
from selfcorrect.loop.run import Arm, Task, run_loop
from selfcorrect.loop.store.memory import MemoryStore


@pytest.fixture(scope="module")
def small() -> tuple[Task, MemoryStore]:
    return start_small_loop()


def run_in_place(small: tuple[Task, MemoryStore], arm: Arm, place: str, remedy: str = "none") -> MemoryStore:
    task, first = small
    task, placed = with_remedy(*with_place(task, arm, place), remedy)
    store = MemoryStore()
    run_loop(task, placed, store, first, STREAM)
    return store


def reject_lower_half(samples: Samples) -> Corrected:
    levels = samples.values.flatten(1).mean(1)
    return Corrected(halve(samples), levels > levels.median())


@pytest.mark.parametrize("place", PLACES.names)
def test_corrector_works_in_place(small, place: str) -> None:
    arm = Arm(Replace(), 1, steps=3, correction=Correction(reject_lower_half, on_rejection="drop"))
    store = run_in_place(small, arm, place)
    batch = store.batch(1)
    is_corrected = (batch.samples.values - batch.raw.values).abs().sum() > 0
    assert bool(is_corrected) == (place not in ("sampler", "filter"))
    assert (len(batch.samples) < 24) == (place != "sampler")
    drawn = run_in_place(small, Arm(Replace(), 1), "data").batch(1).samples.values
    assert torch.equal(batch.drawn.values, drawn) == (place != "sampler")


def test_real_pairs_train_on_real(small) -> None:
    arm = Arm(RealOnly(), 2, steps=3, correction=Correction(halve))
    store = run_in_place(small, arm, "preference")
    assert (store.metrics(2)["real_count"], store.metrics(2)["synthetic_count"]) == (24, 0)
    assert len(store.batch(2).samples) == 24


@pytest.mark.parametrize("policy", [Replace(), RealOnly()])
@pytest.mark.parametrize("remedy", ["matched", "lineages"])
def test_preference_excludes_other_training(
    small, remedy: str, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_plainly(task: Task, arm: Arm, inputs: RemedyInputs) -> tuple[Task, Arm]:
        return task, replace(arm, fitting=fit_plainly)

    load = REMEDIES.load
    monkeypatch.setattr(REMEDIES, "load", lambda name: train_plainly if name == "plain-training" else load(name))
    arm = Arm(policy, 2, steps=3, correction=Correction(halve))
    both = run_in_place(small, arm, "preference", remedy).state(2)
    for single in (("preference", "none"), ("data", remedy)):
        state = run_in_place(small, arm, *single).state(2)
        assert any(not torch.equal(both[name], tensor) for name, tensor in state.items())
    with pytest.raises(SettingError, match="plain-training"):
        run_in_place(small, arm, "preference", "plain-training")
    with pytest.raises(SettingError, match="both change sampling"):
        run_in_place(small, arm, "sampler", remedy)
    with pytest.raises(SettingError, match="needs a corrector"):
        with_place(small[0], Arm(Replace(), 1), "filter")


def test_package_adds_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "patience.py").write_text(
        "from dataclasses import replace\n"
        "def twice_as_long(task, arm, inputs):\n    return task, replace(arm, generations=2 * arm.generations)\n"
    )
    add_package(tmp_path, "patience", "[selfcorrect.remedies]\npatient = patience:twice_as_long\n")
    task = Task(Gaussian.standard(1), Samples.real(torch.zeros(2, 1)), lambda candidate: {})
    with pytest.raises(SettingError, match="unknown remedy 'patient'"):
        with_remedy(task, Arm(Replace(), 3), "patient")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert with_remedy(task, Arm(Replace(), 3), "patient")[1].generations == 6
    assert REMEDIES.row("patient").summary == "Added by patience 1.2."


def final_state(small: tuple[Task, MemoryStore], name: str) -> dict[str, Tensor]:
    task, first = small
    store = MemoryStore()
    task, arm = with_remedy(task, Arm(Replace(), 2, steps=3), name)
    return run_loop(task, arm, store, first, STREAM).state()


@pytest.fixture(scope="module")
def plain(small: tuple[Task, MemoryStore]) -> dict[str, Tensor]:
    """What a loop without a remedy ends with."""
    return final_state(small, "none")


@pytest.mark.slow
@pytest.mark.parametrize("row", list(REMEDIES), ids=lambda row: row.name)
def test_rows_are_complete_and_run(row, small, plain: dict[str, Tensor]) -> None:
    assert all((row.summary, row.knows, row.cost, row.source))
    state = final_state(small, row.name)
    same = state.keys() == plain.keys() and all(torch.equal(state[key], plain[key]) for key in state)
    assert same == (row.name == "none")
