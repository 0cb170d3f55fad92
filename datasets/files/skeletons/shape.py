"""Infer body parts from shape and motion.

A body is searched in the skeleton as a graph, so that neither the root nor the joint order matters. Two similar legs
start at one joint, two similar arms at another, and the trunk is between these joints. Each choice of such joints gets
a score, the log-density of its proportions among people, and the best choice is accepted if its score is good enough.
Proportions are ratios of bone lengths, so that neither unit nor axes matter. Left and right follow from where toes,
knees and elbows point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from selfcorrect.motion.body.requirements import UPRIGHT_COSINE
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.geometry.vectors import cosines, dot, median, normalize_safely, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, strip_side, swap_sides

from .naming import ARM_PARTS, LEG_PARTS, JointName, is_prop_name, spine_parts
from .samples import sample_frames
from .sides import measure_sides

_LIMB_PARTS = {"leg": LEG_PARTS[:3], "arm": ARM_PARTS[1:]}

_USUAL = {
    "leg's lower bone": (1.0, 0.2),
    "leg's socket": (0.3, 0.6),
    "leg's end": (0.36, 0.35),
    "arm's lower bone": (0.8, 0.3),
    "arm's socket": (0.7, 0.6),
    "arm's end": (0.35, 0.6),
    "arm over leg": (0.66, 0.14),
    "trunk over leg": (0.6, 0.18),
    "shoulders over leg": (0.42, 0.35),
    "hips over leg": (0.22, 0.45),
}
"""Proportions of human skeletons: the median, and the standard deviation of the logarithm.

The lengths of a limb's lower bone and socket are relative to the upper bone, and the length of its end (foot, palm) to
the lower bone. A socket reaches from the joint where both limbs start to the hip or shoulder. Legs and arms are
measured by their two long bones, and the trunk from the midpoint between the hips to that between the shoulders. The
medians are between the proportions of CMU's recordings, SMPL's mean body, characters of Mixamo and DAZ, and DeepMimic's
humanoid. The deviations admit children."""

_EVEN = 0.06
"""Standard deviation of the logarithm of left-to-right length ratios."""
_BENT = 0.01
"""Share of its length by which a rigid bone seems to bend or stretch at a cost of 1."""
_NAMED = 2.0
"""Gain of a limb joint whose name is that of its part."""
_MOVING = 0.1
"""Gain of a joint that rotates. Of joints in the same position, the one with all rotations is thus preferred."""
_FURTHER = 0.001
"""Gain of a joint per step away from the trunk; for a wrist, per step towards it."""
_BRANCH_PASSED = -1.0
"""Score of a bone for each branch that it passes, such as fingers that branch off the hand."""
_WITHOUT_END = -1.5
"""Score of a limb that ends at the ankle or wrist."""
SHORTEST_END = 0.12
"""Minimum length of a foot or palm, relative to shank or forearm. Nearer joints belong to the ankle or wrist."""
_UNUSUAL_END = -2.0
"""Score of a palm below which other palms at the wrist are tried, because the hand may hold a sword."""
_HOLDS_SOMETHING = -3.0
"""Score of an arm that ends at the wrist, from where another object hangs."""
_UNHEARD_OF = -10.0
"""Lowest score of a proportion."""
_NARROW_SHOULDERS = -2.0
"""Lowest score of the distance between the shoulders. Rigs whose arms turn near the spine are people if the rest is."""
_ON_ALL_FOURS = -4.0
"""Score of a body on all fours: its trunk rises from the legs neither at rest nor in half of the motion."""
_GOOD_ENOUGH = -9.0
"""Minimum score of a body. People have more than −6, and dogs or hands less than −12."""

_ALIKE = 0.03
"""Largest relative length difference between similar limbs."""
_MIN_ALIKE = 2
"""Number of limbs similar to the legs, besides these, that shows an animal."""
_LEANS = 0.9
"""Largest cosine between the trunk and the legs of a bird, whose trunk leans."""
_LONG_NECK = 0.6
"""Minimum distance of a bird's head from its chest, in leg lengths; people have 0.25 to 0.45."""

_LONGEST_CHAIN = 16
_LIMBS_KEPT = 10
_SHORTEST_LIMB = 0.1
"""Minimum length of a limb, relative to the longest path in the skeleton."""

_NECK_ABOVE_SHOULDERS = 0.02
"""Height above the shoulders, in leg lengths, from which on the joint that carries the arms is the neck."""
_HEAD_ABOVE_SHOULDERS = 0.12
"""Minimum head height without a neck, in leg lengths."""
_USUAL_HEAD = (0.15, 0.05)
"""Mean and standard deviation of the head's height above the shoulders, in leg lengths."""
_HEAD_ASIDE = 0.03
"""Standard deviation of the head's distance from the midline, in leg lengths."""

_STILL_RAD = 2e-3
"""Rotation below which a joint counts as rigid, in rad. Joints that rotate more are preferred as body joints."""

_MAX_PROPS = 0.5
"""Share of all joints below a joint named as a prop from which on it is not taken for a prop."""


def parts_from_shape(
    motion: Motion, joint_names: Sequence[JointName] = (), named_parts: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """Infer the body part of each joint from shape and motion.

    Args:
        joint_names: Meanings of the joint names. Joints named as props, such as hair, a cape or a sword, are no parts.
        named_parts: Body part of each joint by its name, which adds to the score.

    Returns:
        Part of each joint, "" for joints that are no part, or None if the skeleton is not a human body.
    """
    graph = _Graph.from_motion(motion, joint_names, named_parts)
    bodies: list[_Body] = []
    for start in range(len(graph.neighbours)):
        for legs in _find_pairs(graph, start, (), "leg"):
            bodies += _find_bodies(graph, legs)
    best = max(bodies, key=lambda body: body.score, default=None)
    if (
        best is None
        or best.score - best.gain_by_names < _GOOD_ENOUGH
        or _has_many_legs(graph, best)
        or _is_bird(graph, best)
    ):
        return None
    parts = [""] * len(motion.skeleton)
    for part, joint in _name_parts(graph, best).items():
        parts[joint] = part
    named = replace(motion, skeleton=replace(motion.skeleton, parts=tuple(parts)))
    return tuple(map(swap_sides, parts)) if sum(measure_sides(named)) < 0 else tuple(parts)


def measure_bend(motion: Motion, path: Sequence[int]) -> float:
    """Return the median bend of a path of joints: 1 - (distance of its ends) / (its length)."""
    graph = _Graph.from_motion(motion)
    distances = norms(graph.positions[:, path[-1]] - graph.positions[:, path[0]])
    return 1 - float(median(distances)) / max(float(graph.lengths[list(path[1:])].sum()), 1e-9)


@dataclass(frozen=True, eq=False)
class _Graph:
    """A skeleton as a graph without a root."""

    positions: np.ndarray
    """(T, J, 3) joint positions in sampled frames."""
    rest: np.ndarray
    """(J, 3) joint positions at rest."""
    rotations_rad: np.ndarray
    """(J,) largest local rotation of each joint, relative to the first frame."""
    parents: tuple[int, ...]
    neighbours: tuple[tuple[int, ...], ...]
    """Parent and children of each joint, without joints of props."""
    lengths: np.ndarray
    """(J,) lengths of the bones from the parents."""
    limb_parts: tuple[str, ...]
    """Limb part of each joint by its name, without side; "" for none."""
    ends: frozenset[int]
    """End sites, which are joints without channels."""

    @classmethod
    def from_motion(
        cls, motion: Motion, joint_names: Sequence[JointName] = (), named_parts: Sequence[str] = ()
    ) -> _Graph:
        skeleton = motion.skeleton
        some = sample_frames(motion)
        positions = joint_positions(some)
        rotations_rad = turn_angles(some.rotations[:1], some.rotations).max(axis=0, initial=0)
        props: set[int] = set()  # joints named as props, and their descendants
        for name, below in zip(joint_names, skeleton.descendants, strict=False):
            if is_prop_name(name) and below.mean() < _MAX_PROPS:
                props.update(np.flatnonzero(below).tolist())
        neighbours: list[tuple[int, ...]] = []
        for joint, children in enumerate(skeleton.children):
            near = () if joint in props else (skeleton.parents[joint], *children)
            neighbours.append(tuple(next_joint for next_joint in near if next_joint >= 0 and next_joint not in props))
        lengths = norms(skeleton.offsets_m)
        rest = skeleton.rest_positions_m
        limb_parts = tuple(map(strip_side, named_parts)) or ("",) * len(skeleton)
        ends = frozenset(joint for joint, name in enumerate(skeleton.names) if name in skeleton.rigid)
        return cls(positions, rest, rotations_rad, skeleton.parents, tuple(neighbours), lengths, limb_parts, ends)

    @cached_property
    def all_positions(self) -> np.ndarray:
        """(1 + T, J, 3) positions at rest and in the sampled frames."""
        return np.concatenate([self.rest[None], self.positions])

    def bone(self, joint: int, next_joint: int) -> float:
        """Return the length of the bone between two neighbours."""
        return float(self.lengths[joint if self.parents[joint] == next_joint else next_joint])

    def beyond(self, joint: int, next_joint: int) -> list[int]:
        """Return the neighbours of `next_joint` other than `joint`."""
        return [neighbour for neighbour in self.neighbours[next_joint] if neighbour != joint]

    @cached_property
    def _depths(self) -> dict[tuple[int, int], float]:
        """Length of the longest path from each joint through each neighbour."""
        depths: dict[tuple[int, int], float] = {}
        stack = [(joint, next_joint) for joint, near in enumerate(self.neighbours) for next_joint in near]
        while stack:
            joint, next_joint = stack[-1]
            further = [(next_joint, neighbour) for neighbour in self.beyond(joint, next_joint)]
            if missing := [bone for bone in further if bone not in depths]:
                stack += missing
            else:
                longest = max((depths[bone] for bone in further), default=0.0)
                depths[stack.pop()] = self.bone(joint, next_joint) + longest
        return depths

    @cached_property
    def long_branches(self) -> tuple[tuple[int, ...], ...]:
        """Neighbours of each joint through which a path is long enough for a limb."""
        longest = max(self._depths.values(), default=0.0)
        least = _SHORTEST_LIMB * longest
        branches: list[tuple[int, ...]] = []
        for joint, near in enumerate(self.neighbours):
            branches.append(tuple(next_joint for next_joint in near if self._depths[joint, next_joint] > least))
        return tuple(branches)

    def chain(self, joint: int, next_joint: int) -> list[int]:
        """Return the joints of the longest path from a joint through a neighbour."""
        chain = [joint, next_joint]
        while further := self.beyond(chain[-2], chain[-1]):
            deepest = max(further, key=lambda neighbour: self._depths[chain[-1], neighbour])
            chain.append(deepest)
        return chain

    def limb_chains(self, start: int, branch: int, kind: str) -> Iterator[tuple[list[int], int]]:
        """Find the chains of joints along which a limb may be.

        Args:
            start: Joint where both limbs start.
            branch: Neighbour of `start` with which the limb begins.
            kind: "leg" or "arm".

        Yields:
            Chains, each with the index at which it leaves the first chain, which is the longest. Only arms have further
            chains, because a hand may branch off the chain to a shield.
        """
        longest = self.chain(start, branch)[:_LONGEST_CHAIN]
        yield longest, 0
        if kind == "leg":
            return
        for index in range(1, len(longest) - 1):
            joint = longest[index]
            for next_joint in self.long_branches[joint]:
                if next_joint in (longest[index - 1], longest[index + 1]):
                    continue
                chain = [*longest[:index], *self.chain(joint, next_joint)]
                yield chain[:_LONGEST_CHAIN], index

    def paths_from(self, joint: int, closed: Sequence[int]) -> Iterator[list[int]]:
        """Yield the paths from a joint to itself and all joints that can be reached without passing `closed`."""
        stack = [[joint]]
        while stack:
            path = stack.pop()
            yield path
            for neighbour in self.neighbours[path[-1]]:
                if neighbour not in closed and neighbour not in path[-2:-1]:
                    stack.append([*path, neighbour])


@dataclass(frozen=True)
class _End:
    """A foot or palm."""

    joint: int | None
    """First joint beyond the ankle or wrist; None if there is none."""
    size: float
    """Length up to this joint; 0 if there is none."""
    score: float


@dataclass(frozen=True, eq=False)
class _Limb:
    """A leg (hip, knee, ankle) or an arm (shoulder, elbow, wrist)."""

    score: float
    joints: tuple[int, int, int]
    sizes: np.ndarray
    """(4,) lengths of upper bone, lower bone, socket, and foot or palm (0 if there is none)."""
    socket: tuple[int, ...]
    """Joints between the start of both limbs and this limb."""
    end: int | None
    """Joint at the end of foot or palm; None if there is none."""
    gain_by_names: float
    """Part of the score that is due to names."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two similar limbs that start at the same joint."""

    score: float
    start: int
    limbs: tuple[_Limb, _Limb]
    branches: tuple[int, int]

    @property
    def gain_by_names(self) -> float:
        """Part of the score that is due to names."""
        return sum(limb.gain_by_names for limb in self.limbs) / 2

    @property
    def length(self) -> float:
        """Length of a limb's two long bones, as the mean of both limbs."""
        first, second = self.limbs
        return float(first.sizes[:2].sum() + second.sizes[:2].sum()) / 2

    def positions(self, positions_of_joints: np.ndarray, index: int) -> np.ndarray:
        """Select the positions (T, 2, 3) of the same joint in both limbs from those of all joints (T, J, 3)."""
        joints = [limb.joints[index] for limb in self.limbs]
        return positions_of_joints[:, joints]


@dataclass(frozen=True, eq=False)
class _Body:
    """Legs, arms, and the trunk between them, including the joints where legs and arms start."""

    score: float
    legs: _Pair
    arms: _Pair
    trunk: tuple[int, ...]

    @property
    def gain_by_names(self) -> float:
        """Part of the score that is due to names."""
        return self.legs.gain_by_names + self.arms.gain_by_names


def _rarity(proportion: str, value: float) -> float:
    """Return the log-density of a proportion, which is 0 at the median."""
    usual, deviation = _USUAL[proportion]
    deviations = np.log(max(value, 1e-3) / usual) / deviation
    return max(-0.5 * deviations**2, _UNHEARD_OF)


def _find_pairs(
    graph: _Graph, start: int, closed: Sequence[int], kind: str, leg: float | None = None
) -> Iterator[_Pair]:
    """Yield likely pairs of limbs that start at a joint and do not begin with `closed` joints.

    `kind` is "leg" or "arm", and `leg` is the length of the body's legs if they are already known.
    """
    branches = [joint for joint in graph.long_branches[start] if joint not in closed]
    if len(branches) < 2:
        return
    limbs: dict[int, list[_Limb]] = {}
    for branch in branches:
        likely = _find_limbs(graph, start, branch, kind, leg)
        if likely:
            limbs[branch] = likely
    for first, second in combinations(limbs, 2):
        score, pair = _best_two(limbs[first], limbs[second])
        if score > _GOOD_ENOUGH:
            yield _Pair(score, start, pair, (first, second))


def _best_two(firsts: Sequence[_Limb], seconds: Sequence[_Limb]) -> tuple[float, tuple[_Limb, _Limb]]:
    """Choose the pair with the best score for proportions and evenness, and return score and pair."""
    first_sizes = np.array([limb.sizes for limb in firsts])
    second_sizes = np.array([limb.sizes for limb in seconds])
    first_scores = np.array([limb.score for limb in firsts])
    second_scores = np.array([limb.score for limb in seconds])
    evenness = _evenness(first_sizes[:, None], second_sizes[None])
    scores = evenness + (first_scores[:, None] + second_scores) / 2
    best = np.unravel_index(scores.argmax(), scores.shape)
    first = firsts[int(best[0])]
    second = seconds[int(best[1])]
    return float(scores[best]), (first, second)


def _evenness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the log-density of the difference between two limbs' sizes (..., 4)."""
    long_bones = first[..., :2] + second[..., :2]
    least = 0.1 * long_bones.sum(-1, keepdims=True)  # short sockets and feet may differ more
    ratios = np.maximum(first, least) / np.maximum(second, least)
    uneven = np.log(ratios) / _EVEN
    cost = np.minimum(uneven**2, 9).sum(-1)
    has_end = first[..., 3] > 0
    has_one_end = has_end != (second[..., 3] > 0)
    return -0.5 * cost - 2.0 * has_one_end


def _find_limbs(graph: _Graph, start: int, branch: int, kind: str, leg: float | None) -> list[_Limb]:
    """Find the likeliest triples of limb joints on paths from a joint through a branch."""
    limbs: list[_Limb] = []
    for chain, fork in graph.limb_chains(start, branch, kind):
        bones = [graph.bone(joint, next_joint) for joint, next_joint in pairwise(chain)]
        along = np.cumsum([0, *bones])
        straight = _straightness(graph, chain, along)
        for top, middle, low in combinations(range(1, len(chain)), 3):
            upper = along[middle] - along[top]
            lower = along[low] - along[middle]
            if low <= fork or min(upper, lower) <= 0.02 * along[-1]:
                continue
            end = _find_end(graph, chain, along, low, lower, kind)
            joints = (chain[top], chain[middle], chain[low])
            score = straight[top, middle] + straight[middle, low] + end.score
            lower_rarity = _rarity(f"{kind}'s lower bone", lower / upper)
            score += lower_rarity + _rarity(f"{kind}'s socket", along[top] / upper)
            is_moving = graph.rotations_rad[list(joints)] > _STILL_RAD
            score += _MOVING * is_moving.sum()
            names = zip(joints, _LIMB_PARTS[kind], strict=True)
            gain = _NAMED * sum(graph.limb_parts[joint] == part for joint, part in names)
            score += gain
            low_sign = 1 if kind == "leg" else -1
            score += _FURTHER * (top + middle + low_sign * low)
            if leg is not None:
                score += _rarity("arm over leg", (upper + lower) / leg)
            sizes = np.array([upper, lower, along[top], end.size])
            limbs.append(_Limb(score, joints, sizes, tuple(chain[1:top]), end.joint, gain))
    return sorted(limbs, key=lambda limb: limb.score)[-_LIMBS_KEPT:]


def _find_end(graph: _Graph, chain: Sequence[int], along: np.ndarray, low: int, lower: float, kind: str) -> _End:
    """Find the foot or palm beyond the ankle or wrist.

    If the palm along the chain is unusual, other palms at the wrist are tried, and so is a hand that holds something.

    Args:
        chain: Joints of the chain.
        along: (C,) distances of the joints from the start of the chain, along it.
        low: Index of the ankle or wrist in the chain.
        lower: Length of the shank or forearm.
        kind: "leg" or "arm".
    """
    beyond = along[low:] - along[low]
    is_far = beyond > SHORTEST_END * lower
    if not is_far[-1]:
        return _End(None, 0.0, _WITHOUT_END)
    first = int(is_far.argmax())
    size = float(beyond[first])
    end = _End(chain[low + first], size, _rarity(f"{kind}'s end", size / lower))
    if kind == "leg" or end.score > _UNUSUAL_END:
        return end
    ends = [end, _End(None, 0.0, _HOLDS_SOMETHING)]
    for neighbour in graph.beyond(chain[low - 1], chain[low]):
        distance = 0.0
        for joint, next_joint in pairwise(graph.chain(chain[low], neighbour)):
            distance += graph.bone(joint, next_joint)
            if distance > SHORTEST_END * lower:
                rarity = _rarity(f"{kind}'s end", distance / lower)
                ends.append(_End(next_joint, distance, rarity))
                break
    return max(ends, key=lambda end: end.score)


def _straightness(graph: _Graph, chain: Sequence[int], along: np.ndarray) -> np.ndarray:
    """Score each section of a chain (C, C) as a bone.

    A bone is straight, has a constant length, and no branch between its ends.
    """
    positions = graph.positions[:, chain]
    between = positions[:, :, None] - positions[:, None]
    distances = norms(between)
    length = np.maximum(np.abs(along[:, None] - along), 1e-9)
    bent = 1 - distances.mean(axis=0) / length
    stretched = distances.std(axis=0) / length
    cost = (np.maximum(bent, 0) + stretched) / _BENT
    has_branches = [len(graph.neighbours[joint]) > 2 for joint in chain]
    before = np.cumsum([0, *has_branches])
    passed = before[:-1] - before[1:, None]
    return -np.minimum(cost, 6.0) + _BRANCH_PASSED * np.maximum(passed, 0)


def _find_bodies(graph: _Graph, legs: _Pair) -> Iterator[_Body]:
    """Yield the bodies that have this pair of legs."""
    for trunk in graph.paths_from(legs.start, legs.branches):
        closed = (*legs.branches, *trunk[-2:-1])
        for arms in _find_pairs(graph, trunk[-1], closed, "arm", legs.length):
            score = legs.score + arms.score
            score += _score_build(graph, legs, arms)
            score -= _FURTHER * len(trunk)
            yield _Body(score, legs, arms, tuple(trunk))


def _score_build(graph: _Graph, legs: _Pair, arms: _Pair) -> float:
    """Score the build and posture of a body, except for the proportions within limbs."""
    hips = legs.positions(graph.all_positions, 0)
    shoulders = arms.positions(graph.all_positions, 0)
    ankles = legs.positions(graph.all_positions, 2)
    trunk = shoulders.mean(axis=1) - hips.mean(axis=1)
    leg = hips.mean(axis=1) - ankles.mean(axis=1)
    upright = cosines(trunk, leg)
    score = 0.0
    if max(upright[0], median(upright[1:])) < UPRIGHT_COSINE:
        score = _ON_ALL_FOURS
    widths = {
        "trunk over leg": trunk,
        "shoulders over leg": shoulders[:, 0] - shoulders[:, 1],
        "hips over leg": hips[:, 0] - hips[:, 1],
    }
    for proportion, vectors in widths.items():
        lengths = norms(vectors[1:])
        rarity = _rarity(proportion, float(lengths.mean()) / legs.length)
        score += max(rarity, _NARROW_SHOULDERS) if proportion == "shoulders over leg" else rarity
    return score


def _has_many_legs(graph: _Graph, body: _Body) -> bool:
    """Return whether more than two similar legs start at the same joint, as a spider's do."""
    start = body.legs.start
    lengths: dict[int, float] = {}
    for branch in graph.neighbours[start]:
        chain = graph.chain(start, branch)
        lengths[branch] = sum(graph.bone(joint, next_joint) for joint, next_joint in pairwise(chain))
    leg = float(np.mean([lengths[branch] for branch in body.legs.branches]))
    others = [length for branch, length in lengths.items() if branch not in body.legs.branches]
    alike = [length for length in others if abs(length / leg - 1) < _ALIKE]
    return len(alike) >= _MIN_ALIKE


def _is_bird(graph: _Graph, body: _Body) -> bool:
    """Return whether the body is a bird: its trunk always leans far forward, and it has a long neck."""
    hips = body.legs.positions(graph.all_positions, 0).mean(axis=1)
    shoulders = body.arms.positions(graph.all_positions, 0).mean(axis=1)
    ankles = body.legs.positions(graph.all_positions, 2).mean(axis=1)
    if cosines(shoulders - hips, hips - ankles).max() > _LEANS:
        return False
    heights, aside = _measure_from_shoulders(graph, body)
    head = _head_chain(graph, body, heights - aside)
    if not head:
        return False
    neck = graph.rest[head[-1]] - graph.rest[body.trunk[-1]]
    return float(np.linalg.norm(neck)) > _LONG_NECK * body.legs.length


def _name_parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """Name the joint of each part, with the first leg as the left leg."""
    leg_order = (0, 1)
    arm_order = leg_order if _agree_on_sides(graph, body) else leg_order[::-1]
    part_joints = {"pelvis": body.legs.start}
    for side, leg_index, arm_index in zip(SIDES, leg_order, arm_order, strict=True):
        leg = body.legs.limbs[leg_index]
        arm = body.arms.limbs[arm_index]
        for part, joint in zip(_LIMB_PARTS["leg"], leg.joints, strict=True):
            part_joints[f"{side}_{part}"] = joint
        if leg.end is not None:
            part_joints[f"{side}_foot"] = leg.end
        collars = _select_moving(graph, arm.socket)
        if collars:
            part_joints[f"{side}_collar"] = collars[0]
        for part, joint in zip(_LIMB_PARTS["arm"], arm.joints, strict=True):
            part_joints[f"{side}_{part}"] = joint
    return part_joints | _name_trunk_parts(graph, body)


def _select_moving(graph: _Graph, joints: Sequence[int]) -> list[int]:
    """Select the joints that rotate, or all if none does."""
    return [joint for joint in joints if graph.rotations_rad[joint] > _STILL_RAD] or list(joints)


def _agree_on_sides(graph: _Graph, body: _Body) -> bool:
    """Return whether the first arm and the first leg are on the same side."""
    hips = body.legs.positions(graph.positions, 0)
    shoulders = body.arms.positions(graph.positions, 0)
    across_hips = hips[:, 0] - hips[:, 1]
    across_shoulders = shoulders[:, 0] - shoulders[:, 1]
    return bool(dot(across_hips, across_shoulders).mean() > 0)


def _name_trunk_parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """Name the joints of spine, neck and head.

    The head is the joint nearest to the usual position of heads, and the neck is the joint below it.
    """
    heights, aside = _measure_from_shoulders(graph, body)
    spine = list(body.trunk[1:])
    above = _head_chain(graph, body, heights - aside)
    if len(spine) > 1 and heights[spine[-1]] > _NECK_ABOVE_SHOULDERS:
        above.insert(0, spine.pop())
    if len(above) > 2 and above[-1] in graph.ends:  # the top of the head
        above.pop()
    usual, deviation = _USUAL_HEAD
    height_misfits = (heights[above] - usual) / deviation
    misfits = np.hypot(height_misfits, aside[above] / _HEAD_ASIDE)
    candidates = [index for index, joint in enumerate(above) if index or heights[joint] > _HEAD_ABOVE_SHOULDERS]
    head = min(candidates, key=lambda index: misfits[index], default=len(above))
    parts = spine_parts(_select_moving(graph, spine))
    if head > 0:
        parts["neck"] = above[head - 1]
    if head < len(above):
        parts["head"] = above[head]
    return parts


def _head_chain(graph: _Graph, body: _Body, heights: np.ndarray) -> list[int]:
    """Return the chain of joints from the chest to the highest joint by `heights` (J,), the top of the head."""
    chest = body.trunk[-1]
    closed = [*body.trunk[-2:-1], *body.arms.branches]
    if len(body.trunk) == 1:
        closed += body.legs.branches
    open_neighbours = [joint for joint in graph.neighbours[chest] if joint not in closed]
    chains = [graph.chain(chest, joint)[1:] for joint in open_neighbours]
    return max(chains, key=lambda chain: heights[chain].max(), default=[])


def _measure_from_shoulders(graph: _Graph, body: _Body) -> tuple[np.ndarray, np.ndarray]:
    """Measure the joints' positions relative to the shoulders, in leg lengths.

    Returns heights (J,) along the trunk, as upper quartiles over time, and lateral distances (J,) along the line
    between the hips, as lower quartiles.
    """
    hips = body.legs.positions(graph.positions, 0)
    shoulders = body.arms.positions(graph.positions, 0).mean(axis=1)
    up = normalize_safely(shoulders - hips.mean(axis=1))
    across = normalize_safely(hips[:, 0] - hips[:, 1])
    from_shoulders = graph.positions - shoulders[:, None]
    heights = np.einsum("tji,ti->tj", from_shoulders, up)
    aside = np.abs(np.einsum("tji,ti->tj", from_shoulders, across))
    leg = body.legs.length
    return np.percentile(heights, 75, axis=0) / leg, np.percentile(aside, 25, axis=0) / leg
