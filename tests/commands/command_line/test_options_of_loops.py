"""Options of loops change the run, or are refused in one sentence."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from tyro.conf import Suppress

from selfcorrect.commands.compare import CompareCommand
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.commands.toy import ToyCommand
from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.motion.axes import Axes

Plan = Callable[[Any], object]
FILE = Path("a.bvh")
LOOPS = Path(__file__).resolve().parents[3] / "examples" / "loops"
TRACKING: dict[str, object] = {"wandb": "offline", "wandb_project": "p", "wandb_entity": "e"}
VALUES: dict[type, dict[str, object]] = {
    MotionCommand: TRACKING | {
        "preset": "demo", "policy": ("augment",), "synthetic_ratio": ("0.3",), "corrector": ("kinematic",),
        "physics_in": ("sampler",), "remedy": ("matched",), "guidance": (2.5,), "temperature": (0.9,), "eta": (0.5,),
        "sampler": ("ddim",),
        "sampling_steps": (7,), "gamma": (0.7,), "generations": 2, "seeds": 2, "first_seed": 4, "real_count": 77,
        "evaluated_count": 33, "evaluate_corrected": True, "steps": 11, "initial_steps": 12,
        "denoiser": ("temporal-conv",), "data": ("a.bvh",), "reference": ("a.bvh",),
        "protocol": "text", "simulation": "fine", "training": "plain", "arms": ("replace,floor",),
        "representation": "humanml3d",
        "labels": "window",
        "start_from": ("run", "replace+none"),
        "generator": ("x",), "engine": "mujoco", "out": Path("elsewhere"),
        "dry_run": True, "workers": 3, "runner": "here", "runner_options": {"cores": "2"},
        "corrector_timeout_s": 5.0, "corrector_in_process": True,
        "accept_changed": True, "keep": "sampling", "repair": True, "device": "cpu",
        "against": "no-run", "metric": ("m:f",), "learning_rate": 0.002, "batch_size": 9, "width": 24,
    },
    CompareCommand: TRACKING | {
        "tasks": {"other": "operator:neg"}, "arms": {"c": ArmSettings()}, "generations": 3, "steps": 4,
        "gammas": (0.5,), "copying": True, "real_counts": (9,), "reference": "a", "seeds": 3, "first_seed": 2,
        "better": {"score": "lower"}, "primary": "score", "bounds": {"score": (0.0, 1.0)},
        "claims": "collections:OrderedDict", "title": "t", "out": Path("elsewhere"), "accept_changed": True,
        "workers": 3, "runner": "here", "runner_options": {"cores": "2"}, "runs": (Path("run"), Path("other")),
        "repair": True,
    },
    ToyCommand: TRACKING | {
        "files": (str(LOOPS / "gaussian_collapse.py"),), "out": Path("elsewhere"), "quick": True, "workers": 3,
        "runner": "processes", "runner_options": {"cores": "2"},
        "n": (30,), "synthetic_ratio": (0.3,), "gamma": (0.7,), "generations": 2, "epochs": 2.0, "seeds": 2, "seed": 5,
        "text": FILE, "mnist": Path("run"),
    },
}  # fmt: skip
"""A value of each option, unlike its default."""
ARMS = {"a": ArmSettings("real"), "b": ArmSettings("replace")}
QUICK = MotionCommand.from_words(["--preset", "quick"])
COMMANDS = {
    "motion with physics": QUICK,
    "motion without corrector": replace(
        MotionCommand.from_words(["--preset", "quick"]), axes=Axes(corrector=("none",))
    ),
    "two runs": CompareCommand(runs=(Path("run"), Path("run"))),
    "steps": CompareCommand({"task": "operator:neg"}, ARMS, steps=7),
    "one toy": ToyCommand((str(LOOPS / "gaussian_correct.py"),)),
    "a toy with networks": ToyCommand((str(LOOPS / "digits_as_published.py"),)),
}


class PlanError(Exception):
    """Raised in place of a run, with its plan."""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return what a command would run, or its refusal."""
    from sklearn.neural_network import MLPClassifier  # slow to import

    from selfcorrect.experiments.studies import run as study_run
    from selfcorrect.experiments.studies.comparison import compare as comparison
    from selfcorrect.experiments.studies.comparison import runs

    fit = MLPClassifier.fit  # judges of digits are made with the plan, and learn next to nothing here
    monkeypatch.setattr(MLPClassifier, "fit", lambda judge, *data: fit(judge.set_params(max_iter=1), *data))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    FILE.touch()

    def run(*arguments: object, **options: object) -> None:
        options.pop("command")
        described = {name: _describe(value) for name, value in options.items()}
        raise PlanError(repr(([*map(_describe, arguments)], described)))

    monkeypatch.setattr(study_run, "run_study", run)
    monkeypatch.setattr(comparison, "compare", run)
    monkeypatch.setattr(runs, "compare_runs", lambda *runs, **options: run(*runs, command="", **options))

    def make_plan(command: Any) -> object:
        try:
            return command.run()
        except (PlanError, SelfcorrectError) as error:
            return re.sub(r"0x\w+", "", str(error))

    return make_plan


def _describe(value: object) -> object:
    return (
        {name: vars(item) for name, item in value.items()}
        if isinstance(value, Mapping) and value and all(hasattr(item, "__dict__") for item in value.values())
        else value
    )


def list_options(command: Any) -> dict[str, tuple[str, ...]]:
    """Return where each option of a command is; options of a group follow its name."""
    places = {}
    hints = get_type_hints(type(command), include_extras=True)
    for option in fields(command):
        value = getattr(command, option.name)
        if is_dataclass(value):
            places |= {name: (option.name, *inner) for name, inner in list_options(value).items()}
        elif Suppress not in getattr(hints[option.name], "__metadata__", ()):
            places[option.name] = (option.name,)
    return places


def change(command: Any, place: tuple[str, ...], value: object) -> Any:
    name, *inner = place
    if inner:
        value = change(getattr(command, name), tuple(inner), value)
    return replace(command, **{name: value})


@pytest.mark.slow  # imports PyTorch and all networks
@pytest.mark.parametrize("title", COMMANDS)
def test_loop_options_take_effect(title: str, plan: Plan) -> None:
    command = COMMANDS[title]
    places = list_options(command)
    values = VALUES[type(command)]
    assert set(values) == set(places), "an option that is not tried"
    plain = plan(command)
    without_effect = []
    for name, place in places.items():
        try:
            is_changed = plan(change(command, place, values[name])) != plain
        except SelfcorrectError:  # from the options themselves
            is_changed = True
        if not is_changed:
            without_effect.append(name)
    assert not without_effect
