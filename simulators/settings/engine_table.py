"""The table of engines, a row per simulator.

Settings, command line, errors and benchmarks use it. Nothing is imported before an engine is used. Another package adds
an engine, a `World` class that takes `EngineSettings`, through an entry point in the group "selfcorrect.engines".
"""

import warnings
from dataclasses import dataclass

from selfcorrect.core.errors import MissingExtraError, SettingError
from selfcorrect.runtime.registry import Registry, Row


@dataclass(frozen=True)
class Engine(Row):
    """Row of an engine."""

    has_compliant_joints: bool = False
    """True if joints are springs. Torques can move them, as balance without residual force needs it."""
    bodies_together: int = 8
    """Maximum number of bodies simulated together. Many share the work of their control, but each takes memory."""
    packages: tuple[str, ...] = ()
    """Packages that may hold its compiled code. The likeliest comes first."""

    @property
    def remedy(self) -> str:
        """Advice for an engine that cannot be imported.

        It is "" if no package of the engine is installed. Since MuJoCo 4 two packages bring MuJoCo. When pip replaces
        MuJoCo 3, it removes the files of the older package after it has written files of the same names that belong to
        the new package `mujoco-core`.
        """
        from importlib.metadata import PackageNotFoundError, version  # slow to import

        for package in self.packages:
            try:
                command = f"pip install --force-reinstall --no-deps {package}=={version(package)}"
            except PackageNotFoundError:
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
"""Engine of the published figures. Another engine gives other figures."""

AUTO = "auto"
"""Choice of an engine by `resolve_engine`."""


def resolve_engine(name: str, *, prefers_published: bool = True) -> str:
    """Resolve the name of an engine.

    `AUTO` leaves it open.

    Args:
        prefers_published: `AUTO` takes the engine of the published figures if it is installed. Otherwise it takes
            MuJoCo, which is faster and has compliant joints.

    Raises:
        MissingExtraError: `AUTO`, and no engine is installed.
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
