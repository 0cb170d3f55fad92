"""Settings for cutting motions into windows."""

from collections.abc import Collection
from dataclasses import dataclass

from selfcorrect.core.errors import SettingError


@dataclass(frozen=True)
class WindowSettings:
    """Settings for cutting motions into windows."""

    frames: int = 48
    """Length of a window in frames, T."""
    fps: float = 30.0
    """Frame rate of the windows."""
    stride: int = 1
    """Number of frames between the starts of successive windows."""
    mirrored: bool = True
    """Whether to add the mirror image of each window."""
    cap_per_label: int | None = None
    """Maximum number of windows per label, spread evenly over its clips and times; None for no limit."""
    cyclic: Collection[str] = frozenset()
    """Labels of cyclic clips, which hold one cycle of a continuing motion."""
    held_out_share: float = 0.25
    """Share of a clip's time that is held out, at least one window."""

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "cap_per_label"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} must be at least 1, got {value}")
        if not self.fps > 0:
            raise SettingError(f"fps must be positive, got {self.fps}")
        if not 0 < self.held_out_share < 1:
            raise SettingError(f"held_out_share must lie between 0 and 1, got {self.held_out_share}")
