"""Bodies in disguise are corrected alike.

A disguise has other names, orders, roots, twist joints, props or helpers. It moves no part of the body, so parts and
correction must be those of the original body.
"""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import (
    base_walk,
    chain,
    chicken,
    clear_names,
    fox,
    insert_twist_bones,
    lizard,
    octopus,
    remove_parts,
    with_chains,
)

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.skeletons.anatomy import recognize_parts
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.files.skeletons.shape import parts_from_shape
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton, swap_sides
from selfcorrect.motion.views import JointOrder, Rerooted
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector

TRUNK = {"pelvis", "spine1", "spine2", "spine3", "neck"}
"""Where a tree hangs elsewhere, joints of the trunk are at the other ends of their bones."""

KINEMATIC = KinematicCorrector()
IDENTITY = np.array([0.0, 0, 0, 1])


# --- disguises -------------------------------------------------------------------------------------------------------


def nameless(motion: Motion, words: Callable[[int], str] = "bone_{}".format) -> Motion:
    """Remove names that mean something, order and parts."""
    order = np.random.default_rng(1).permutation(len(motion.skeleton)).tolist()
    skeleton = motion.skeleton
    names = tuple(words(index) for index in order)
    return replace(motion, skeleton=replace(skeleton, names=names, parts=("",) * len(skeleton)))


def reorder_joints(motion: Motion) -> Motion:
    """The joints in another order, children still after parents."""
    rng = np.random.default_rng(2)
    skeleton = motion.skeleton
    order = list[int]()
    ready = [0]
    while ready:
        order.append(ready.pop(rng.integers(len(ready))))
        ready += skeleton.children[order[-1]]
    return JointOrder(replace(skeleton, parts=("",) * len(skeleton)), np.array(order)).view(motion)


def in_a_scene(motion: Motion) -> Motion:
    """Put the body below the root of a scene with floor helpers."""
    skeleton = motion.skeleton
    drop_m = np.array([0.1, -0.85, 0.0])
    changed = Skeleton(
        ("Scene", *skeleton.names, "IK_l", "IK_r"),
        (-1, 0, *(parent + 1 for parent in skeleton.parents[1:]), 0, 0),
        np.vstack([np.zeros(3), -drop_m, skeleton.offsets_m[1:], [[0.1, 0, 0], [-0.1, 0, 0]]]),
        ("", *skeleton.parts, "", ""),
    )
    still = np.tile(IDENTITY, (len(motion), 1, 1))
    rotations = np.concatenate([still, motion.rotations, still, still], axis=1)
    return replace(motion, skeleton=changed, root_m=motion.root_m + drop_m, rotations=rotations)


def hung_on(motion: Motion, part: str) -> Motion:
    """The motion on a tree with another root."""
    return Rerooted(motion.skeleton, motion.skeleton.parts.index(part)).view(motion)


def add_clothes(motion: Motion) -> Motion:
    """Add fingers, a skirt, breasts and a sword.

    The skirt has two panels; the sword is in the right hand.
    """
    chains = {"sword": ("right_wrist", [(-0.08, 0.0, 0.0), (0.0, 0.0, 0.8)])}
    for side, x in (("left", 1.0), ("right", -1.0)):
        for finger, spread in enumerate((-0.03, -0.01, 0.01, 0.03)):
            chains[f"{side}_f{finger}"] = (f"{side}_wrist", [(0.09 * x, 0.0, spread), *[(0.03 * x, 0.0, 0.0)] * 3])
        chains[f"{side}_skirt"] = ("pelvis", [(0.15 * x, -0.05, 0.1), (0.02 * x, -0.35, 0.02)])
        chains[f"{side}_breast"] = ("spine3", [(0.08 * x, 0.02, 0.1)])
    return with_chains(motion, chains)


def add_twist_joints(motion: Motion) -> Motion:
    """Split thighs, shanks, upper arms and forearms in halves that share the twist."""
    skeleton = motion.skeleton
    halves = {}
    for side in ("left", "right"):
        for part, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            upper, lower = f"{side}_{part}", f"{side}_{end}"
            if skeleton.parents[skeleton.parts.index(lower)] == skeleton.parts.index(upper):
                halves[f"{upper}Twist"] = (upper, lower, upper)
    return insert_twist_bones(motion, 0.5, halves)


DISGUISES: dict[str, Callable[[Motion], Motion]] = {
    "no names": nameless,
    "other languages": lambda motion: nameless(motion, "骨{}".format),
    "another order": lambda motion: nameless(reorder_joints(motion)),
    "a scene": lambda motion: nameless(in_a_scene(motion)),
    "fingers and props": lambda motion: nameless(reorder_joints(add_clothes(motion))),
    "twist joints": lambda motion: nameless(add_twist_joints(motion)),
    "everything": lambda motion: nameless(reorder_joints(in_a_scene(add_clothes(add_twist_joints(motion))))),
    "hung on the chest": lambda motion: nameless(hung_on(motion, "spine3")),
    "hung on the neck": lambda motion: nameless(hung_on(motion, "neck")),
}


# --- bodies ----------------------------------------------------------------------------------------------------------


BODIES = ("mb", "daz", "deepmimic")


@pytest.fixture(scope="module")
def bodies(cmu: Path, walk: Motion) -> dict[str, Motion]:
    """Return real motions on three kinds of skeleton, as in their files."""
    with (cmu / "index.csv").open() as index:
        rows = list(csv.DictReader(index))
    walks = {
        kind: next(row for row in rows if row["skeleton"] == kind and "walk" in row["category"])
        for kind in ("mb", "daz")
    }
    clips = {kind: read_bvh(cmu / row["file"]).motion.frames(0, 60) for kind, row in walks.items()}
    return clips | {"deepmimic": walk}


def correct_and_locate(motion: Motion, folder: Path, correct: Callable = KINEMATIC) -> dict[str, np.ndarray]:
    """Write BVH, read and correct it, and return the parts' positions (T, 3)."""
    write_bvh(folder / "a.bvh", clip_of(motion))
    (correction,) = correct([open_motion(folder / "a.bvh", Reading(metres_per_unit=0.01)).motion])
    assert correction.accepted, correction.reason
    places_m = joint_positions(correction.motion)
    return {part: places_m[:, joint] for joint, part in enumerate(correction.motion.skeleton.parts) if part}


def furthest_mm(first: dict[str, np.ndarray], second: dict[str, np.ndarray], parts: set[str]) -> float:
    """Return the parts' distance in nine of ten frames.

    Rounding may put a foot down a frame later.
    """
    return max(1000 * float(np.percentile(np.linalg.norm(first[part] - second[part], axis=-1), 90)) for part in parts)


@pytest.fixture(scope="module")
def corrected_m(
    bodies: dict[str, Motion], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, np.ndarray]]:
    """Return the corrected parts' positions, undisguised."""
    folder = tmp_path_factory.mktemp("plain")
    return {body: correct_and_locate(motion, folder) for body, motion in bodies.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "disguise"),
    [(BODIES[(number + far) % 3], name) for number, name in enumerate(DISGUISES) for far in (0, 1)],
)
def test_a_disguise_changes_no_correction(
    bodies: dict[str, Motion], corrected_m: dict[str, dict[str, np.ndarray]], body: str, disguise: str, tmp_path: Path
) -> None:
    motion = bodies[body]
    plain = corrected_m[body]
    seen = correct_and_locate(DISGUISES[disguise](motion), tmp_path)
    parts = set(plain) - (TRUNK if "hung" in disguise else set())
    if body == "deepmimic":
        parts -= {"left_foot", "right_foot"}  # by name, the end site of a foot serves as its toe joint
    assert parts <= set(seen)
    assert furthest_mm(plain, seen, parts) < 0.5


@pytest.fixture(scope="module")
def simulated_m(bodies: dict[str, Motion], tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Return the simulated parts' positions, undisguised."""
    return correct_and_locate(bodies["mb"].frames(0, 40), tmp_path_factory.mktemp("plain"), PhysicsCorrector())


@pytest.mark.slow
@pytest.mark.parametrize("disguise", ["another order", "fingers and props", "twist joints", "hung on the chest"])
def test_a_disguise_changes_no_simulation(
    bodies: dict[str, Motion], simulated_m: dict[str, np.ndarray], disguise: str, tmp_path: Path
) -> None:
    motion = bodies["mb"].frames(0, 40)
    seen = correct_and_locate(DISGUISES[disguise](motion), tmp_path, PhysicsCorrector())
    # These change the masses of segments, which plans follow: by a millimetre at the trunk, more at straight knees.
    heavier = disguise in ("twist joints", "fingers and props")
    assert furthest_mm(simulated_m, seen, set(simulated_m)) < (10.0 if heavier else 2.5)


@pytest.mark.parametrize("limbs", [("foot",), ("collar",), ("foot", "collar")])
@pytest.mark.parametrize("body", ["mb", "daz"])
def test_missing_toes_or_collars_match_names(
    bodies: dict[str, Motion], body: str, limbs: tuple[str, ...], tmp_path: Path
) -> None:
    motion = remove_parts(bodies[body], [f"{side}_{limb}" for side in ("left", "right") for limb in limbs])
    plain = correct_and_locate(motion, tmp_path)
    seen = correct_and_locate(nameless(motion), tmp_path)
    assert set(seen) <= set(plain)
    assert set(plain) - set(seen) <= {"left_foot", "right_foot"}  # by name, the end site of a foot serves as its toe
    assert not {f"{side}_{limb}" for side in ("left", "right") for limb in limbs} & set(seen)
    assert furthest_mm(plain, seen, set(seen)) < 1.0


def test_named_sides_are_believed(bodies: dict[str, Motion]) -> None:
    """Named sides hold, even in a backward walk.

    The feet are turned round.
    """
    motion = bodies["deepmimic"]
    words = {"left": "gauche", "right": "droite"}
    sides = [part.partition("_")[0] for part in motion.skeleton.parts]
    names = tuple(f"os {index} {side}" if side in words else f"os {index}" for index, side in enumerate(sides))
    swapped = tuple(name.replace("left", "x").replace("right", "left").replace("x", "right") for name in names)
    parts = [
        recognize_parts(
            replace(motion, skeleton=replace(motion.skeleton, names=side_names, parts=("",) * 15))
        ).skeleton.parts
        for side_names in (names, swapped)
    ]
    assert parts[0] == motion.skeleton.parts
    assert parts[1] == tuple(swap_sides(part) for part in motion.skeleton.parts)


def test_chest_root_round_trips(bodies: dict[str, Motion], tmp_path: Path) -> None:
    motion = bodies["mb"]
    hung = nameless(hung_on(motion, "spine3"))
    write_bvh(tmp_path / "a.bvh", clip_of(hung))
    file = open_motion(tmp_path / "a.bvh", Reading(metres_per_unit=0.01))
    file.write(tmp_path / "b.bvh", file.motion)
    old = read_bvh(tmp_path / "a.bvh", 0.01).motion
    new = read_bvh(tmp_path / "b.bvh", 0.01).motion
    assert new.skeleton.names == old.skeleton.names
    np.testing.assert_allclose(joint_positions(new), joint_positions(old), atol=1e-5)


def test_prop_keeps_unit(bodies: dict[str, Motion], tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(nameless(in_a_scene(add_clothes(bodies["daz"])))))
    assert read_bvh(tmp_path / "a.bvh").metres_per_unit == 0.01


# --- what is no human body -------------------------------------------------------------------------------------------


def dog() -> Motion:
    """Make a quadruped with a human's joint names, as games do."""
    trunk = ("Root", "Hips", "Spine", "Spine1", "Neck", "Head", "Tail", "TailEnd")
    limbs = ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")
    names = (*trunk, *(f"{side}{limb}" for side in ("Left", "Right") for limb in limbs))
    return replace(fox(), skeleton=replace(fox().skeleton, names=names))


@pytest.mark.parametrize("thing", [fox, chicken, chain, octopus, lizard])
def test_other_bodies_raise(thing: Callable[[], Motion], tmp_path: Path) -> None:
    assert parts_from_shape(thing()) is None
    write_bvh(tmp_path / "a.bvh", clip_of(nameless(thing())))
    with pytest.raises(ValueError, match=r"a\.bvh:.*bone_"):
        open_motion(tmp_path / "a.bvh", Reading())


def test_quadruped_raises(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(dog()))
    with pytest.raises(ValueError, match=r"a\.bvh: no human body \(.* on all fours"):
        open_motion(tmp_path / "a.bvh", Reading())


@pytest.mark.parametrize("top_m", [0.03, 0.05, 0.18])
def test_head_end_is_no_head(top_m: float) -> None:
    walk = base_walk(2)
    topped = with_chains(walk, {"top": ("head", [(0.0, top_m, 0.0)])})
    cleared = clear_names(topped)
    skeleton = replace(cleared.skeleton, rigid=frozenset(cleared.skeleton.names[-1:]))
    recognised = recognize_parts(replace(cleared, skeleton=skeleton))
    assert recognised.skeleton.parts == topped.skeleton.parts
