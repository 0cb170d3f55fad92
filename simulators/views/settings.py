"""Settings that views read."""

from typing import Protocol

from ..cleanup.clean import CleanupSettings
from ..stages.scene import Scene


class ViewSettings(Protocol):
    """The settings of a `Pipeline` that views read."""

    @property
    def cleanup(self) -> CleanupSettings: ...

    @property
    def scene(self) -> Scene: ...
