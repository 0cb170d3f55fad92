"""Infer body parts from shape and motion.

A body is sought in the skeleton as a graph, so that neither the root nor the order of joints matters. Two like legs
start at a joint of the body, two like arms at another joint, and the trunk lies between the two joints. Every choice of
such joints gets a score, the logarithm of how usual the proportions are among people, and the best choice is taken if
good enough. Proportions are ratios of lengths of bones, so that neither unit nor axes matter. Left and right follow
from where toes, knees and elbows point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.geometry.vectors import cosines, dot, normalize_safely, norms
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
"""Proportions of people's skeletons: the median, and the standard deviation of the logarithm. The length of a limb's
lower bone and socket is relative to the upper bone, that of the end (foot, palm) to the lower bone. Sockets reach from
where both limbs start to the hip or shoulder. Leg and arm are two long bones each; the trunk reaches from between the
hips to between the shoulders. The medians lie between the proportions of CMU's recordings, SMPL's mean body, the
figures of Mixamo and DAZ, and DeepMimic's humanoid; the deviations admit children."""

_EVEN = 0.06
"""Deviation of left-right length ratios (logarithm)."""
_BENT = 0.01
"""Bend of a straight bone at a cost of 1, as a share of length by which a rigid bone may seem to bend or stretch."""
_NAMED = 2.0
"""Gain of a limb joint named as its part."""
_MOVING = 0.1
"""Gain of a joint that turns. Of joints in the same position, the joint that carries all rotations is taken."""
_FURTHER = 0.001
"""Gain of a joint further from the trunk. A wrist gains if it is nearer."""
_BRANCH_PASSED = -1.0
"""Score of a bone that passes a branch. Fingers branch off the hand in this way."""
_WITHOUT_END = -1.5
"""Score of limbs without an end. Legs end at the ankle and arms at the wrist."""
SHORTEST_END = 0.12
"""Minimum length of a foot or palm, relative to shank or forearm. Nearer joints are in the ankle or wrist."""
_UNUSUAL_END = -2.0
"""Score below which another palm is sought. It is sought at the wrist, as where a hand holds a sword."""
_HOLDS_SOMETHING = -3.0
"""Score of arms that hold something. They end at the wrist, and what hangs there is no palm."""
_UNHEARD_OF = -10.0
_ON_ALL_FOURS = -4.0
"""Score of bodies on all fours. Their trunk does not rise from the legs, both at rest and in half the motion."""
_UPRIGHT = 0.5
"""Minimum cosine between a rising trunk and the legs."""
_GOOD_ENOUGH = -9.0
"""Minimum score of a body. People's are above −6, dogs' and hands' below −12."""

_ALIKE = 0.03
"""Maximum relative difference of like limbs."""
_FEWEST_ALIKE = 2
"""Number of like limbs beside two legs that no body has."""
_LEANS = 0.9
"""Maximum cosine between a bird's trunk and the legs. Its trunk leans."""
_LONG_NECK = 0.6
"""Minimum height of a bird's head above the shoulders, in leg lengths; people's is 0.25 to 0.45."""

_LONGEST_CHAIN = 16
_LIMBS_KEPT = 10
_SHORTEST_LIMB = 0.1
"""Minimum length of a limb, relative to the longest path in the skeleton."""

_NECK_ABOVE_SHOULDERS = 0.02
"""Minimum neck height, in leg lengths above the shoulders; the joint bears the arms and yet is the neck."""
_HEAD_ABOVE_SHOULDERS = 0.12
"""Minimum head height without a neck, in leg lengths."""
_USUAL_HEAD = (0.15, 0.05)
"""Usual head height, in leg lengths above the shoulders: mean and standard deviation."""
_HEAD_ASIDE = 0.03
"""Deviation of the head from the middle, in leg lengths."""

_STILL_RAD = 2e-3
"""Minimum rotation of a body joint, in rad. A joint that turns less is no joint of the body if other joints take its
place."""

_MOST_PROPS = 0.5
"""Maximum share of joints that may be props, below a joint named as a prop."""


def parts_from_shape(
    motion: Motion, joint_names: Sequence[JointName] = (), named_parts: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """Infer each joint's body part from shape.

    The part is "" where none is recognised. Returns None if the skeleton is not a human body.

    Args:
        joint_names: Meanings of names; joints that these call hair, a cape or a sword are no parts.
        named_parts: Body part of each joint by name; a name counts as one sign among others.
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
    """Measure how bent a path of joints mostly is, as the share of length that bends take."""
    graph = _Graph.from_motion(motion)
    distances = norms(graph.places[:, path[-1]] - graph.places[:, path[0]])
    return 1 - float(np.median(distances)) / max(float(graph.lengths[list(path[1:])].sum()), 1e-9)


@dataclass(frozen=True, eq=False)
class _Graph:
    """A skeleton without root."""

    places: np.ndarray
    """(T, J, 3) joint positions at some frames."""
    rest: np.ndarray
    """(J, 3) joint positions without rotations."""
    turns_rad: np.ndarray
    """(J,) largest local rotation of each joint."""
    parents: tuple[int, ...]
    neighbours: tuple[tuple[int, ...], ...]
    """Parent and children of each joint. Joints of props are left out."""
    lengths: np.ndarray
    """(J,) lengths of the bones from the parents."""
    limb_parts: tuple[str, ...]
    """Limb part by each joint's name, or "". Sides are left out."""
    ends: frozenset[int]
    """End sites, joints without channels."""

    @classmethod
    def from_motion(
        cls, motion: Motion, joint_names: Sequence[JointName] = (), named_parts: Sequence[str] = ()
    ) -> _Graph:
        skeleton = motion.skeleton
        some = sample_frames(motion)
        places = joint_positions(some)
        turns_rad = turn_angles(some.rotations[:1], some.rotations).max(axis=0, initial=0)
        props: set[int] = set()  # named as props, and all below
        for name, below in zip(joint_names, skeleton.descendants, strict=False):
            if is_prop_name(name) and below.mean() < _MOST_PROPS:
                props.update(np.flatnonzero(below).tolist())
        neighbours: list[tuple[int, ...]] = []
        for joint, children in enumerate(skeleton.children):
            near = () if joint in props else (skeleton.parents[joint], *children)
            neighbours.append(tuple(next_joint for next_joint in near if next_joint >= 0 and next_joint not in props))
        lengths = norms(skeleton.offsets_m)
        rest = skeleton.rest_positions_m
        limb_parts = tuple(map(strip_side, named_parts)) or ("",) * len(skeleton)
        ends = frozenset(joint for joint, name in enumerate(skeleton.names) if name in skeleton.rigid)
        return cls(places, rest, turns_rad, skeleton.parents, tuple(neighbours), lengths, limb_parts, ends)

    @cached_property
    def all_positions(self) -> np.ndarray:
        """(1 + T, J, 3) positions at rest and in some frames."""
        return np.concatenate([self.rest[None], self.places])

    def bone(self, joint: int, next_joint: int) -> float:
        """Return the length of the bone between neighbours."""
        return float(self.lengths[joint if self.parents[joint] == next_joint else next_joint])

    def beyond(self, joint: int, next_joint: int) -> list[int]:
        """Return the neighbours of `next_joint` beside `joint`."""
        return [neighbour for neighbour in self.neighbours[next_joint] if neighbour != joint]

    @cached_property
    def _depths(self) -> dict[tuple[int, int], float]:
        """Longest path length per joint and neighbour, including the bone between the two."""
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
        """Neighbours of each joint that start a long enough limb."""
        longest = max(self._depths.values(), default=0.0)
        least = _SHORTEST_LIMB * longest
        branches: list[tuple[int, ...]] = []
        for joint, near in enumerate(self.neighbours):
            branches.append(tuple(next_joint for next_joint in near if self._depths[joint, next_joint] > least))
        return tuple(branches)

    def chain(self, joint: int, next_joint: int) -> list[int]:
        """Follow the longest path through a neighbour, including the joint and the neighbour."""
        chain = [joint, next_joint]
        while further := self.beyond(chain[-2], chain[-1]):
            deepest = max(further, key=lambda neighbour: self._depths[chain[-1], neighbour])
            chain.append(deepest)
        return chain

    def limb_chains(self, start: int, branch: int, kind: str) -> Iterator[tuple[list[int], int]]:
        """Find the chains that a limb may lie along.

        Args:
            start: Joint where both limbs start.
            branch: Neighbour of `start` that the limb begins with.
            kind: Pair of limbs that the joints may be, "leg" or "arm".

        Yields:
            Chains, each with the index where the chain leaves the first chain. The first is the longest. Other chains
            of arms leave the first at a branch, as a hand beside a shield.
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

    def ways(self, joint: int, closed: Sequence[int]) -> Iterator[list[int]]:
        """Yield the paths from a joint to each reachable joint, first itself, that do not pass `closed`."""
        stack = [[joint]]
        while stack:
            way = stack.pop()
            yield way
            for neighbour in self.neighbours[way[-1]]:
                if neighbour not in closed and neighbour not in way[-2:-1]:
                    stack.append([*way, neighbour])


@dataclass(frozen=True)
class _End:
    """A foot or palm."""

    joint: int | None
    """The first joint beyond; None without such a joint."""
    size: float
    """Length up to that joint, 0 without one."""
    score: float


@dataclass(frozen=True, eq=False)
class _Limb:
    """A leg (hip, knee, ankle) or an arm (shoulder, elbow, wrist)."""

    score: float
    joints: tuple[int, int, int]
    sizes: np.ndarray
    """(4,) lengths of a limb's bones: upper bone, lower bone, socket, and foot or palm; the last is 0 without foot or
    palm."""
    socket: tuple[int, ...]
    """Joints from the limbs' start to this limb. Both limbs start there."""
    end: int | None
    """The first joint beyond foot or palm."""
    gain_by_names: float
    """Part of the score that comes from names."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two like limbs that start at the same joint."""

    score: float
    start: int
    limbs: tuple[_Limb, _Limb]
    branches: tuple[int, int]

    @property
    def gain_by_names(self) -> float:
        """Part of the score that comes from names."""
        return sum(limb.gain_by_names for limb in self.limbs) / 2

    @property
    def length(self) -> float:
        """Mean length of both limbs' long bones."""
        first, second = self.limbs
        return float(first.sizes[:2].sum() + second.sizes[:2].sum()) / 2

    def places(self, joint_places: np.ndarray, index: int) -> np.ndarray:
        """Return a joint of both limbs (T, 2, 3) from the positions of all joints (T, J, 3)."""
        joints = [limb.joints[index] for limb in self.limbs]
        return joint_places[:, joints]


@dataclass(frozen=True, eq=False)
class _Body:
    """Legs, arms, and the trunk between them.

    The trunk includes the joints where legs and arms start.
    """

    score: float
    legs: _Pair
    arms: _Pair
    trunk: tuple[int, ...]

    @property
    def gain_by_names(self) -> float:
        """Part of the score that comes from names."""
        return self.legs.gain_by_names + self.arms.gain_by_names


def _rarity(proportion: str, value: float) -> float:
    """Return how rare a proportion is, as a logarithm of density, 0 at the usual proportion."""
    usual, deviation = _USUAL[proportion]
    deviations = np.log(max(value, 1e-3) / usual) / deviation
    return max(-0.5 * deviations**2, _UNHEARD_OF)


def _find_pairs(
    graph: _Graph, start: int, closed: Sequence[int], kind: str, leg: float | None = None
) -> Iterator[_Pair]:
    """Yield likely pairs of limbs at a joint that pass no `closed` joint.

    `kind` is "leg" or "arm"; `leg` is the length of the legs that the body already has.
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
    """Choose the most usual and even pair; returns the score and the pair."""
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
    """Score how evenly sized two limbs are, as a logarithm; sizes are (..., 4)."""
    long_bones = first[..., :2] + second[..., :2]
    least = 0.1 * long_bones.sum(-1, keepdims=True)  # short sockets and feet may differ more
    ratios = np.maximum(first, least) / np.maximum(second, least)
    uneven = np.log(ratios) / _EVEN
    cost = np.minimum(uneven**2, 9).sum(-1)
    has_end = first[..., 3] > 0
    has_one_end = has_end != (second[..., 3] > 0)
    return -0.5 * cost - 2.0 * has_one_end


def _find_limbs(graph: _Graph, start: int, branch: int, kind: str, leg: float | None) -> list[_Limb]:
    """Find likely triples of limb joints on paths from a joint through a branch."""
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
            is_moving = graph.turns_rad[list(joints)] > _STILL_RAD
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
    """Find the foot or palm beyond the joint `low`.

    The joint is on a chain with distances `along` (C,) from its start, and so is the part. An unusual palm lies where a
    palm is most usual, or the hand holds something.
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
    """Score chain sections (C, C) as a bone.

    A bone is straight, of constant length, and no limb branches off between its ends.
    """
    places = graph.places[:, chain]
    between = places[:, :, None] - places[:, None]
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
    """Yield the bodies on a pair of legs."""
    for trunk in graph.ways(legs.start, legs.branches):
        closed = (*legs.branches, *trunk[-2:-1])
        for arms in _find_pairs(graph, trunk[-1], closed, "arm", legs.length):
            score = legs.score + arms.score
            score += _score_build(graph, legs, arms)
            score -= _FURTHER * len(trunk)
            yield _Body(score, legs, arms, tuple(trunk))


def _score_build(graph: _Graph, legs: _Pair, arms: _Pair) -> float:
    """Score the body's build and posture; the proportions of limbs are scored elsewhere."""
    hips = legs.places(graph.all_positions, 0)
    shoulders = arms.places(graph.all_positions, 0)
    ankles = legs.places(graph.all_positions, 2)
    trunk = shoulders.mean(axis=1) - hips.mean(axis=1)
    leg = hips.mean(axis=1) - ankles.mean(axis=1)
    upright = cosines(trunk, leg)
    score = 0.0
    if max(upright[0], np.median(upright[1:])) < _UPRIGHT:
        score = _ON_ALL_FOURS
    widths = {
        "trunk over leg": trunk,
        "shoulders over leg": shoulders[:, 0] - shoulders[:, 1],
        "hips over leg": hips[:, 0] - hips[:, 1],
    }
    for proportion, vectors in widths.items():
        lengths = norms(vectors[1:])
        score += _rarity(proportion, float(lengths.mean()) / legs.length)
    return score


def _has_many_legs(graph: _Graph, body: _Body) -> bool:
    """Return whether more than two legs start together, as a spider's do."""
    start = body.legs.start
    lengths: dict[int, float] = {}
    for branch in graph.neighbours[start]:
        chain = graph.chain(start, branch)
        lengths[branch] = sum(graph.bone(joint, next_joint) for joint, next_joint in pairwise(chain))
    leg = float(np.mean([lengths[branch] for branch in body.legs.branches]))
    others = [length for branch, length in lengths.items() if branch not in body.legs.branches]
    alike = [length for length in others if abs(length / leg - 1) < _ALIKE]
    return len(alike) >= _FEWEST_ALIKE


def _is_bird(graph: _Graph, body: _Body) -> bool:
    """Return whether the body is a bird, whose trunk always leans far forward, below a long neck."""
    hips = body.legs.places(graph.all_positions, 0).mean(axis=1)
    shoulders = body.arms.places(graph.all_positions, 0).mean(axis=1)
    ankles = body.legs.places(graph.all_positions, 2).mean(axis=1)
    if cosines(shoulders - hips, hips - ankles).max() > _LEANS:
        return False
    heights, aside = _measure_from_shoulders(graph, body)
    head = _head_chain(graph, body, heights - aside)
    if not head:
        return False
    neck = graph.rest[head[-1]] - graph.rest[body.trunk[-1]]
    return float(np.linalg.norm(neck)) > _LONG_NECK * body.legs.length


def _name_parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """Name the joint of each part; the first leg is taken as the left leg."""
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
    """Select joints that turn, or all joints if none turns."""
    return [joint for joint in joints if graph.turns_rad[joint] > _STILL_RAD] or list(joints)


def _agree_on_sides(graph: _Graph, body: _Body) -> bool:
    """Return whether arms and legs agree on sides: shoulders lie as the hips do."""
    hips = body.legs.places(graph.places, 0)
    shoulders = body.arms.places(graph.places, 0)
    across_hips = hips[:, 0] - hips[:, 1]
    across_shoulders = shoulders[:, 0] - shoulders[:, 1]
    return bool(dot(across_hips, across_shoulders).mean() > 0)


def _name_trunk_parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """Name spine, neck and head.

    The head is where heads usually are; the neck is the last joint below.
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
    """Follow the chain from the arms to the top of the head, the highest joint by `heights` (J,)."""
    chest = body.trunk[-1]
    closed = [*body.trunk[-2:-1], *body.arms.branches]
    if len(body.trunk) == 1:
        closed += body.legs.branches
    open_neighbours = [joint for joint in graph.neighbours[chest] if joint not in closed]
    chains = [graph.chain(chest, joint)[1:] for joint in open_neighbours]
    return max(chains, key=lambda chain: heights[chain].max(), default=[])


def _measure_from_shoulders(graph: _Graph, body: _Body) -> tuple[np.ndarray, np.ndarray]:
    """Measure joints relative to the shoulders, in leg lengths.

    Returns heights (J,) along the trunk, as upper quartiles over time, and distances (J,) aside along the line between
    the hips, as lower quartiles.
    """
    hips = body.legs.places(graph.places, 0)
    shoulders = body.arms.places(graph.places, 0).mean(axis=1)
    up = normalize_safely(shoulders - hips.mean(axis=1))
    across = normalize_safely(hips[:, 0] - hips[:, 1])
    from_shoulders = graph.places - shoulders[:, None]
    heights = np.einsum("tji,ti->tj", from_shoulders, up)
    aside = np.abs(np.einsum("tji,ti->tj", from_shoulders, across))
    leg = body.legs.length
    return np.percentile(heights, 75, axis=0) / leg, np.percentile(aside, 25, axis=0) / leg
