"""The command line, Python and the records share one object of options."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import tyro

import selfcorrect as sc
from selfcorrect.commands.correct.command import CorrectCommand
from selfcorrect.commands.correct.in_python import correct_files, correct_motions
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import SettingError
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.pipeline import Pipeline
from selfcorrect.simulators.presets import SAMPLES
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.stages.scene import Scene


def test_command_and_python_agree() -> None:
    """An option of each kind is tried; `tests/robustness` shows that every option of the command changes something."""
    line = "a --strength 0.3 --raw --scene.load-kg 5 --contacts c --amount legs=0.5 --keep hands --fps 25"
    options = CorrectionOptions(
        strength=0.3, raw=True, scene=Scene(load_kg=5.0), contacts=Path("c"), amount=("legs=0.5",), keep=("hands",),
        reading=sc.Reading(fps=25.0),
    )  # fmt: skip
    assert tyro.cli(CorrectCommand, args=line.split()).options == options
    assert tyro.cli(CorrectCommand, args=["a"]).options == CorrectionOptions()


@pytest.mark.parametrize(
    ("word", "strength"),
    [("balanced", 0.7), ("0.7", 0.7), (0.7, 0.7), ("faithful", 0.0), ("physical", 1.0), ("0.25", 0.25)],
)
def test_strength_forms_agree(word: str | float, strength: float) -> None:
    assert CorrectionOptions(strength=word).strength == strength
    assert (CorrectionOptions(strength=word) == CorrectionOptions()) == (strength == 0.7)


def test_python_name_changes_one_option(stepping: sc.Motion) -> None:
    options = CorrectionOptions(raw=True, mass_kg=60.0, scene=Scene(load_kg=5.0))
    assert options.with_changes({"strength": "physical"}).strength == 1.0
    assert asdict(options.with_changes({"raw": False})) == {**asdict(options), "raw": False}
    for call in (sc.correct, sc.correct_motions):
        with pytest.raises(SettingError, match=r"unknown option 'strenght'.*did you mean 'strength'"):
            call([stepping] if call is sc.correct_motions else stepping, strenght=1)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"options.*CorrectionOptions"):
        sc.correct(stepping, 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"strength": "strong"}, "strength must be one of"),
        ({"strength": 2}, "strength must be one of"),
        ({"strength": "1.5"}, "a number from 0 to 1, got '1.5'"),
        ({"mass_kg": 0.0}, "mass-kg must be a number from 1 to 1000"),
        ({"mass_kg": -70.0}, "mass-kg must be a number from 1 to 1000, got -70"),
        ({"kinematic": True, "scene": Scene(load_kg=3)}, "a scene needs a simulation"),
        ({"reading": sc.Reading(ground=Path("g.json")), "scene": Scene(load_kg=3)}, "leave out ground"),
        ({"strength": "residual-free", "engine": "pybullet"}, "needs an engine with compliant joints"),
        *(
            ({"level": True, **option}, "level")
            for option in (
                *({"frames": "1:9"}, {"amount": ("legs=0.5",)}, {"keep": ("hands",)}),
                {"reading": sc.Reading(floor=0.1)},
            )
        ),
        ({"fallback": "balanced"}, "fallback balanced needs strength residual-free, got 0.7"),
        *(
            ({"strength": "simulated", **option}, "cannot be used with strength simulated")
            for option in ({"support": "off"}, {"keep_level": True}, {"remove_drift": True}, {"join_takes": True})
        ),
        ({"frames": "60:20"}, "first < last"),
        ({"frames": "all"}, "first < last"),
        ({"amount": ("legs=2",)}, "0 to 1"),
        ({"amount": ("tail=1",)}, "LIMB=SHARE"),
        ({"amount": ("legs@x=1",)}, "LIMB@FRAME=SHARE"),
        ({"amount": ("=1",)}, "LIMB=SHARE"),
    ],
)
def test_invalid_options_raise(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        CorrectionOptions().with_changes(wrong)


@pytest.mark.parametrize(("name", "value"), [("keep_failed", True), ("reading", sc.Reading(fps=25.0))])
def test_file_options_raise_for_motions(stepping: sc.Motion, name: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"{name.replace('_', '-')} is for motion files"):
        correct_motions([stepping], **{name: value})


def test_report_records_request(stepping: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "in.bvh", stepping)
    options = CorrectionOptions(kinematic=True, support="floor", reading=sc.Reading(fps=30.0))
    correct_files(tmp_path / "in.bvh", tmp_path / "out", options, workers=1)
    recorded = json.loads((tmp_path / "out" / "report.json").read_text())["settings"]
    assert recorded == json.loads(json.dumps(asdict(options.resolve_engine())))


def test_samples_equal_loops() -> None:
    from_command = CorrectionOptions(strength="simulated", engine="pybullet").pipeline
    assert from_command == SAMPLES
    alone = CorrectionOptions(strength="simulated", kinematic=True).pipeline
    assert alone == Pipeline(CleanupSettings.for_samples())


@pytest.mark.parametrize("strength", ["balanced", "residual-free", "simulated"])
def test_simulation_on_request(strength: str) -> None:
    auto = CorrectionOptions(strength=strength, engine="mujoco").pipeline
    always = CorrectionOptions(strength=strength, engine="mujoco", simulate="always").pipeline
    assert auto.simulate == ("auto" if strength == "balanced" else "always")
    assert always.simulate == "always"


def test_fallback_needs_residual_free() -> None:
    tracker = CorrectionOptions(strength="residual-free", fallback="balanced").pipeline.tracker
    alone = CorrectionOptions(strength="residual-free").pipeline.tracker
    assert tracker == TrackerSettings.without_residual(fallback="balanced")
    assert tracker.has_fallback
    assert alone is not None
    assert not alone.has_fallback
