"""Which part of the body a joint is, inferred from the skeleton's shape and motion where names do not say.

A body is sought in the skeleton as a graph, so that neither its root nor the order of its joints matters. It has a
joint from which two like legs start, another from which two like arms start, and between the two the trunk. Every
choice of such joints gets a score, the logarithm of how usual its proportions are among people, and the best is taken
if it is good enough. Proportions are lengths over those of other bones, so that neither unit nor axes matter. Which
side is left follows from where toes, knees and elbows point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import compose, invert
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton, swap_sides

from .naming import parts_of, side_of, spine_parts

_FRAMES = 48
"""Moments of a motion that are looked at."""

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
"""Proportions of people's skeletons: median, and standard deviation of the logarithm.

A limb's lower bone and socket are over its upper bone, its end (foot, palm) over the lower one; sockets reach from
where both limbs start to hip or shoulder. Leg and arm are two long bones each, the trunk reaches from between the hips
to between the shoulders. The medians lie between those of CMU's recordings, SMPL's mean body, Mixamo's and DAZ's
figures and DeepMimic's humanoid; the deviations admit children.
"""

_EVEN = 0.06
"""Deviation of the logarithm of a length from left to right."""

_BENT = 0.01
"""Share of its length by which a bone, which is straight and rigid, may seem to bend or stretch for a cost of one."""

_MOVING, _FURTHER = 0.1, 0.001
"""What joints gain that turn, and for lying further from the trunk (wrists: nearer). So of joints in one place that is
taken which carries all their turns."""

_BRANCH_PASSED = -1.0
"""Score of a bone between whose ends something branches off, as fingers do from the hand."""

_WITHOUT_END = -1.5
"""Score of legs that end at the ankle and arms that end at the wrist."""

_SHORTEST_END = 0.12
"""Over shank or forearm; nearer joints are in the ankle or wrist."""

_UNHEARD_OF = -10.0
_ON_ALL_FOURS, _UPRIGHT = -4.0, 0.5
"""Score of bodies whose trunk does not rise from the legs, both at rest and in half the motion: least cosine between it
and their legs."""

_GOOD_ENOUGH = -9.0
"""Lowest score of a body. People's are above −6, dogs' and hands' below −12."""

_LONGEST_CHAIN = 16
_LIMBS_KEPT = 10
_SHORTEST_LIMB = 0.1
"""Of the longest way in the skeleton."""

_NECK_ABOVE_SHOULDERS, _HEAD_ABOVE_SHOULDERS = 0.02, 0.12
"""Least heights above the shoulders, over the length of the leg. The first is of a joint that bears the arms and yet is
the neck, as in 3ds Max's Biped; the second of the head's joint."""

_STILL_RAD = 2e-3
"""A joint that turns less is no joint of the body if there are others in its place."""


def recognize_parts(motion: Motion) -> Motion:
    """The motion with the parts of its skeleton inferred from its joints' names, or where these fail, from its shape.

    Names that say sides are believed in either case.
    """
    names = motion.skeleton.names
    parts = with_pelvis(parts_of(names), motion.skeleton.parents)
    if not set(REQUIRED_PARTS).issubset(parts) and (shape := parts_by_shape(motion)) is not None:
        parts = _believing_sides(names, shape)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))


def hangs_elsewhere(skeleton: Skeleton) -> bool:
    """Whether parts of a body are not below its pelvis in the tree."""
    pelvis = skeleton.joint("pelvis")
    parts = [joint for joint, part in enumerate(skeleton.parts) if part]
    return pelvis is not None and any(pelvis not in skeleton.path_to_root(joint) for joint in parts)


def top_of_body(skeleton: Skeleton) -> int:
    """The highest joint of the body in the tree: the pelvis, or the root where parts are not below that."""
    pelvis = skeleton.joint("pelvis")
    return 0 if pelvis is None or hangs_elsewhere(skeleton) else pelvis


def with_pelvis(parts: tuple[str, ...], parents: Sequence[int]) -> tuple[str, ...]:
    """Parts with the pelvis where only it is missing: the nearest joint that bears both hips."""
    if "pelvis" in parts or not {"left_hip", "right_hip"} <= set(parts):
        return parts
    left, right = (_upwards(parts.index(f"{side}_hip"), parents) for side in ("left", "right"))
    pelvis = next((joint for joint in left if joint in right), None)
    if pelvis is None or parts[pelvis]:
        return parts
    return (*parts[:pelvis], "pelvis", *parts[pelvis + 1 :])


def _upwards(joint: int, parents: Sequence[int]) -> list[int]:
    """The joints above a joint, the nearest first."""
    above = [parents[joint]]
    while above[-1] > 0:
        above.append(parents[above[-1]])
    return [one for one in above if one >= 0]


def _believing_sides(names: Sequence[str], parts: tuple[str, ...]) -> tuple[str, ...]:
    """Parts with left and right exchanged where more names contradict them than agree."""
    told = [(side_of(name), part.partition("_")[0]) for name, part in zip(names, parts, strict=True) if "_" in part]
    agree = sum(side == own for side, own in told if side)
    return tuple(map(swap_sides, parts)) if 2 * agree < sum(bool(side) for side, _ in told) else parts


def parts_by_shape(motion: Motion) -> tuple[str, ...] | None:
    """The body part of each joint, "" where none is recognised; None where the skeleton is no human body's."""
    graph = _Graph.of(motion)
    pairs = (legs for joint in range(len(graph.neighbours)) for legs in _pairs(graph, joint, (), "leg"))
    bodies = [body for legs in pairs for body in _bodies(graph, legs)]
    best = max(bodies, key=lambda body: body.score, default=None)
    if best is None or best.score < _GOOD_ENOUGH:
        return None
    part_at = {joint: part for part, joint in _parts(graph, best).items()}
    return tuple(part_at.get(joint, "") for joint in range(len(motion.skeleton)))


@dataclass(frozen=True, eq=False)
class _Graph:
    """A skeleton without root.

    Its joints have places (T, J, 3) at some moments, and rest (J, 3) without rotations. Each joint turns by turns_rad
    (J,) in its parent's frame, and has neighbours. The bones from the parents have lengths (J,).
    """

    places: np.ndarray
    rest: np.ndarray
    turns_rad: np.ndarray
    parents: tuple[int, ...]
    neighbours: tuple[tuple[int, ...], ...]
    lengths: np.ndarray

    @classmethod
    def of(cls, motion: Motion) -> _Graph:
        skeleton = motion.skeleton
        frames = np.unique(np.linspace(0, len(motion) - 1, _FRAMES).round().astype(int))
        some = motion.rotations[frames]
        places, _ = forward_kinematics(skeleton, motion.root_m[frames], some)
        away = np.linalg.norm(compose(invert(some[:1]), some)[..., :3], axis=-1).max(axis=0, initial=0)
        above = [() if parent < 0 else (parent,) for parent in skeleton.parents]
        neighbours = tuple((*up, *down) for up, down in zip(above, skeleton.children, strict=True))
        turns_rad, lengths = 2 * np.arcsin(np.clip(away, 0, 1)), np.linalg.norm(skeleton.offsets_m, axis=-1)
        return cls(places, skeleton.rest_positions_m, turns_rad, skeleton.parents, neighbours, lengths)

    def bone(self, joint: int, other: int) -> float:
        """Length of the bone between neighbours."""
        return float(self.lengths[joint if self.parents[joint] == other else other])

    def beyond(self, joint: int, other: int) -> list[int]:
        """The neighbours of `other` beside `joint`."""
        return [one for one in self.neighbours[other] if one != joint]

    @cached_property
    def _depths(self) -> dict[tuple[int, int], float]:
        """For a joint and its neighbour the length of the longest way that starts with the bone between them."""
        depths: dict[tuple[int, int], float] = {}
        stack = [(joint, other) for joint, near in enumerate(self.neighbours) for other in near]
        while stack:
            joint, other = stack[-1]
            further = [(other, one) for one in self.beyond(joint, other)]
            if missing := [way for way in further if way not in depths]:
                stack += missing
            else:
                depths[stack.pop()] = self.bone(joint, other) + max((depths[way] for way in further), default=0.0)
        return depths

    @cached_property
    def long_branches(self) -> tuple[tuple[int, ...], ...]:
        """Of each joint the neighbours through which ways are long enough for a limb."""
        least = _SHORTEST_LIMB * max(self._depths.values(), default=0.0)
        return tuple(
            tuple(other for other in near if self._depths[joint, other] > least)
            for joint, near in enumerate(self.neighbours)
        )

    def chain(self, joint: int, other: int) -> list[int]:
        """The joints along the longest way that starts from a joint to its neighbour, both included."""
        chain = [joint, other]
        while further := self.beyond(chain[-2], chain[-1]):
            chain.append(max(further, key=lambda one: self._depths[chain[-1], one]))
        return chain

    def ways(self, joint: int, closed: Sequence[int]) -> Iterator[list[int]]:
        """The ways from a joint to each joint that can be reached without passing `closed`, itself first."""
        stack = [[joint]]
        while stack:
            way = stack.pop()
            yield way
            stack += [[*way, one] for one in self.neighbours[way[-1]] if one not in closed and one not in way[-2:-1]]


@dataclass(frozen=True, eq=False)
class _Limb:
    """A leg (hip, knee, ankle) or arm (shoulder, elbow, wrist).

    The sizes (4,) are lengths of upper and lower bone, socket, and foot or palm, 0 without. The socket is the joints on
    the way to it from where both limbs start. The end is the first joint beyond foot or palm.
    """

    score: float
    joints: tuple[int, int, int]
    sizes: np.ndarray
    socket: tuple[int, ...]
    end: int | None

    @property
    def length(self) -> float:
        """Of its two long bones."""
        return float(self.sizes[:2].sum())


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two like limbs that start at one joint."""

    score: float
    start: int
    limbs: tuple[_Limb, _Limb]
    branches: tuple[int, int]

    @property
    def length(self) -> float:
        return (self.limbs[0].length + self.limbs[1].length) / 2


@dataclass(frozen=True, eq=False)
class _Body:
    """Legs, arms, and the way between the joints where they start, both included."""

    score: float
    legs: _Pair
    arms: _Pair
    trunk: tuple[int, ...]


def _rarity(proportion: str, value: float) -> float:
    """Logarithm of the density of a proportion, 0 at the usual one."""
    usual, deviation = _USUAL[proportion]
    return max(-0.5 * (np.log(max(value, 1e-3) / usual) / deviation) ** 2, _UNHEARD_OF)


# --- limbs -----------------------------------------------------------------------------------------------------------


def _pairs(graph: _Graph, start: int, closed: Sequence[int], kind: str, leg: float | None = None) -> Iterator[_Pair]:
    """The likely pairs of legs, or of arms beside legs of a length, that start at a joint through no `closed` one."""
    branches = [one for one in graph.long_branches[start] if one not in closed]
    limbs = {one: _limbs(graph, start, one, kind, leg) for one in branches} if len(branches) > 1 else {}
    for first, second in combinations([one for one in branches if limbs.get(one)], 2):
        score, pair = _best_two(limbs[first], limbs[second])
        if score > _GOOD_ENOUGH:
            yield _Pair(score, start, pair, (first, second))


def _best_two(firsts: Sequence[_Limb], seconds: Sequence[_Limb]) -> tuple[float, tuple[_Limb, _Limb]]:
    """The most usual and even pair of limbs, and its score."""
    sizes = [np.array([limb.sizes for limb in limbs]) for limbs in (firsts, seconds)]
    scores = [np.array([limb.score for limb in limbs]) for limbs in (firsts, seconds)]
    scored = _evenness(sizes[0][:, None], sizes[1][None]) + (scores[0][:, None] + scores[1][None]) / 2
    one, two = (int(index) for index in np.unravel_index(scored.argmax(), scored.shape))
    return float(scored[one, two]), (firsts[one], seconds[two])


def _evenness(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Logarithm of how usual it is that limbs of sizes (..., 4) differ so much."""
    least = 0.1 * (one[..., :2] + two[..., :2]).sum(-1, keepdims=True)  # short sockets and feet may differ more
    uneven = np.log(np.maximum(one, least) / np.maximum(two, least)) / _EVEN
    return -0.5 * np.minimum(uneven**2, 9).sum(-1) - 2.0 * ((one[..., 3] > 0) != (two[..., 3] > 0))


def _limbs(graph: _Graph, start: int, branch: int, kind: str, leg: float | None) -> list[_Limb]:
    """The likeliest choices of a limb's three joints along the longest way from a joint through a branch."""
    chain = graph.chain(start, branch)[:_LONGEST_CHAIN]
    along = np.cumsum([0, *(graph.bone(*ends) for ends in pairwise(chain))])
    straight = _straightness(graph, chain, along) + _passed(graph, chain)
    limbs = []
    for top, middle, low in combinations(range(1, len(chain)), 3):
        upper, lower = along[middle] - along[top], along[low] - along[middle]
        if min(upper, lower) > 0.02 * along[-1]:
            end = next((at for at in range(low, len(chain)) if along[at] - along[low] > _SHORTEST_END * lower), low)
            sizes = np.array([upper, lower, along[top], along[end] - along[low]])
            joints, socket = (chain[top], chain[middle], chain[low]), tuple(chain[1:top])
            moving = (graph.turns_rad[list(joints)] > _STILL_RAD).sum()
            further = top + middle + (low if kind == "leg" else -low)
            score = straight[top, middle] + straight[middle, low] + _usualness(kind, sizes)
            score += _MOVING * moving + _FURTHER * further
            score += 0.0 if leg is None else _rarity("arm over leg", (upper + lower) / leg)
            limbs.append(_Limb(score, joints, sizes, socket, chain[end] if end > low else None))
    return sorted(limbs, key=lambda limb: limb.score)[-_LIMBS_KEPT:]


def _usualness(kind: str, sizes: np.ndarray) -> float:
    """How usual the proportions of a limb are that has these sizes."""
    upper, lower, socket, end = sizes
    own = _rarity(f"{kind}'s end", end / lower) if end else _WITHOUT_END
    return _rarity(f"{kind}'s lower bone", lower / upper) + _rarity(f"{kind}'s socket", socket / upper) + own


def _straightness(graph: _Graph, chain: Sequence[int], along: np.ndarray) -> np.ndarray:
    """(C, C) score of the way between two joints of a chain as a bone: straight, and of one length at all times."""
    places = graph.places[:, chain]
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    length = np.maximum(np.abs(along[:, None] - along), 1e-9)
    bent, stretched = 1 - apart.mean(axis=0) / length, apart.std(axis=0) / length
    return -np.minimum((np.maximum(bent, 0) + stretched) / _BENT, 6.0)


def _passed(graph: _Graph, chain: Sequence[int]) -> np.ndarray:
    """(C, C) score of a bone for the joints between its ends from which something else branches off."""
    before = np.cumsum([0, *(len(graph.neighbours[joint]) > 2 for joint in chain)])
    return _BRANCH_PASSED * np.maximum(before[None, :-1] - before[1:, None], 0)


# --- bodies ----------------------------------------------------------------------------------------------------------


def _bodies(graph: _Graph, legs: _Pair) -> Iterator[_Body]:
    """The bodies that stand on a pair of legs."""
    for trunk in graph.ways(legs.start, legs.branches):
        for arms in _pairs(graph, trunk[-1], (*legs.branches, *trunk[-2:-1]), "arm", legs.length):
            score = legs.score + arms.score + _build(graph, legs, arms) - _FURTHER * len(trunk)
            yield _Body(score, legs, arms, tuple(trunk))


def _build(graph: _Graph, legs: _Pair, arms: _Pair) -> float:
    """How usual the proportions of a body are, beside those of its limbs, and its posture."""
    places = np.concatenate([graph.rest[None], graph.places])
    ends = (legs, 0), (arms, 0), (legs, 2)
    hips, shoulders, ankles = (places[:, [limb.joints[at] for limb in pair.limbs]] for pair, at in ends)
    trunk = shoulders.mean(axis=1) - hips.mean(axis=1)
    upright = _cosines(trunk, hips.mean(axis=1) - ankles.mean(axis=1))
    return (
        (_ON_ALL_FOURS if max(upright[0], np.median(upright[1:])) < _UPRIGHT else 0.0)
        + _rarity("trunk over leg", _mean_length(trunk[1:]) / legs.length)
        + _rarity("shoulders over leg", _mean_length(shoulders[1:, 0] - shoulders[1:, 1]) / legs.length)
        + _rarity("hips over leg", _mean_length(hips[1:, 0] - hips[1:, 1]) / legs.length)
    )


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines (T,) of the angles between vectors (T, 3); 1 where one of them vanishes."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.divide(np.einsum("ti,ti->t", first, second), lengths, out=np.ones_like(lengths), where=lengths > 0)


def _mean_length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean())


# --- parts -----------------------------------------------------------------------------------------------------------


def _parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """The joint of each part of a body."""
    order = (0, 1) if _first_is_left(graph, body) else (1, 0)
    limbs = {
        f"{side}_{part}": joint
        for side, leg, arm in zip(("left", "right"), order, _arm_order(graph, body, order), strict=True)
        for part, joint in {**_leg_parts(body.legs.limbs[leg]), **_arm_parts(graph, body.arms.limbs[arm])}.items()
    }
    return {"pelvis": body.legs.start} | limbs | _trunk_parts(graph, body)


def _leg_parts(leg: _Limb) -> dict[str, int]:
    parts: dict[str, int] = dict(zip(("hip", "knee", "ankle"), leg.joints, strict=True))
    return parts if leg.end is None else parts | {"foot": leg.end}


def _arm_parts(graph: _Graph, arm: _Limb) -> dict[str, int]:
    parts: dict[str, int] = dict(zip(("shoulder", "elbow", "wrist"), arm.joints, strict=True))
    return {"collar": moving[0]} | parts if (moving := _moving(graph, arm.socket)) else parts


def _moving(graph: _Graph, joints: Sequence[int]) -> list[int]:
    """Joints without those that never turn; all of them if none does."""
    return [joint for joint in joints if graph.turns_rad[joint] > _STILL_RAD] or list(joints)


def _first_is_left(graph: _Graph, body: _Body) -> bool:
    """Whether the first leg is the left one, inferred from where toes, knees and elbows point."""
    legs, arms = body.legs.limbs, body.arms.limbs
    hips, shoulders = (graph.places[:, [limb.joints[0] for limb in limbs]] for limbs in (legs, arms))
    up, aside = shoulders.mean(axis=1) - hips.mean(axis=1), hips[:, 0] - hips[:, 1]
    ahead = sum(_ahead(graph, leg) for leg in legs) - sum(_bulge(graph, arm) for arm in arms)
    return float(np.mean(np.einsum("ti,ti->t", np.cross(up, ahead), aside))) > 0


def _ahead(graph: _Graph, leg: _Limb) -> np.ndarray:
    """(T, 3) where a leg says is ahead: along the foot, and where the knee bends to."""
    foot = 0.0 if leg.end is None else graph.places[:, leg.end] - graph.places[:, leg.joints[2]]
    return foot + _bulge(graph, leg)


def _bulge(graph: _Graph, limb: _Limb) -> np.ndarray:
    """(T, 3) from the middle between a limb's ends to its knee or elbow."""
    top, middle, end = np.moveaxis(graph.places[:, limb.joints], 1, 0)
    return middle - (top + end) / 2


def _arm_order(graph: _Graph, body: _Body, order: tuple[int, int]) -> tuple[int, int]:
    """The left and the right arm: shoulders lie as the hips do."""
    hips, shoulders = (graph.places[:, [limb.joints[0] for limb in pair.limbs]] for pair in (body.legs, body.arms))
    alike = np.einsum("ti,ti->t", hips[:, 0] - hips[:, 1], shoulders[:, 0] - shoulders[:, 1]).mean() > 0
    return order if alike else (order[1], order[0])


def _trunk_parts(graph: _Graph, body: _Body) -> dict[str, int]:
    """Spine, neck and head: the head is the first joint that is high enough, the neck the last one below it."""
    heights, spine, above = _heights(graph, body), list(body.trunk[1:]), _head_chain(graph, body)
    if len(spine) > 1 and heights[spine[-1]] > _NECK_ABOVE_SHOULDERS:
        above.insert(0, spine.pop())
    head = next((at for at, joint in enumerate(above) if heights[joint] > _HEAD_ABOVE_SHOULDERS), len(above))
    ends = {"head": above[head : head + 1], "neck": above[:head][-1:]}
    return spine_parts(_moving(graph, spine)) | {part: joints[0] for part, joints in ends.items() if joints}


def _head_chain(graph: _Graph, body: _Body) -> list[int]:
    """The joints from where the arms start towards the top of the head."""
    *_, below, chest = (-1, *body.trunk)
    closed = (below, *body.arms.branches, *(body.legs.branches if len(body.trunk) == 1 else ()))
    chains = [graph.chain(chest, one)[1:] for one in graph.neighbours[chest] if one not in closed]
    heights = _heights(graph, body)
    return max(chains, key=lambda chain: heights[chain[-1]], default=[])


def _heights(graph: _Graph, body: _Body) -> np.ndarray:
    """(J,) upper quartiles of joints' heights above the shoulders along the trunk, over the length of a leg."""
    hips, shoulders = (
        graph.places[:, [limb.joints[0] for limb in pair.limbs]].mean(axis=1) for pair in (body.legs, body.arms)
    )
    up = shoulders - hips
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    heights = np.einsum("tji,ti->tj", graph.places - shoulders[:, None], up)
    return np.percentile(heights, 75, axis=0) / body.legs.length
