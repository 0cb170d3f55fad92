"""Misbehaving packages are named and end only their file."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Says, add_package
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import correct_file
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.runtime.supervision import call_fenced, fence
from selfcorrect.simulators.settings.engine_table import ENGINES

ENTRY_POINTS = """
[selfcorrect.formats]
zoo = fenced_zoo:ZOO
[selfcorrect.engines]
leaving = fenced_zoo:leave
empty = fenced_zoo:World
"""
MODULE = """
import sys
from pathlib import Path

from selfcorrect.datasets.files.formats import Format
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion

ZOO = Format("zoo", (".zoo",), "a path", "fenced_zoo:read", None, written_as=".bvh")


class Odd(BaseException):
    pass


def read(path, reading):
    word, _, name = path.read_text().partition(" ")
    file = open_motion(path.parent / name)
    if word == "exit":
        sys.exit(0)
    if word == "odd":
        raise Odd("odd")
    if word == "raise":
        raise KeyError("no such animal")
    if word == "write":
        return MotionFile(file.motions, (), lambda path, *motions: sys.exit(3))
    answers = {
        "none": None, "list": [file.motion], "motion": file.motion, "empty": MotionFile((), (), file.write),
        "wrong": MotionFile((None,), (), file.write), "unwritable": MotionFile(file.motions, (), None),
        "notes": MotionFile(file.motions, None, file.write), "silent": MotionFile(file.motions, (), lambda *_: None),
        "good": file,
    }
    return answers[word]


def leave(settings):
    sys.exit(4)


class World:
    def __init__(self, settings):
        pass
"""
WORDS = {
    "exit": "tried to end the program (exit code 0) in fenced_zoo.py, line",
    "odd": "raised Odd: odd",
    "raise": "KeyError: 'no such animal' (fenced_zoo.py, line",
    "write": "tried to end the program (exit code 3)",
    "none": "TypeError: returned None, expected a MotionFile",
    "list": "TypeError: returned a list",
    "motion": "TypeError: returned a Motion",
    "empty": "expected a tuple of Motions",
    "wrong": "expected a tuple of Motions",
    "unwritable": "expected a function",
    "notes": "expected a tuple of strings",
    "silent": "wrote no file",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    add_package(site, "zoo", ENTRY_POINTS)
    (site / "fenced_zoo.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "fenced_zoo", raising=False)
    correct_file._identify_plugins.cache_clear()
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.bvh", "z.bvh"):
        sc.save_motion(data / name, made_motion("walk", frames=40))
    return data


@pytest.mark.slow
def test_failing_reader_is_isolated(folder: Path, says: Says) -> None:
    for word in (*WORDS, "good"):
        (folder / f"{word}.zoo").write_text(f"{word} a.bvh")
    out = folder.parent / "out"
    says("correct --kinematic --workers 1 -o", out, folder, code=1)
    report = json.loads((out / "report.json").read_text())
    motions = {Path(motion["source"]).name: motion for motion in report["motions"]}
    assert {name for name, motion in motions.items() if motion["verdict"] == "failed"} == {f"{w}.zoo" for w in WORDS}
    assert {path.name for path in out.glob("*.bvh")} == {"a.bvh", "z.bvh", "good.bvh"}
    for word, expected in WORDS.items():
        reason = motions[f"{word}.zoo"]["reason"]
        assert "format 'zoo' of zoo 1.2" in reason
        assert expected in reason


@pytest.mark.slow
def test_changed_format_is_reread(folder: Path, says: Says) -> None:
    (folder / "good.zoo").write_text("good a.bvh")
    command = ("correct --kinematic --workers 1 -o", folder.parent / "out", folder / "good.zoo")
    for text, is_finished in (("", False), ("# a comment\n", True), ("MORE = 1\n", False), ("", True)):
        module = folder.parent / "site" / "fenced_zoo.py"
        module.write_text(f"{module.read_text()}{text}")
        correct_file._identify_plugins.cache_clear()  # another process
        assert ("finished already" in says(*command)) == is_finished


def test_engines_that_misbehave_are_named(folder: Path, says: Says) -> None:
    for engine, expected in (
        ("leaving", "tried to end the program (exit code 4)"),
        ("empty", "expected a world with the method build"),
    ):
        out = folder.parent / engine
        printed = says("correct --simulate always --engine", engine, "-o", out, folder, code=2)
        assert "bug in selfcorrect" not in printed
        reasons = [motion["reason"] for motion in json.loads((out / "report.json").read_text())["motions"]]
        assert len(reasons) == 2
        for reason in reasons:
            assert f"engine '{engine}' of zoo 1.2" in reason
            assert expected in reason


@pytest.mark.parametrize(
    "error", [ImportError("core is missing"), AttributeError("no X"), OSError("libGL"), ValueError()]
)
def test_broken_engine_has_remedy(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_import(reference: str) -> object:
        raise error

    monkeypatch.setattr("selfcorrect.runtime.registry.import_object", break_import)
    with pytest.raises(SettingError, match="--force-reinstall --no-deps") as caught:
        ENGINES.load("mujoco")
    assert "--kinematic" in str(caught.value)
    assert "\n" not in str(caught.value)


def fail(error: BaseException) -> Callable[[], object]:
    def function() -> object:
        raise error

    return function


def test_fence_passes_only_sentences() -> None:
    with pytest.raises(KeyboardInterrupt), fence("x"):
        signal.raise_signal(signal.SIGINT)
    for error in (SettingError("a sentence"), OSError(28, "no space left")):
        with pytest.raises(type(error)) as caught, fence("x"):
            raise error
        assert caught.value is error
    odd = (KeyboardInterrupt(), SystemExit(2), GeneratorExit())
    for other in (*odd, ValueError("v"), MemoryError(), RecursionError("deep")):
        with pytest.raises(InputError, match=r"^engine 'x' of y 1.0"):
            call_fenced("engine 'x' of y 1.0", int, fail(other))
    with pytest.raises(InputError, match="'a text', expected int"):
        call_fenced("x", int, lambda: "a text")
    assert call_fenced("x", int, lambda: 3) == 3


def test_failing_reader_is_one_sentence(folder: Path) -> None:
    (folder / "exit.zoo").write_text("exit a.bvh")
    with pytest.raises(InputError, match=r"'zoo' of zoo 1\.2"):
        open_motion(folder / "exit.zoo")


def test_version_names_broken_engines(folder: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    pytest.importorskip("pybullet")
    monkeypatch.setattr("selfcorrect.runtime.registry.import_object", fail_import)
    lines = says("--version --verbose").splitlines()
    assert any(line.startswith("numpy ") for line in lines)
    assert any(line.startswith("kernels: ") for line in lines)
    (line,) = [line for line in lines if line.startswith("engine mujoco: ")]
    assert "pip install --force-reinstall --no-deps mujoco-core==" in line
    assert any(line.startswith("engine leaving: ") for line in lines)


def fail_import(reference: str) -> object:
    raise ImportError(f"no {reference}")


def test_kinematics_needs_no_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.setitem(sys.modules, "pybullet", None)
    out = folder.parent / "kinematic"
    assert main(["correct", str(folder / "a.bvh"), "-o", str(out), "--kinematic", "--workers", "1"]) == 0
    assert (out / "a.bvh").is_file()
