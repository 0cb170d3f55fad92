"""A world of another package, whose answers are checked and which cannot change what it gets.

NumPy broadcasts wrong shapes, and NaN spreads in silence. So arrays go in as read-only views and come out as checked
copies. A state may be NaN after a step, because simulations diverge, and such a body counts as lost. A state that was
just set is finite, and so are targets, and loads of bodies whose state is finite.
"""

from collections.abc import Collection, Sequence

import numpy as np

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import InputError
from selfcorrect.motion.support import Support
from selfcorrect.runtime.read_only import make_read_only

from ..body.humanoid import Humanoid
from ..settings.engine_table import ENGINES
from ..settings.tracker import EngineSettings
from .world import Reference, RootState, World

WORLD_METHODS = tuple(name for name in vars(World) if not name.startswith("_"))
"""Methods of a world."""

_UNIT_TOLERANCE = 1e-3
"""Largest deviation of a quaternion's norm from 1; single precision rounds by 1e-7 in each step."""


class CheckedWorld:
    """A world whose answers are checked.

    Every method raises InputError with `title` if the world answers with other arrays than the protocol says.
    """

    def __init__(self, world: World, title: str) -> None:
        """Wrap a world.

        Args:
            title: Name of the engine for messages.
        """
        self._world = world
        self._title = title
        self._count = 0
        self._links = 0
        self._read_only: dict[int, tuple[Humanoid, Humanoid]] = {}  # a body of the world is always the same object
        self._was_stepped = False

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        self._count, self._links = len(bodies), len(bodies[0])
        self._read_only = {id(body): (body, make_read_only(body)) for body in bodies}
        self._world.build(list(map(self._find_read_only, bodies)), step_s, make_read_only(list(supports)))

    def show(self, body: int, supports: Collection[int]) -> None:
        self._world.show(body, frozenset(supports))

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        read_only = self._find_read_only(body)
        answer = self._world.drive(
            read_only, make_read_only(reference), make_read_only(times_s), make_read_only(torques_nm)
        )
        targets, driven_nm = self._split("drive", answer, ("targets", "torques"))
        joints = torques_nm.shape[:3]
        return (
            self._check("the targets of drive", targets, (*joints, 4), is_finite=True),
            self._check("the torques of drive", driven_nm, (*joints, 3), is_finite=True),
        )

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        self._was_stepped = False
        read_only_roots = RootState(*map(make_read_only, roots))
        self._world.reset(read_only_roots, make_read_only(rotations), make_read_only(velocities_rad_s))

    def step(
        self,
        running: Sequence[int],
        targets: np.ndarray,
        torques_nm: np.ndarray,
        force_n: np.ndarray,
        torque_nm: np.ndarray,
    ) -> None:
        self._was_stepped = True
        self._world.step(tuple(running), *map(make_read_only, (targets, torques_nm, force_n, torque_nm)))

    def root(self) -> RootState:
        columns = self._split("root", self._world.root(), RootState._fields)
        sizes = (3, 4, 3, 3)
        checked = [
            self._check_state(f"{name} of root", column, (size,))
            for name, column, size in zip(RootState._fields, columns, sizes, strict=True)
        ]
        return RootState(*checked)

    def rotations(self) -> np.ndarray:
        return self._check_state("rotations", self._world.rotations(), (self._links - 1, 4))

    def velocities_rad_s(self) -> np.ndarray:
        return self._check_state("velocities_rad_s", self._world.velocities_rad_s(), (self._links - 1, 3))

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        return self._check_state("positions_m", self._world.positions_m(tuple(links)), (len(links), 3))

    def loads_n(self) -> np.ndarray:
        loads_n = self._check("loads_n", self._world.loads_n(), (self._count, self._links))
        is_broken = ~np.isfinite(loads_n).all(1)
        if is_broken.any() and np.isfinite(self.root().position_m[is_broken]).any():
            raise InputError(f"{self._title}: loads_n is not finite, although the root is; expected finite forces")
        return loads_n

    def _find_read_only(self, body: Humanoid) -> Humanoid:
        return self._read_only[id(body)][1]

    def _check_state(self, name: str, values: object, event: tuple[int, ...]) -> np.ndarray:
        """Return an array of all bodies' states; quaternions have unit norm."""
        state = self._check(name, values, (self._count, *event), is_finite=not self._was_stepped)
        if event[-1] == 4:
            norms = np.linalg.norm(state, axis=-1)
            norms = norms[np.isfinite(norms)]
            if (abs(norms - 1) > _UNIT_TOLERANCE).any():
                furthest = norms[abs(norms - 1).argmax()]
                raise InputError(f"{self._title}: {name} has a quaternion of norm {furthest:.4g}, expected unit norm")
        return state

    def _check(self, name: str, values: object, shape: tuple[int, ...], *, is_finite: bool = False) -> np.ndarray:
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            got = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else describe_value(values)
            raise InputError(f"{self._title}: {name} is {got}, expected an array of real numbers")
        if values.shape != shape:
            raise InputError(f"{self._title}: {name} has the shape {values.shape}, expected {shape}")
        if is_finite and not np.isfinite(values).all():
            raise InputError(f"{self._title}: {name} is not finite before any step; expected finite numbers")
        return np.array(values, dtype=float)

    def _split(self, name: str, answer: object, names: Sequence[str]) -> tuple[object, ...]:
        if not isinstance(answer, tuple) or len(answer) != len(names):
            expected = f"{', '.join(names[:-1])} and {names[-1]}"
            raise InputError(f"{self._title}: {name} returned {describe_value(answer)}, expected a tuple of {expected}")
        return answer


def make_world(settings: EngineSettings) -> World:
    """Return a world of an engine, which is checked if another package added the engine.

    Raises:
        InputError: The engine of another package fails, or does not make worlds.
        SettingError: The engine cannot be imported.
    """
    name = settings.name
    with ENGINES.fence(name):
        world = ENGINES.load(name)(settings)
    if not ENGINES.is_added(name):
        return world
    title = ENGINES.title(name)
    missing = [method for method in WORLD_METHODS if not callable(getattr(world, method, None))]
    if missing:
        got = describe_value(world)
        raise InputError(f"{title}: expected a world with the method {missing[0]}, got {got}; see `World`")
    return CheckedWorld(world, title)
