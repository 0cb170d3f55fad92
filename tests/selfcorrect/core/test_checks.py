"""Arguments that a dataclass does not have get one sentence with the right name."""

import pickle
from dataclasses import replace

import pytest

from selfcorrect import Accumulate, Arm, Augment, Correction, Keep, Replace, SettingError, Task


@pytest.mark.parametrize(
    ("kind", "named", "right_name"),
    [
        (Augment, {"lam": 1}, "synthetic_ratio"),
        (Accumulate, {"ratio": 1}, "synthetic_ratio"),
        (Augment, {"syntetic_ratio": 1}, "synthetic_ratio"),
        (Keep, {"share": 0.5}, "fraction"),
        (Correction, {"corrector": abs, "gamma": 1}, "strength"),
        (Arm, {"policy": Replace(), "generations": 1, "corrector": abs}, "correction"),
        (Task, {"model": None, "data": None}, "real"),
    ],
)
def test_an_unknown_argument_is_named_with_the_right_one(kind: type, named: dict[str, object], right_name: str) -> None:
    with pytest.raises(SettingError, match=rf"^{kind.__name__} has no argument .*; did you mean {right_name}\?$"):
        kind(**named)


def test_explained_dataclasses_stay_dataclasses() -> None:
    policy = Augment(0.5)
    assert policy == Augment(synthetic_ratio=0.5) == pickle.loads(pickle.dumps(policy))
    assert replace(policy, synthetic_ratio=2.0) == Augment(2.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'synthetic_ratio'"):
        Augment()  # type: ignore[call-arg]
