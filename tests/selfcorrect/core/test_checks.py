"""Unknown arguments of dataclasses name the right ones."""

import pickle
from dataclasses import replace

import pytest

from selfcorrect import Accumulate, Arm, Augment, Correction, SettingError, Task


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [
        (Augment, "lam", "use synthetic_ratio"),
        (Accumulate, "synthetic", "it takes synthetic_ratio"),
        (Correction, "gamma", "use strength"),
        (Arm, "corrector", "use correction"),
        (Task, "data", "use real"),
    ],
)
def test_unknown_argument_gets_suggestion(kind: type, name: str, right: str) -> None:
    with pytest.raises(SettingError, match=f"^{kind.__name__} has no argument '{name}'; {right}$"):
        kind(**{name: 1})


def test_explained_dataclasses_stay_dataclasses() -> None:
    policy = Augment(0.5)
    assert policy == Augment(synthetic_ratio=0.5) == pickle.loads(pickle.dumps(policy))
    assert replace(policy, synthetic_ratio=2.0) == Augment(2.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'synthetic_ratio'"):
        Augment()  # type: ignore[call-arg]
