"""The up axis is inferred or refused, never wrong, whatever the rest pose."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from posed_motions import MOTIONS, climbing, lying, standing, swimming, walking
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.datasets.files.conclusions import draw_conclusions
from selfcorrect.datasets.files.rigs import gltf
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.skeletons.reading import Up
from selfcorrect.datasets.files.skeletons.vertical import ALL_AXES, OPTIONS, WORDS, up_of_motion
from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.views import Y_DOWN, Y_UP, Z_UP, TurnedFrames, TurnedWorld, to_y_up

World = Literal["y", "z"]
TO_Z_UP = Rotation.from_quat(to_y_up(Z_UP).turn).inv()


def in_world(motion: sc.Motion, world: World, rest: World, yaw_deg: float = 0.0) -> sc.Motion:
    """Turn a motion and its rest pose into a world.

    The rest pose stands along another axis or the same.
    """
    motion = TurnedWorld(Rotation.from_euler("y", yaw_deg, degrees=True).as_quat()).view(motion)
    if world == "z":
        motion = TurnedWorld(TO_Z_UP.as_quat()).view(motion)
    return TurnedFrames(np.tile(TO_Z_UP.inv().as_quat(), (22, 1))).view(motion) if rest == "z" else motion


def by_name(motion: sc.Motion) -> np.ndarray:
    """Return joint positions in order of names.

    End sites are left out. Files list joints depth first.
    """
    joints = [joint for joint in np.argsort(motion.skeleton.names) if not motion.skeleton.names[joint].endswith("_end")]
    return sc.joint_positions(motion)[:, joints]


def assert_written_back(file: sc.MotionFile, folder: Path) -> None:
    """Assert that a.bvh, written back as b.bvh, has its joints where they were."""
    file.write(folder / "b.bvh", file.motion)
    before_m, after_m = (sc.joint_positions(read_bvh(folder / f"{name}.bvh").motion) for name in "ab")
    np.testing.assert_allclose(after_m, before_m, atol=1e-5)


def verdict(path: Path, expected: sc.Motion) -> str:
    """Return whether a file is read, refused or wrong.

    A refusal names the option that settles it.
    """
    try:
        motion = sc.load_motion(path)
    except sc.InputError as error:
        return "refused" if "vertical axis is ambiguous" in str(error) else f"broken: {error}"
    return "right" if np.allclose(by_name(motion), by_name(expected), atol=1e-4) else "wrong"


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("world", ["y", "z"])
@pytest.mark.parametrize("yaw_deg", [0, 90, 205])
def test_standing_rest_pose_decides(tmp_path: Path, name: str, world: World, yaw_deg: float) -> None:
    """A standing rest pose decides, whatever the motion.

    Who lies or crawls seems to stand along another axis.
    """
    motion = MOTIONS[name]()
    write_bvh(tmp_path / "a.bvh", clip_of(in_world(motion, world, world, yaw_deg)))
    expected = TurnedWorld(Rotation.from_euler("y", yaw_deg, degrees=True).as_quat()).view(motion)
    assert verdict(tmp_path / "a.bvh", expected) == "right"
    gltf.write_gltf(tmp_path / "a.glb", in_world(motion, "y", "y", yaw_deg))
    assert verdict(tmp_path / "a.glb", expected) == "right"


@pytest.mark.parametrize("name", sorted(set(MOTIONS) - {"lying"}))
@pytest.mark.parametrize("world", ["y", "z"])
@pytest.mark.parametrize("yaw_deg", [0, 90, 205])
def test_lying_rest_pose_turns_nothing(tmp_path: Path, name: str, world: World, yaw_deg: float) -> None:
    motion = MOTIONS[name]()
    write_bvh(tmp_path / "a.bvh", clip_of(in_world(motion, world, "z" if world == "y" else "y", yaw_deg)))
    expected = TurnedWorld(Rotation.from_euler("y", yaw_deg, degrees=True).as_quat()).view(motion)
    assert verdict(tmp_path / "a.bvh", expected) in ("right", "refused")


@pytest.mark.parametrize("world", ["y", "z"])
@pytest.mark.parametrize("seed", range(4))
def test_lying_body_is_read(tmp_path: Path, world: World, seed: int) -> None:
    """As models make get-ups: nothing is level or still."""
    motion = lying()
    random = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(sway(random, (*motion.rotations.shape[:2], 3), 0.3)).as_quat()
    root_m = motion.root_m + sway(random, motion.root_m.shape, 0.1)
    swaying = replace(motion, root_m=root_m, rotations=compose(motion.rotations, turns))
    low_m = np.median(sc.joint_positions(swaying)[..., 1].min(axis=1))
    swaying = replace(swaying, root_m=root_m - [0.0, low_m, 0.0])
    write_bvh(tmp_path / "a.bvh", clip_of(in_world(swaying, world, world)))
    assert verdict(tmp_path / "a.bvh", swaying) == "right"


@settings(max_examples=40, deadline=None)
@given(
    world=st.sampled_from(["y", "z"]),
    pitch_rad=st.floats(1.0, 1.65),
    sign=st.sampled_from([-1, 1]),
    height_m=st.floats(0.3, 1.7),
    speed_m_s=st.floats(0.7, 1.3),
    kick_rad=st.floats(0.1, 0.5),
    yaw_deg=st.floats(0, 360),
)
@example("z", 1.5, 1, 1.0, 0.75, 0.5, 109.0)  # passes through 0 sideways
def test_swimmer_is_read_or_raises(
    world: World, pitch_rad: float, sign: int, height_m: float, speed_m_s: float, kick_rad: float, yaw_deg: float
) -> None:
    """A swimmer seems to stand along its way.

    The body lies, and nothing is below it.
    """
    motion = swimming(sign * pitch_rad, height_m, speed_m_s, kick_rad)
    axes = (Y_UP, Z_UP)
    try:
        axis = up_of_motion(in_world(motion, world, world, yaw_deg), None, rest_axis=axes["yz".index(world)]).axis
    except sc.InputError:
        event("refused")
    else:
        assert axis == axes["yz".index(world)]


@pytest.mark.parametrize("world", ["y", "z"])
@pytest.mark.parametrize("pitch_rad", [1.4, -1.4])
def test_forward_swimmer_is_noted(tmp_path: Path, pitch_rad: float, world: World) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(in_world(swimming(pitch_rad), world, world)))
    assert verdict(tmp_path / "a.bvh", swimming(pitch_rad)) == "right"
    conclusions = draw_conclusions(sc.open_motion(tmp_path / "a.bvh"), sc.Reading())
    (up,) = [conclusion for conclusion in conclusions if conclusion.question == "up"]
    assert any("where it travels" in evidence for evidence in up.evidence)
    assert {"a floor at 0", "flights", "the format"} <= set(up.evidence[-1].removeprefix("no evidence of ").split(", "))


def sway(random: np.random.Generator, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Slow noise over frames, the first axis."""
    slow = gaussian_filter1d(random.normal(size=shape), 8.0, axis=0)
    return deviation * slow / slow.std()


@pytest.mark.parametrize("rest", ["y", "z"])
@pytest.mark.parametrize("name", ["standing", "crouching", "sitting"])
def test_ordinary_motion_needs_no_option(tmp_path: Path, name: str, rest: World) -> None:
    for world in ("y", "z"):
        write_bvh(tmp_path / "a.bvh", clip_of(in_world(MOTIONS[name](), world, rest)))
        assert verdict(tmp_path / "a.bvh", MOTIONS[name]()) == "right"


def turn_into(motion: sc.Motion, world: int, rest: int) -> sc.Motion:
    """Turn a motion and its rest pose.

    The world has another vertical axis, the rest pose an axis of its own.
    """
    turned = to_y_up(world).restore(motion)
    return TurnedFrames(np.tile(to_y_up(rest).turn, (len(motion.skeleton), 1))).view(turned)


@pytest.mark.parametrize("world", ALL_AXES, ids=WORDS)
@pytest.mark.parametrize("rest", [Y_UP, Z_UP, None], ids=["rests y up", "rests z up", "rests in its world"])
@pytest.mark.parametrize("name", ["walking", "leaning"])
def test_camera_worlds_are_read(tmp_path: Path, name: str, rest: int | None, world: int) -> None:
    motion = walking(lean_rad=0.3 if name == "leaning" else 0.1)
    motion = replace(motion, root_m=motion.root_m + np.array([0.0, -0.6, 4.2]))
    write_bvh(tmp_path / "a.bvh", clip_of(turn_into(motion, world, world if rest is None else rest)))
    assert verdict(tmp_path / "a.bvh", motion) == "right"
    assert_written_back(sc.open_motion(tmp_path / "a.bvh"), tmp_path)


@pytest.mark.parametrize("name", sorted(set(MOTIONS) - {"lying", "cartwheeling", "jumping", "swimming"}))
@pytest.mark.parametrize("world", ALL_AXES, ids=WORDS)
def test_no_posture_is_turned(tmp_path: Path, name: str, world: int) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(turn_into(MOTIONS[name](), world, Y_UP)))
    assert verdict(tmp_path / "a.bvh", MOTIONS[name]()) in ("right", "refused")


def test_handstand_is_not_turned(tmp_path: Path) -> None:
    over = TurnedWorld(Rotation.from_euler("z", 180, degrees=True).as_quat()).view(standing())
    low_m = sc.joint_positions(over)[..., 1].min()
    handstand = replace(over, root_m=over.root_m - [0.0, low_m, 0.0])
    write_bvh(tmp_path / "a.bvh", clip_of(handstand))
    assert verdict(tmp_path / "a.bvh", handstand) == "right"


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_names_each_axis(tmp_path: Path, option: Up) -> None:
    motion = lying()
    write_bvh(tmp_path / "a.bvh", clip_of(turn_into(motion, OPTIONS.index(option), Y_UP)))
    read = sc.load_motion(tmp_path / "a.bvh", sc.Reading(up=cast("Up", f"{option}!")))
    np.testing.assert_allclose(by_name(read), by_name(motion), atol=1e-4)


@pytest.mark.parametrize("world", ["y", "z"])
def test_option_decides_and_writing_inverts(tmp_path: Path, world: World) -> None:
    motion = lying()
    clip = clip_of(in_world(motion, world, "z" if world == "y" else "y"))
    write_bvh(tmp_path / "a.bvh", clip)
    file = sc.open_motion(tmp_path / "a.bvh", sc.Reading(up=world))
    np.testing.assert_allclose(by_name(file.motion), by_name(motion), atol=1e-4)
    assert_written_back(file, tmp_path)


def test_assumption_names_option(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(standing()))
    notes = sc.open_motion(tmp_path / "a.bvh").notes
    assert "y up inferred (--up)" in notes
    assert any(note.endswith("(--metres-per-unit)") for note in notes)
    said = sc.open_motion(tmp_path / "a.bvh", sc.Reading(up="y", metres_per_unit=0.01)).notes
    assert said == ()


@pytest.mark.long
def test_disguised_recordings_are_read_or_raise(cmu: Path, tmp_path: Path) -> None:
    """Disguised recordings are read or refused, never wrong.

    Every sixth is tried in all worlds and with all rest poses; few may be refused.
    """
    verdicts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    random = np.random.default_rng(0)
    for path in sorted(cmu.glob("t*/*.bvh"))[::6]:
        clip = read_bvh(path)
        motion = clip.motion
        joints = len(clip.motion.skeleton)
        yaw = Rotation.from_euler("y", random.uniform(0, 360), degrees=True)
        for world in ("y", "z"):
            seen = TurnedWorld(((TO_Z_UP if world == "z" else Rotation.identity()) * yaw).as_quat()).view(motion)
            wanted_m = yaw.apply(sc.joint_positions(motion))
            for rest in ("y", "z"):
                turns = Rotation.concatenate([TO_Z_UP.inv() if rest == "z" else Rotation.identity()] * joints)
                disguised = TurnedFrames(turns.as_quat()).view(seen)
                offsets = disguised.skeleton.offsets_m / clip.metres_per_unit
                write_bvh(tmp_path / "a.bvh", replace(clip, motion=disguised, offsets=offsets))
                try:
                    got_m = sc.joint_positions(sc.load_motion(tmp_path / "a.bvh"))
                except sc.InputError:
                    verdicts[world == rest]["refused"] += 1
                else:
                    verdicts[world == rest]["right" if np.allclose(got_m, wanted_m, atol=1e-3) else "wrong"] += 1
    assert set(verdicts[True]) == {"right"}
    assert verdicts[False]["wrong"] == 0
    assert verdicts[False]["refused"] <= 0.1 * verdicts[False].total()


@pytest.mark.parametrize("seed", range(8))
def test_standing_body_is_not_turned(seed: int) -> None:
    """Standing bodies that bounce and sway are not turned.

    Knees bounce with hard landings; positions say nothing of the floor's height.
    """
    random = np.random.default_rng(seed)
    frames = 240
    still = standing()
    motion = replace(
        still,
        root_m=np.repeat(still.root_m[:1], frames, axis=0),
        rotations=np.repeat(still.rotations[:1], frames, axis=0),
    )
    landings_m_s2 = np.where(np.arange(frames) % 30 < 7, random.uniform(9, 16), 0.0)
    landings_m_s2 -= landings_m_s2.mean()
    heights_m = np.cumsum(np.cumsum(landings_m_s2)) / motion.fps**2
    slope_m = np.linspace(0.0, heights_m[-1] - heights_m[0], frames)
    root_m = motion.root_m + sway(random, (frames, 3), random.uniform(0.02, 0.5)) * [1.0, 0.0, 1.0]
    root_m[:, 1] += heights_m - slope_m
    root_m += random.uniform(-1, 1, 3)
    lean = Rotation.from_rotvec(sway(random, (frames, 3), 0.05) * [1.0, 0.2, 1.0])
    motion = replace(turn_joint(motion, 0, lean, outside=True), root_m=root_m)
    for world in (Y_UP, Z_UP, Y_DOWN):
        turned = to_y_up(world).restore(motion)
        assert up_of_motion(turned, None).axis == world


def test_dog_walks_are_y_up(tmp_path: Path) -> None:
    """A dog's skeleton does not show how people stand."""
    motion = walking()
    names = tuple(f"joint{index}" for index in range(22))
    legless = replace(motion.skeleton, names=names, parts=("",) * 22, offsets_m=np.abs(motion.skeleton.offsets_m))
    write_bvh(tmp_path / "a.bvh", clip_of(replace(motion, skeleton=legless)))
    assert "y up assumed (--up)" in sc.open_motion(tmp_path / "a.bvh", any_body=True).notes


@pytest.mark.parametrize("said", ["y", "z"])
@pytest.mark.parametrize("name", ["walking", "standing", "jumping", "climbing"])
def test_contradicted_axis_raises(tmp_path: Path, name: str, said: str) -> None:
    """Climbers are refused by posture and rest pose.

    Climbers have no level floor along any axis.
    """
    sc.save_motion(tmp_path / "a.bvh", (MOTIONS | {"climbing": climbing})[name]())
    if said == "y":
        assert sc.load_motion(tmp_path / "a.bvh", sc.Reading(up="y")).root_m[:, 1].min() > 0.5
        return
    with pytest.raises(sc.InputError, match=r"--up.*--up z!"):
        sc.load_motion(tmp_path / "a.bvh", sc.Reading(up="z"))
    assert len(sc.load_motion(tmp_path / "a.bvh", sc.Reading(up="z!")))
