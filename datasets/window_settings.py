"""Settings for cutting motions into windows."""

from collections.abc import Collection
from dataclasses import dataclass

from selfcorrect.core.errors import SettingError


@dataclass(frozen=True)
class WindowSettings:
    """Settings of windows."""

    frames: int = 48
    """T, length of a window."""
    fps: float = 30.0
    """Frame rate."""
    stride: int = 1
    """Frames from a window's start to the next window's."""
    mirrored: bool = True
    """Also the mirror image of each window."""
    cap_per_label: int | None = None
    """Maximum number of windows per label, spread evenly over its clips and times."""
    cyclic: Collection[str] = frozenset()
    """Labels of cyclic clips. They hold a cycle of a motion that goes on."""
    held_out_share: float = 0.25
    """Held-out share of a clip's time. At least a window is held out."""

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "cap_per_label"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} must be at least 1, got {value}")
        if not self.fps > 0:
            raise SettingError(f"fps must be positive, got {self.fps}")
        if not 0 < self.held_out_share < 1:
            raise SettingError(f"held_out_share must lie between 0 and 1, got {self.held_out_share}")
