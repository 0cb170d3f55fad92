"""A corrector whose state cannot be read or restored is named, with the line at fault."""

import pytest
import torch

from selfcorrect.core.errors import CorrectorError
from selfcorrect.correctors.contract import load_state, state_of


class Broken:
    """A corrector that fails as told."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def state(self) -> dict[str, torch.Tensor]:
        raise self.error

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        raise self.error


def test_a_state_that_fails_is_a_sentence() -> None:
    with pytest.raises(CorrectorError, match=r"state\(\) of corrector 'Broken': KeyError"):
        state_of(Broken(KeyError("x")))
    with pytest.raises(CorrectorError, match=r"load_state\(\) of corrector 'Broken': OSError"):
        load_state(Broken(OSError("x")), {"a": torch.zeros(1)})
    for call in (lambda broken: state_of(broken), lambda broken: load_state(broken, {"a": torch.zeros(1)})):
        with pytest.raises(ValueError, match="tried to end the program"):
            call(Broken(SystemExit(3)))
