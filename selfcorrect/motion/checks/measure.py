"""Physical errors of a motion, in total and per frame, as reported by `correct` and `check`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...core.checks import check_kind, count_noun
from ...core.errors import SettingError
from ..kinematics import in_chunks
from ..measures.physical import ERRORS, SHOWN_ERRORS, TOLERANCE_M
from ..measures.roughness import joint_jerks_m_s3
from ..measures.skating import measure_skating_by_frame_m_s
from ..measures.slip import NO_SLIP, Slip, measure_slip
from ..motion import Motion
from ..perception.motion_features import MotionFeatures
from ..perception.observed_ground import observe_ground
from ..support import Support, Surroundings, gripping
from .check import check
from .findings import Finding


@dataclass(frozen=True, eq=False)
class Measures:
    """Physical errors of a motion of T frames and J joints.

    Arrays per foot have the left foot first, and are NaN while the foot does not stand.
    """

    penetration_by_frame_m: np.ndarray
    """(T,) depth of the body's lowest point below the floor, or 0 up to 5 mm."""
    floating_by_frame_m: np.ndarray
    """(T, 2) height of standing soles above the floor, or 0 up to 5 mm."""
    skate_by_frame_m_s: np.ndarray
    """(T − 1, 2) speed along the ground, from the frame before, of feet that stand in the motion before a correction.
    Corrections are chosen by it; `slip` is what is reported."""
    jerk_by_frame_m_s3: np.ndarray
    """(T − 3, J) jerk of each joint: the magnitude of its third derivative."""
    slip: Slip = NO_SLIP
    """Stances from touch-down to lift-off, how far each slips, and the speed of each foot by frame."""
    slips: tuple[Finding, ...] = ()
    """Findings of rule F3, slides under weight: no point of the bearing soles stands still."""

    @property
    def penetration_m(self) -> float:
        """Mean penetration over all frames."""
        return _mean(self.penetration_by_frame_m)

    @property
    def floating_m(self) -> float:
        """Mean floating height over frames and standing feet."""
        return _mean(self.floating_by_frame_m[np.isfinite(self.floating_by_frame_m)])

    @property
    def skate_m_s(self) -> float:
        """Mean speed of standing feet."""
        return _mean(self.skate_by_frame_m_s[np.isfinite(self.skate_by_frame_m_s)])

    @property
    def slip_m(self) -> float:
        """Mean slip per stance."""
        return self.slip.per_stance_m

    @property
    def slip_m_s(self) -> float:
        """Mean slip speed over the time of all stances."""
        return self.slip.mean_m_s

    @property
    def jerk_m_s3(self) -> float:
        """Mean jerk over joints and frames."""
        return _mean(self.jerk_by_frame_m_s3)

    @property
    def errors(self) -> dict[str, float]:
        """The errors by key, as in `ERRORS`."""
        return {error.key: getattr(self, error.key) for error in ERRORS}

    def __repr__(self) -> str:
        means = ", ".join(error.format(getattr(self, error.key)) for error in SHOWN_ERRORS)
        return f"Measures({means}; {len(self.penetration_by_frame_m)} frames, {count_noun(len(self.slips), 'slip')})"

    def by_frame(self, key: str) -> np.ndarray:
        """Return the error with this key for each frame."""
        fields = {
            "penetration_m": self.penetration_by_frame_m,
            "floating_m": self.floating_by_frame_m,
            "skate_m_s": self.skate_by_frame_m_s,
            "jerk_m_s3": self.jerk_by_frame_m_s3,
        }
        return fields[key]


def measure(motion: Motion, before: Motion | None = None) -> Measures:
    """Measure the physical errors of a motion.

    Real motion has errors, too, so compare with real motion and not with zero. The floor is at y = 0. Steps and seats
    are unknown here.

    Args:
        motion: The motion.
        before: The motion before a correction, with the same frames. Its feet then decide which foot floats, and in
            which frames `skate_m_s` counts; otherwise a foot that was lifted would not count. None for the motion
            itself. Slip does not depend on it.

    Raises:
        SettingError: `motion` or `before` is not a Motion, or their numbers of frames differ.
    """
    check_kind("motion", motion, Motion)
    measures = measure_errors(motion, before)
    return replace(measures, slip=measure_slip(motion), slips=tuple(check(motion, ("F3",))))


def measure_errors(motion: Motion, before: Motion | None = None, supports: Sequence[Support] = ()) -> Measures:
    """Measure physical errors as `measure` does, but without slip and slips, and on known supports.

    The floor is at y = 0, however far from it the feet stand, unless unknown bone lengths explain its height.
    """
    kept_m = observe_ground(motion).kept_m or 0.0
    features = reference = MotionFeatures(motion, Surroundings(tuple(supports), kept_m))
    if before is not None:
        check_kind("before", before, Motion)
        if len(before) != len(motion):
            raise SettingError(f"before must have the {len(motion)} frames of the motion, got {len(before)}")
        reference = MotionFeatures(before)
    stands = reference.observation.stands if features.has_feet else np.zeros((len(motion), 0), dtype=bool)
    return measure_features(features, reference, stands)


def measure_features(
    features: MotionFeatures, reference: MotionFeatures, stands: np.ndarray, cuts: Sequence[int] = ()
) -> Measures:
    """Measure a motion whose feet should stand where the reference's do.

    Args:
        features: Features of T frames.
        reference: Features of the motion whose feet decide which foot stands when.
        stands: (T, 2) whether each foot of the reference stands.
        cuts: First frame of each take but the first.
    """
    depths_m = -np.where(gripping(features.around.supports, len(features)), 0.0, features.lowest_m)
    heights_m = features.sole_heights_m if stands.shape[1] else np.zeros(stands.shape)
    heights_m = np.where(heights_m > TOLERANCE_M, heights_m, 0.0)
    bounds = [0, *cuts, len(features)]
    jerks_m_s3 = np.concatenate([_measure_jerks_m_s3(features, *take) for take in pairwise(bounds)])
    features.forget_poses()
    feet = reference.feet if reference.given.skeleton.same_as(features.given.skeleton) else features.feet
    return Measures(
        penetration_by_frame_m=np.where(depths_m > TOLERANCE_M, depths_m, 0.0),
        floating_by_frame_m=np.where(stands, heights_m, np.nan),
        skate_by_frame_m_s=measure_skating_by_frame_m_s(features.given, reference.given, feet),
        jerk_by_frame_m_s3=jerks_m_s3,
    )


def _measure_jerks_m_s3(features: MotionFeatures, first: int, last: int) -> np.ndarray:
    """Measure the jerk (last − first − 3, J) of each joint in a take.

    The result has no rows for fewer than four frames.
    """

    def measure(frames: np.ndarray) -> np.ndarray:
        return joint_jerks_m_s3(features.find_positions_m(frames[0], frames[-1] + 4), features.fps)

    frames = np.arange(first, last - 3)
    return in_chunks(measure, frames) if len(frames) else np.zeros((0, len(features.skeleton)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
