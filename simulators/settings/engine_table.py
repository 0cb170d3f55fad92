"""The table of engines, with a row for each simulator.

Settings, command line, errors and benchmarks use this table. An engine is not imported before it is used. Another
package adds an engine, a `World` class that takes `EngineSettings`, through an entry point in the group
"selfcorrect.engines".
"""

import warnings
from dataclasses import dataclass
from importlib import metadata

from selfcorrect.core.errors import MissingExtraError, SettingError
from selfcorrect.runtime.registry import Registry, Row


@dataclass(frozen=True)
class Engine(Row):
    """An engine in the table."""

    has_compliant_joints: bool = False
    """Whether joints are springs, which torques can deflect. Balance without residual force needs such joints."""
    bodies_together: int = 8
    """Maximum number of bodies simulated together. Bodies share the cost of their control, but each takes memory."""
    packages: tuple[str, ...] = ()
    """Packages that may contain the compiled code, likeliest first."""

    @property
    def remedy(self) -> str:
        """Advice for an engine that is installed but cannot be imported, or "".

        Since version 4, MuJoCo consists of two packages. When pip replaces MuJoCo 3, it first writes the files of the
        new package `mujoco-core`, and then removes those of the old package, which have the same names.
        """
        for package in self.packages:
            try:
                command = f"pip install --force-reinstall --no-deps {package}=={metadata.version(package)}"
            except metadata.PackageNotFoundError:
                continue
            return f"run `{command}`, or correct with --kinematic, which needs no engine"
        return ""


ENGINES = Registry(
    "engine",
    (
        Engine(
            name="pybullet",
            reference="selfcorrect.simulators.engines.pybullet_world:PyBulletWorld",
            summary="Bullet, with velocity-level motors: the engine of the published figures.",
            hint="it is built only for Python 3.11 on Linux; elsewhere choose the engine mujoco (--engine mujoco)",
            packages=("pybullet",),
        ),
        Engine(
            name="mujoco",
            reference="selfcorrect.simulators.engines.mujoco_world:MuJoCoWorld",
            summary="MuJoCo, with implicit springs and soft contacts: always installed, faster, less residual force.",
            needs="mujoco",
            packages=("mujoco-core", "mujoco"),
            has_compliant_joints=True,
            bodies_together=64,
        ),
    ),
    group="selfcorrect.engines",
    row_type=Engine,
)

PUBLISHED_ENGINE = "pybullet"
"""Engine of the published figures. Other engines give other figures."""

AUTO = "auto"
"""Name that leaves the choice of the engine to `resolve_engine`."""


def resolve_engine(name: str, *, prefers_published: bool = True) -> str:
    """Return the name of an engine, chosen if it is `AUTO`.

    Args:
        prefers_published: Whether `AUTO` means the engine of the published figures if it is installed. Otherwise it
            means MuJoCo, which is faster and has compliant joints.

    Raises:
        MissingExtraError: The name is `AUTO`, and no engine is installed.
    """
    if name != AUTO:
        return name
    if prefers_published:
        try:
            ENGINES.load(PUBLISHED_ENGINE)
            return PUBLISHED_ENGINE
        except MissingExtraError:
            pass
        except SettingError as error:
            warnings.warn(f"{error}; MuJoCo takes its place", stacklevel=2)
    ENGINES.load("mujoco")
    return "mujoco"
