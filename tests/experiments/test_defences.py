"""Every defence in the table makes a plan that runs, on the axis that it says."""

import pytest
import torch

from selfcorrect.experiments.defence_table import DEFENCES
from selfcorrect.experiments.defences import DefenceInputs, defended
from selfcorrect.loop import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.policy import Replace
from selfcorrect.randomness import streams
from selfcorrect.samples import Samples
from selfcorrect.storage.memory import MemoryStore

STREAM = streams(6)
PLAN = Plan(Replace(), 2)


@pytest.mark.parametrize("row", list(DEFENCES), ids=lambda row: row.name)
def test_rows_are_complete_and_make_a_plan(row):
    plan = defended(PLAN, row.name, DefenceInputs())
    assert (plan == PLAN) == (row.name == "none")
    assert all((row.summary, row.knows, row.cost, row.source))


@pytest.mark.parametrize("name", ["matched", "extrapolated", "lineages"])
def test_defended_loops_run(name):
    task = Task(
        Gaussian.standard(2), Samples.real(torch.randn((12, 2), generator=STREAM.torch()).double()), lambda c: {}
    )
    first, store = MemoryStore(), MemoryStore()
    train_first_generation(task, first, STREAM)
    assert run_loop(task, defended(PLAN, name, DefenceInputs()), store, first, STREAM).state()["mean"].isfinite().all()
