"""The table of engines: one row per simulator, from which settings, command line, errors and benchmarks take theirs.

Nothing is imported before an engine is used. Another package adds one, a class that is a `World` and is made from
`EngineSettings`, through an entry point in the group "selfcorrect.engines".
"""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect.core.errors import MissingExtraError
from selfcorrect.runtime.registry import Registry, Row


@dataclass(frozen=True)
class Engine(Row):
    """An engine."""

    step: str = ""
    """What advances its time, "module:function", which benchmarks clock; "" where there is none."""
    gives_way: bool = False
    """Whether joints are springs, which torques can turn: bodies without help balance by that."""
    together: int = 8
    """Bodies that are simulated at once, at most: many share the work of their control, each takes its memory."""


ENGINES = Registry(
    "engine",
    (
        Engine(
            name="pybullet",
            reference="selfcorrect.simulators.engines.pybullet_world:PyBulletWorld",
            summary="Bullet, with velocity-level motors: the engine of the published figures.",
            needs="pybullet",
            hint="it is built for Python 3.11 on Linux alone; elsewhere choose the engine mujoco (--engine mujoco)",
            step="pybullet:stepSimulation",
        ),
        Engine(
            name="mujoco",
            reference="selfcorrect.simulators.engines.mujoco_world:MuJoCoWorld",
            summary="MuJoCo, with implicit springs and soft contacts: always there, faster, and needs less help.",
            needs="mujoco",
            step="mujoco:mj_step",
            gives_way=True,
            together=64,
        ),
    ),
    group="selfcorrect.engines",
    row_type=Engine,
)

PUBLISHED_ENGINE = "pybullet"
"""The engine of the published figures; another one gives other figures."""

AUTO = "auto"
"""The choice of PyBullet where it is installed, else MuJoCo."""


def resolve_engine(name: str, *, gives_way: bool = False) -> str:
    """The engine that is meant by a name of `ENGINES` or by `AUTO`; gives_way: of `AUTO`, only one whose joints do.

    Raises MissingExtraError where none is installed.
    """
    if name != AUTO:
        return name
    if not gives_way:
        try:
            ENGINES.load("pybullet")
        except MissingExtraError:
            return resolve_engine(AUTO, gives_way=True)
        return "pybullet"
    ENGINES.load("mujoco")
    return "mujoco"
