"""Settings that views read."""

from collections.abc import Sequence
from typing import Protocol

from selfcorrect.motion.perception.frame_times import FrameTimes

from ..settings.plan import SupportMode
from ..stages.scene import Scene
from .cleaning import Kind


class CleanupChoices(Protocol):
    """What views read of `CleanupSettings`."""

    @property
    def frame_times(self) -> FrameTimes: ...

    @property
    def close_loops(self) -> bool: ...

    @property
    def level(self) -> bool: ...

    @property
    def keep_level(self) -> bool: ...

    @property
    def mode(self) -> SupportMode: ...

    def considers(self, name: str, /) -> bool: ...

    def find_step(self, kind: type[Kind], /) -> Kind | None: ...


class ViewSettings(Protocol):
    """The settings of a `Pipeline` that views read."""

    @property
    def cleanup(self) -> CleanupChoices: ...

    @property
    def scene(self) -> Scene: ...

    @property
    def postprocess(self) -> Sequence[object]: ...
