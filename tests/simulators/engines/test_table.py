"""The table of engines: what it names can be made, other packages add to it, and nothing is imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect.errors import SettingError
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.settings.engine import EngineSettings
from selfcorrect.simulators.settings.tracker import TrackerSettings


def test_each_engine_is_made_from_its_row(engine):
    world = ENGINES.load(engine)(EngineSettings(name=engine))
    assert f"{type(world).__module__}:{type(world).__name__}" == ENGINES.row(engine).reference


def test_unknown_engines_are_refused_by_name():
    with pytest.raises(
        SettingError, match=r"unknown engine 'mujoko', known are pybullet, mujoco; did you mean 'mujoco'"
    ):
        EngineSettings(name="mujoko")


def test_an_installed_package_adds_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walk):
    """Here one that is PyBullet and counts its steps."""
    metadata = tmp_path / "toy_engine-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[selfcorrect.engines]\ntoy = toy_engine:ToyWorld\n")
    (tmp_path / "toy_engine.py").write_text(
        "from selfcorrect.simulators.engines.pybullet_world import PyBulletWorld\n"
        "class ToyWorld(PyBulletWorld):\n"
        "    steps = 0\n"
        "    def step(self, *arguments):\n"
        "        ToyWorld.steps += 1\n"
        "        super().step(*arguments)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ENGINES.names == ["pybullet", "mujoco", "toy"]
    correction = PhysicsCorrector(TrackerSettings.at_strength(0.7, "toy"))([walk])[0]
    assert correction.accepted
    assert ENGINES.load("toy").steps == 4 * (len(walk) - 1)


@pytest.mark.parametrize("module", ["settings", "corrector", "pipeline", "engines.world", "engines.table"])
def test_nothing_loads_an_engine_before_a_world_is_made(module):
    program = f"import sys, selfcorrect.simulators.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pybullet", "mujoco", "torch", "tyro"} & set(loaded)
