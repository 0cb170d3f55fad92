"""Users' data policies work by file and by entry point, also in arms."""

import sys
from pathlib import Path

import pytest
import torch
from helpers import REPOSITORY, add_package

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.arm_words import describe_arm
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.axes import Axes
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.study import own_identities
from selfcorrect.loop.policy import parse_policy

PAGE = (REPOSITORY / "docs" / "own-generator.md").read_text(encoding="utf-8").partition("## A data policy")[2]


class _History:
    """As many synthetic samples in generation t as t."""

    latest = 3

    def batch(self, generation: int) -> Samples:
        return Samples.synthetic(torch.ones(generation, 2), torch.zeros(generation, dtype=torch.int64), generation)


@pytest.fixture(autouse=True)
def _page_as_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_policy.py").write_text(PAGE.split("```python\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_policy", raising=False)


def test_guide_policies_mix():
    real = Samples.real(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    growing = parse_policy("my_policy.py:Growing:1:1.5")
    assert [growing.count(4, generation) for generation in (1, 2, 3)] == [6, 9, 14]
    assert len(growing.mix(real, _History(), 3, streams(0))) == 4 + 3
    phased = parse_policy("my_policy.py:Phased:2")
    assert [len(phased.mix(real, _History(), generation, streams(0))) for generation in (1, 2, 3)] == [1, 2, 4]
    weighted = parse_policy("my_policy.py:Weighted:0.25").mix(real, _History(), 2, streams(0))
    assert weighted.weights.tolist() == [1, 1, 1, 1, 0.25, 0.25]


def test_entry_point_names_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    points = PAGE.split("```toml\n")[1].split("```")[0].replace("project.entry-points.", "").replace('"', "")
    add_package(tmp_path / "site", "policies", points)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert parse_policy("growing:1:3").count(2, 2) == 18


def test_policy_code_is_identified():
    arms = Axes(arms=("my_policy.py:Growing:1:1.5", "my_policy.py:Growing:1:1.5,floor")).refine_arms((BASELINE,))
    assert [arm.key for arm in arms[1:]] == ["Growing-1-1.5+none", "Growing-1-1.5+floor"]
    assert describe_arm(arms[2]) == "Growing:1:1.5, floor"
    assert arms[2].plain == arms[1]
    settings = MotionSettings({"dct-mlp": arms}, 1, 1)
    assert "policy 'my_policy.py:Growing'" in own_identities(settings)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("replce", "unknown policy 'replce'.*did you mean 'replace'"),
        ("my_policy.py:Growth", "has no 'Growth'"),
        ("nowhere.py:Growing", "no such file"),
        ("my_policy.py:Growing:1:2:3", "must have the form"),
        ("my_policy.py:replace:1", "must have"),
    ],
)
def test_wrong_policies_raise(policy: str, message: str):
    with pytest.raises(SettingError, match=message):
        parse_policy(policy)


def test_unknown_policy_raises_early():
    with pytest.raises(SettingError, match="unknown policy 'replce'"):
        MotionSettings({"dct-mlp": (ArmSettings("replce"),)}, 1, 1)
