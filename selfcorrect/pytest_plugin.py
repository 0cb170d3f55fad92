"""Plugin for pytest, with the option `--loop-seeds` and fixtures for tests of loops.

    def test_my_corrector_keeps_the_loop_stable(loop_toy, loop_trial):
        sc.assert_loop_stable(*loop_toy, sc.Replace(), my_corrector, loop_trial)

Nothing slow is imported before a fixture is used, because pytest loads this module in every project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from .loop.models.protocol import GenerativeModel
    from .testing import Trial


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--loop-seeds`."""
    parser.getgroup("selfcorrect", "self-consuming loops").addoption(
        "--loop-seeds", type=int, metavar="N", help="maximum number of seeds of a trial with the fixture loop_trial"
    )


@pytest.fixture(scope="session")
def loop_trial(request: pytest.FixtureRequest) -> Trial:
    """A `selfcorrect.Trial` with its defaults, limited to `--loop-seeds` seeds."""
    from .testing import Trial

    seeds = request.config.getoption("--loop-seeds")
    return Trial() if seeds is None else Trial(seeds=seeds)


@pytest.fixture(scope="session")
def loop_toy() -> tuple[GenerativeModel, Tensor]:
    """A model and real data whose fully synthetic loop collapses.

    The model is a Gaussian; the data are 80 points of a standard normal distribution.
    """
    import torch

    from .loop.models.gaussian import Gaussian

    data = torch.randn((80, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Gaussian.standard(2), data
