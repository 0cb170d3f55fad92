"""Names of correctors: those of earlier versions still lead to the same correctors."""

import pytest

from selfcorrect.experiments.motion.correctors.table import CORRECTORS, FORMER_NAMES, corrector_row, is_own
from selfcorrect.experiments.motion.settings.experiment import MotionOptions
from selfcorrect.experiments.motion.settings.presets import PRESETS


@pytest.mark.parametrize(("former", "name"), FORMER_NAMES.items())
def test_former_names_lead_to_the_same_corrector(former: str, name: str) -> None:
    assert corrector_row(former) == CORRECTORS.row(name)
    assert not is_own(former)
    assert CORRECTORS.load(name) is not None
    (comparison, *_) = MotionOptions(corrector=(former,)).apply_to(PRESETS["quick"]).comparisons
    assert former in {arm.corrector for arm in comparison.arms}


def test_former_names_can_be_stages() -> None:
    assert corrector_row("low-pass+placebo").control
