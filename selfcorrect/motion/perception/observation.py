"""Observation of a motion's feet: their stances and the ground below.

It says which foot stands when, how high the floor is, and what contradicts that. `observe` returns the observation of a
motion, computed once. Its probabilities do not depend on where y = 0 is, and its heights rise with the motion. The slow
part, stances and the ground that they show (`FeetPerception`), depends on the paths of the feet alone. It is computed
once for all motions whose feet move alike: at another height, with other soles, or with joint frames rotated in place.

1. Velocities are computed over the shortest window that limits the noise of the joints.
2. A hidden Markov model finds stances by speed and by height above each point's lower envelope.
3. Each stance votes once on the floor, which is the lowest height with many votes, so that dips of a few frames never
   win. A foot that is still above the floor stands only if it carries the body alone for a while.
4. The model is solved again with heights above the ground of each foot's own stances, interpolated between them. So
   slopes, stairs and sinking floors need no special treatment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ...runtime.object_cache import remember_by_content, remember_by_object
from ..geometry.floor_speeds import floor_speeds_m_s
from ..geometry.runs import find_runs
from ..geometry.vectors import median, percentile
from ..kinematics import joint_positions
from ..motion import Motion, MotionBatch
from ..skeleton import BOX_FOOT_SOLE_M, SIDES, SOLE_BELOW_TOE_JOINT_M, Skeleton
from .foot_paths import FootPaths, find_heels_and_toes
from .gliding import estimate_standing_glide
from .lifts import estimate_lift_m
from .stance_model import LIKELY, STANDS_M_S, StanceModel
from .stances import (
    LEVEL_GROUND,
    OFF_M,
    RISES_FAR_M,
    SAME_LEVEL_M,
    GroundSlope,
    Stance,
    Votes,
    count_votes,
    find_stances,
    fit_rise,
    fit_slope,
    interpolate_ground,
    rises_underfoot,
)

_SURE = 0.9
"""Probability above which a stance is certain. Such stances set targets of a plan."""
_MISLABELLED = 0.0025
"""Probability that a label in a file is wrong."""
_FAR_M = 0.31
"""Floor height above which strong evidence is needed, in m. Otherwise, bodies that float or climb would be put on it.
"""
_OFTEN_SHOWN = 0.25
"""Minimum share of frames in which a foot stands on such a floor."""
_SHOWN_M = 0.03
"""Maximum distance of a standing foot from such a floor, in m."""
_ALIKE_M = 0.01
"""Half the maximum difference between a rig's left and right sole depth, in m."""
_TOE_DEPTHS_M = (0.0, 0.05)
"""Minimum and maximum depth of soles below toe joints, in m."""
_STEEPEST_FOOT = 0.6
"""Maximum slope of flat feet at rest, from toe joint to ankle."""
FLAT_S = 0.15
"""Minimum duration of flat stances that show how feet stand, in s."""
_ANKLE_RISE_M = 0.062
"""Usual height of the ankle above the toe joint in a flat foot with a sole of usual depth, in m."""
_DEEPER_SHARE = 0.55
"""Increase of sole depth per decrease of the ankle's rise. Rigs place toe joints higher or lower in the same foot."""


@dataclass(frozen=True, eq=False)
class _Ground:
    """Ground that stances show, relative to the lowest foot joint."""

    stances: tuple[Stance, ...]
    votes: Votes
    slope: GroundSlope
    heights_m: np.ndarray
    """(T, 2 K) ground height of each point."""
    above_m: np.ndarray
    """(T, 2 K) height of each point above its ground."""


@dataclass(frozen=True, eq=False)
class FeetPerception:
    """Results of the stance model, at any height of the motion.

    There are T frames, and 2 feet with K points each.
    """

    standing: np.ndarray
    """(T, 2, K) probability that each point stands still."""
    bearing: np.ndarray
    """(T, 2, K) probability that each point touches the ground."""
    ground: _Ground
    paths: FootPaths
    model: StanceModel | None
    """None for a body without feet or without frames."""


class Observation:
    """Feet, floor and stances of a motion of T frames.

    Each result is computed once, when it is needed. A foot has K points: heel and toe joint, or only the ankle if there
    is no toe joint. On a known ground, heights are relative to it.
    """

    def __init__(self, motion: Motion) -> None:
        self.fps = motion.fps
        self.has_feet = motion.skeleton.pair("ankle") is not None and len(motion) > 0
        self.feet_m = find_feet_m(motion)
        """(T, 2, K, 3) ankles and toe joints, or ankles alone, left foot first."""
        self._toe_offset_m = _find_toe_offset_m(motion.skeleton)
        self._usual_deeper_m = motion.skeleton.usual_sole_m - SOLE_BELOW_TOE_JOINT_M
        self._size = motion.skeleton.size
        self._labels = motion.contacts
        self._root_m = motion.root_m

    def __len__(self) -> int:
        return len(self.feet_m)

    @property
    def standing(self) -> np.ndarray:
        """(T, 2, K) probability that each point stands still and may be planted."""
        return self._perception.standing

    @cached_property
    def bearing(self) -> np.ndarray:
        """(T, 2) probability that any point of each foot touches the ground and may bear load."""
        return self._perception.bearing.max(-1)

    @property
    def stands(self) -> np.ndarray:
        """(T, 2) whether each foot probably stands still."""
        return self.standing.max(-1) > LIKELY

    @cached_property
    def plantable(self) -> np.ndarray:
        """(T, 2, K) probability that a point can be planted.

        The point stands still, on ground that does not glide. Labels in the motion's file count as evidence. Infinite
        labels decide about a foot, whose more likely point then stands.
        """
        standing = self._labelled_standing * (not self.glide_m_s.any())
        if self._labels is None or not np.isinf(self._labels).any():
            return standing
        relative = (standing + 1e-3) / (standing + 1e-3).max(-1, keepdims=True)
        decided = np.where(self._labels[..., None] > 0, relative, 0.0)
        return np.where(np.isinf(self._labels)[..., None], decided, standing)

    @property
    def _labelled_standing(self) -> np.ndarray:
        """(T, 2, K) probability of standing, with the file's labels as evidence."""
        model = self._perception.model
        if self._labels is None or model is None:
            return self.standing
        shares = np.clip(self._labels, _MISLABELLED, 1 - _MISLABELLED)
        odds = np.repeat(np.log(shares / (1 - shares)), self.standing.shape[2], axis=1)
        return model.infer_standing(self._perception.ground.above_m, odds).reshape(self.standing.shape)

    @cached_property
    def resting(self) -> np.ndarray:
        """(T, 2) probability that each foot rests.

        Any of its points stands on ground that may slide beneath it. The probability is 0 where labels exclude that the
        foot stands.
        """
        model = self._perception.model
        if model is None:
            return self.standing.max(-1)
        resting = model.infer_resting(self._perception.ground.above_m).reshape(self.standing.shape).max(-1)
        return resting if self._labels is None else np.where(np.isneginf(self._labels), 0.0, resting)

    @property
    def toes_stand(self) -> np.ndarray:
        """(T, 2) whether each toe joint certainly stands still.

        Without a toe joint, the ankle counts.
        """
        return self.standing[..., -1] > _SURE

    @cached_property
    def stands_flat(self) -> np.ndarray:
        """(T, 2) whether each foot certainly stands flat.

        Heel and toe joint both stand, at their heights on the floor.
        """
        heights_m = self._perception.paths.places_m[..., 1].reshape(self.standing.shape)
        off_m = np.abs(heights_m - self._perception.ground.votes.floors_m)
        return np.all((self.standing > _SURE) & (off_m < OFF_M), axis=-1)

    @property
    def touches(self) -> np.ndarray:
        """(T, 2) whether each foot probably touches the ground."""
        return self.bearing > LIKELY

    @property
    def stances(self) -> tuple[Stance, ...]:
        """Stances of all points whose votes count, with heights above the lowest foot joint."""
        return self._perception.ground.stances

    @cached_property
    def sole_depth_m(self) -> float:
        """Usual sole depth below the toe joint, or below the ankle if there is none.

        Rigs place toe joints higher or lower in the same foot. The rest pose shows this by how far the ankle is above
        the toe joint, unless its feet point down. Then flat stances show it.
        """
        if self.feet_m.shape[2] < 2:
            return -BOX_FOOT_SOLE_M * self._size
        deeper_m = _DEEPER_SHARE * (_ANKLE_RISE_M - self._ankle_rise_m / self._size)
        depth_m = np.clip(SOLE_BELOW_TOE_JOINT_M + deeper_m, *_TOE_DEPTHS_M)
        return float(depth_m + self._usual_deeper_m) * self._size

    @property
    def _ankle_rise_m(self) -> float:
        """Height of the ankle above the toe joint in a flat foot.

        If the motion does not show it, the usual height is returned.
        """
        reach_m = np.linalg.norm(self._toe_offset_m[[0, 2]])
        if 0 <= -self._toe_offset_m[1] < _STEEPEST_FOOT * reach_m:
            return -float(self._toe_offset_m[1])
        rises_m = (self.feet_m[:, :, 0] - self.feet_m[:, :, 1])[..., 1][self.stands_flat]
        is_shown = len(rises_m) > FLAT_S * self.fps
        return float(percentile(rises_m, 25)) if is_shown else _ANKLE_RISE_M * self._size

    @cached_property
    def floor_m(self) -> float:
        """Height of the floor on which the feet stand."""
        if not self.has_feet:
            return 0.0
        return float(self._perception.ground.votes.floors_m[-1]) + self._base_m - self.sole_depth_m

    @cached_property
    def is_floor_shown(self) -> bool:
        """True if the feet show their floor.

        A foot often stands on it, wherever y = 0 is. Gliding feet do not show a floor.
        """
        if not self.has_feet or self.glide_m_s.any():
            return False
        heights_m = self.feet_m[:, :, -1, 1] - self.sole_depth_m
        is_on_floor = np.abs(heights_m - self.floor_m) < _SHOWN_M
        return bool((self.stands & is_on_floor).any(1).mean() >= _OFTEN_SHOWN)

    @property
    def is_floor_plausible(self) -> bool:
        """False for ground far above zero on which feet hardly stand.

        Bodies that float or climb seem to have such ground. Ground below y = 0 is always plausible, because no floor at
        0 carries a body that stands below it.
        """
        return self.is_floor_shown or bool(self.levels_m.min() <= _FAR_M)

    @cached_property
    def left_deeper_m(self) -> float:
        """Half the difference between the left and the right sole's depth.

        The foot whose joint stands higher has the deeper sole.
        """
        heights_m = []
        for foot in range(2):
            flat_m = self.feet_m[self.stands_flat[:, foot], foot, -1, 1]
            if len(flat_m) <= FLAT_S * self.fps:
                return 0.0
            heights_m.append(float(median(flat_m)))
        return float(np.clip((heights_m[0] - heights_m[1]) / 2, -_ALIKE_M, _ALIKE_M))

    @property
    def floor_error_m(self) -> float:
        """Standard error of the floor's height, without that of the soles' depth."""
        return self._perception.ground.votes.error_m

    @cached_property
    def levels_m(self) -> np.ndarray:
        """(L,) levels on which feet stand, the lowest first."""
        return self._perception.ground.votes.levels_m + self._base_m - self.sole_depth_m

    @property
    def slope(self) -> GroundSlope:
        """Slope of the ground in space and time.

        The ground is level unless a slope explains the stances much better.
        """
        return self._perception.ground.slope

    @cached_property
    def _rise(self) -> GroundSlope:
        """Ground that rises or sinks at a constant rate."""
        return fit_rise(self.stances, self.feet_m, self.fps)

    @cached_property
    def rise_m(self) -> np.ndarray:
        """(T,) height of steadily rising or sinking ground, relative to the middle frame.

        It is zero unless the stances show such a ground.
        """
        frames = np.arange(len(self))
        return self._rise.slopes[2] * (frames - frames.mean()) / self.fps

    @property
    def rises_underfoot(self) -> bool:
        """True if the ground rises or sinks far and standing feet move with it.

        Such ground does not slope. Feet that slide up a slope rise as well, but not far.
        """
        is_far = np.ptp(self.rise_m) > RISES_FAR_M
        return bool(is_far) and rises_underfoot(self._rise, self.stances, self.feet_m, self.fps)

    @cached_property
    def lift_m(self) -> np.ndarray:
        """(T,) height of a lift that carries the body, above its first frame.

        It is zero without a lift.
        """
        joints_m = self.feet_m.swapaxes(1, 2).reshape(len(self), -1, 3)
        return estimate_lift_m(joints_m, self.fps)

    @property
    def glide_m_s(self) -> np.ndarray:
        """(2,) belt velocity along x and z if the body walks on the spot, otherwise 0."""
        return self._perception.paths.glide_m_s

    @cached_property
    def standing_glide_m_s(self) -> np.ndarray:
        """(T − 1, 2) velocity along x and z at which a standing body glides.

        It is zero for other frames, and where labels exclude that a foot stands.
        """
        glide_m_s = estimate_standing_glide(self.feet_m[:, :, -1], self._root_m, self.fps)
        if self._labels is None:
            return glide_m_s
        return np.where(np.isneginf(self._labels[1:]).all(axis=1, keepdims=True), 0.0, glide_m_s)

    @property
    def along_m_s(self) -> np.ndarray:
        """(T, 2) speed of each foot's slower point along the ground, relative to the belt."""
        return self._perception.paths.speeds_m_s.reshape(self.standing.shape).min(-1)

    @property
    def stance_speed_m_s(self) -> float:
        """Usual speed of standing points along the ground, learned from the motion."""
        model = self._perception.model
        return STANDS_M_S if model is None else model.stands_m_s

    @property
    def noise_m(self) -> np.ndarray:
        """(2, K) standard deviation of each point's position noise."""
        return self._perception.paths.noise_m.reshape(self.standing.shape[1:])

    @cached_property
    def ground_m(self) -> np.ndarray:
        """(T, 2) ground height beneath each foot: its level plus the slope."""
        shape = self.standing.shape
        toes_m = self._perception.paths.places_m.reshape(*shape, 3)[:, :, -1]
        rises_m = self.slope.rises_m(toes_m, np.arange(len(self))[:, None] / self.fps)
        level_m = self._perception.ground.heights_m.reshape(shape)[..., -1] - rises_m
        levels_m = self._perception.ground.votes.levels_m
        nearest_m = levels_m[np.abs(level_m[..., None] - levels_m).argmin(-1)]
        is_on_level = np.abs(level_m - nearest_m) < SAME_LEVEL_M
        return np.where(is_on_level, nearest_m, level_m) + rises_m + self._base_m - self.sole_depth_m

    @cached_property
    def off_m(self) -> np.ndarray:
        """(T, 2) contradiction between feet and ground, or 0.

        It is the height above the ground in stances that are too high, or the (negative) height of feet below it.
        Heights within a tolerance, which grows with the noise, do not contradict the ground.
        """
        toes_m = self._perception.paths.places_m[..., 1].reshape(self.standing.shape)[..., -1]
        above_m = toes_m + self._base_m - self.sole_depth_m - self.ground_m
        tolerance_m = OFF_M + 2 * float(median(self.noise_m))
        contradicts = above_m < -tolerance_m
        stands = self.standing[..., -1] > LIKELY
        for foot in range(2):
            for start, stop in find_runs(stands[:, foot]):
                if median(above_m[start:stop, foot]) > tolerance_m:
                    contradicts[start:stop, foot] |= above_m[start:stop, foot] > tolerance_m
        return np.where(contradicts, above_m, 0.0)

    def speeds_of(self, other: Motion) -> np.ndarray:
        """Return another motion's foot speeds (T, 2) along the ground.

        Both motions have the same frames. A foot's speed is that of the point that more likely stands in this motion,
        relative to its belt.
        """
        speeds_m_s = floor_speeds_m_s(find_feet_m(other), self.fps, belt_m_s=self.glide_m_s)
        likeliest = self.standing.argmax(-1)[..., None]
        return np.take_along_axis(speeds_m_s, likeliest, axis=-1)[..., 0]

    def standing_speed_m_s(self, other: Motion) -> float:
        """Return another motion's mean foot speed in this motion's stances.

        If there are no stances, it is 0.
        """
        weights = self.standing.max(-1)
        return float((weights * self.speeds_of(other)).sum() / max(weights.sum(), 1e-9)) if self.has_feet else 0.0

    @cached_property
    def _base_m(self) -> float:
        """Height of the lowest foot joint.

        It is subtracted first, so that a motion's height cannot change anything else.
        """
        return float(self.feet_m[..., 1].min()) if self.has_feet else 0.0

    @cached_property
    def _perception(self) -> FeetPerception:
        """What the paths of the feet show, relative to the lowest foot joint."""
        joints_m = np.round(self.feet_m - np.array([0.0, self._base_m, 0.0]), 9)
        return perceive_feet(joints_m, self.fps) if self.has_feet else _perceive_nothing(joints_m)


@remember_by_object
def observe(motion: Motion) -> Observation:
    """Observe a motion. The observation is computed once per motion."""
    return Observation(motion)


def observe_feet(motions: MotionBatch, find_frames: Callable[[Observation], np.ndarray]) -> np.ndarray:
    """Find when a condition holds for each foot.

    Args:
        motions: N motions of up to T frames.
        find_frames: Returns whether the condition holds (frames, 2), given the observation of a motion.

    Returns:
        (N, T, 2) whether the condition holds. Padded frames are like the last frame of their motion.
    """
    holds = np.empty((*motions.root_m.shape[:2], 2), dtype=bool)
    for index, motion_holds in enumerate(holds):
        observed = find_frames(observe(motions[index]))
        motion_holds[: len(observed)] = observed
        motion_holds[len(observed) :] = observed[-1:]
    return holds


def find_feet_m(motion: Motion) -> np.ndarray:
    """Return the positions (T, 2, K, 3) of ankles and toe joints.

    K is 2, or 1 if a toe joint is missing, so that ankles come alone. If the ground is known, heights are those above
    it. A skeleton without ankles gets zeros (T, 2, 1, 3).
    """
    joints = find_foot_joints(motion.skeleton)
    if not joints:
        return np.zeros((len(motion), 2, 1, 3))
    places_m = joint_positions(motion, joints)
    if motion.ground is not None:
        places_m = motion.ground.standing_on(places_m)
    return places_m.reshape(len(motion), 2, len(joints) // 2, 3)


@lru_cache(maxsize=64)
def _find_toe_offset_m(skeleton: Skeleton) -> np.ndarray:
    """Return the mean offset (3,) from ankle to toe joint at rest.

    Without toe joints, the offset is zero.
    """
    joints = find_foot_joints(skeleton)
    if len(joints) < 4:
        return np.zeros(3)
    ankles_m, toes_m = np.moveaxis(skeleton.rest_positions_m[joints].reshape(2, 2, 3), 1, 0)
    return (toes_m - ankles_m).mean(0)


def find_foot_joints(skeleton: Skeleton) -> list[int]:
    """Return ankle and toe joint of each foot, the left foot first.

    If a toe joint is missing, only ankles are returned; without ankles, the list is empty.
    """
    parts = ("ankle", "foot") if skeleton.pair("foot") is not None else ("ankle",)
    joints = [skeleton.joint(f"{side}_{part}") for side in SIDES for part in parts]
    return [] if None in joints else [joint for joint in joints if joint is not None]


@remember_by_content
def perceive_feet(joints_m: np.ndarray, fps: float) -> FeetPerception:
    """Find stances and ground from the paths (T, 2, K, 3) of ankles and toe joints."""
    points_m = find_heels_and_toes(joints_m)
    shape = points_m.shape[:3]
    paths = FootPaths.from_points(points_m.reshape(shape[0], -1, 3), fps)
    model = StanceModel(paths, fps, shape[2])
    first = _find_ground(model.learn_from_envelopes(), paths, fps, shape)
    second = _find_ground(model.learn_from_ground(first.above_m), paths, fps, shape)
    standing = model.learn_from_ground(second.above_m)
    bearing = np.maximum(model.infer_bearing(second.above_m), standing)
    return FeetPerception(standing.reshape(shape), bearing.reshape(shape), second, paths, model)


def _find_ground(standing: np.ndarray, paths: FootPaths, fps: float, shape: tuple[int, int, int]) -> _Ground:
    """Find the ground that standing points show.

    `standing` is a probability (T, 2 K), and `shape` is T, 2 and K.
    """
    stances = find_stances(standing.reshape(shape), paths, fps)
    slope = fit_slope(stances, shape[2], fps)
    places_m = np.array([stance.place_m for stance in stances]).reshape(-1, 3)
    votes_m = places_m[:, 1] - slope.rises_m(places_m, np.array([stance.middle / fps for stance in stances]))
    heights_m = paths.places_m[..., 1]
    votes = count_votes(stances, votes_m, heights_m.reshape(shape).min(1), float(median(paths.noise_m)))
    believed = []
    for stance, vote_m in zip(stances, votes_m, strict=True):
        if stance.carries or vote_m < votes.floors_m[stance.part] + SAME_LEVEL_M:
            believed.append(stance)
    ground_m = interpolate_ground(believed, votes.floors_m, shape)
    return _Ground(tuple(believed), votes, slope, ground_m, heights_m - ground_m)


def _perceive_nothing(joints_m: np.ndarray) -> FeetPerception:
    """Return the perception of a body without feet or frames.

    `joints_m` are (T, 2, K, 3).
    """
    frames, _, parts, _ = joints_m.shape
    nowhere = np.zeros((frames, 2, parts))
    still = np.zeros((frames, 2 * parts))
    paths = FootPaths(
        places_m=np.zeros((frames, 2 * parts, 3)),
        above_m=still,
        speeds_m_s=still,
        rises_m_s=still,
        noise_m=np.zeros(2 * parts),
        speed_noise_m_s=np.zeros(2 * parts),
        glide_m_s=np.zeros(2),
    )
    votes = Votes(np.zeros(parts), SAME_LEVEL_M, np.zeros(1))
    return FeetPerception(nowhere, nowhere, _Ground((), votes, LEVEL_GROUND, still, still), paths, None)
