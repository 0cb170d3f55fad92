"""Corrections can be limited in frames, strength and joints."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Says
from hypothesis import given
from hypothesis import strategies as st
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.controls import interpolate_keyframes
from selfcorrect.motion.editing.blending import blend_motions
from selfcorrect.motion.geometry.rotations import turn_angles


def below_floor(by_m: float = 0.03, bend_rad: float = 1.2) -> sc.Motion:
    """Sink a walk and bend its arms."""
    walk = made_motion("walk", frames=90)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        walk = pose_joint(walk, f"{side}_elbow", Rotation.from_rotvec([0.0, sign * bend_rad, 0.0]))
    return replace(walk, root_m=walk.root_m - [0.0, by_m, 0.0])


@pytest.fixture(scope="module")
def sunk_motion() -> sc.Motion:
    return below_floor()


@pytest.mark.parametrize(("first", "last"), [(20, 60), (0, 30), (50, 89), (40, 41)])
def test_frames_outside_range_stay(sunk_motion: sc.Motion, first: int, last: int) -> None:
    ranged = sc.correct(sunk_motion, kinematic=True, frames=f"{first}:{last}").motion
    outside = [frame for frame in range(90) if not first <= frame <= last]
    assert np.array_equal(ranged.rotations[outside], sunk_motion.rotations[outside])
    assert np.array_equal(ranged.root_m[outside], sunk_motion.root_m[outside])


def test_range_fades_smoothly(sunk_motion: sc.Motion) -> None:
    uncut = sc.correct(sunk_motion, kinematic=True).motion
    part = sc.correct(sunk_motion, kinematic=True, frames="20:60").motion
    assert np.array_equal(part.root_m[30:51], uncut.root_m[30:51])
    steps_m = np.abs(np.diff(part.root_m[:, 1] - sunk_motion.root_m[:, 1]))
    assert steps_m.max() < 0.01, "a body that rises by 3 cm takes some frames for it"


def furthest_m(first: sc.Motion, second: sc.Motion, joints: list[int]) -> float:
    """Largest distance of these joints of two motions."""
    return float(np.linalg.norm(sc.joint_positions(first, joints) - sc.joint_positions(second, joints), axis=-1).max())


PARTS = {"hands": ("left_wrist", "right_wrist"), "feet": ("left_ankle", "right_ankle")}


@pytest.mark.parametrize(
    ("by_m", "bend_rad", "kept"),
    [
        (0.03, 1.2, ("hands",)),
        (0.03, 0.0, ("hands",)),
        (0.1, 0.0, ("hands",)),
        (0.3, 0.3, ("hands",)),
        (0.1, 0.3, ("left_wrist",)),
        (0.1, 0.0, ("hands", "feet")),
    ],
)
def test_kept_limbs_stay_within_2_mm(by_m: float, bend_rad: float, kept: tuple[str, ...]) -> None:
    given = below_floor(by_m, bend_rad)
    names = given.skeleton.names
    free = sc.correct(given, kinematic=True).motion
    correction = sc.correct(given, kinematic=True, keep=kept)
    joints = [names.index(part) for name in kept for part in PARTS.get(name, (name,))]
    assert furthest_m(correction.motion, given, joints) < 0.002 < furthest_m(free, given, joints)
    notes = [str(note) for note in correction.notes if "the body moved by" in str(note)]
    gave_way_m = np.linalg.norm(correction.motion.root_m - free.root_m, axis=-1).max()
    assert bool(notes) == (gave_way_m > 0.002)
    assert not notes or f"{gave_way_m:.3f} m" in notes[0]
    if "feet" not in kept:  # they stay where the correction has put them
        ankles = [names.index(part) for part in PARTS["feet"]]
        assert furthest_m(correction.motion, free, ankles) < (0.005 if notes else 1e-9)


def test_amount_scales_limbs_and_time(sunk_motion: sc.Motion) -> None:
    full = sc.correct(sunk_motion, kinematic=True).motion
    none = sc.correct(sunk_motion, kinematic=True, amount=("0=0",)).motion
    half = sc.correct(sunk_motion, kinematic=True, amount=("legs=0", "0=0.5")).motion
    assert np.array_equal(none.rotations, sunk_motion.rotations)
    assert np.allclose(half.root_m, 0.5 * (sunk_motion.root_m + full.root_m))
    knee = sunk_motion.skeleton.joint("left_knee")
    assert np.array_equal(half.rotations[:, knee], sunk_motion.rotations[:, knee])


def test_keyframes_change_one_limb(sunk_motion: sc.Motion) -> None:
    full = sc.correct(sunk_motion, kinematic=True).motion
    keyed = sc.correct(sunk_motion, kinematic=True, amount=("legs@30=0", "legs@60=1")).motion
    legs = [
        sunk_motion.skeleton.joint(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "knee", "ankle")
    ]
    others = [joint for joint in range(22) if joint not in {*legs, 10, 11}]
    assert np.array_equal(keyed.rotations[:31, legs], sunk_motion.rotations[:31, legs])
    assert np.array_equal(keyed.rotations[60:], full.rotations[60:])
    assert np.array_equal(keyed.rotations[:, others], full.rotations[:, others])
    assert np.array_equal(keyed.root_m, full.root_m)


@pytest.fixture
def folder(sunk_motion: sc.Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the motion in walk.bvh."""
    monkeypatch.chdir(tmp_path)
    sc.save_motion("walk.bvh", sunk_motion)
    return tmp_path


def test_contacts_round_trip_by_command(folder: Path, says: Says) -> None:
    line = "correct walk.bvh --kinematic --workers 1"
    says(line, "-o", "out", "--contacts-out", "walk.contacts.json")
    content = json.loads(Path("walk.contacts.json").read_text())
    assert {contact["kind"] for contact in content["contacts"]} == {"stands"}
    Path("walk.contacts.json").write_text(json.dumps({**content, "contacts": []}))
    refusal = says(line, "-o", "out", "--contacts-out", "walk.contacts.json", code=2)
    assert "exists with other content" in refusal
    main([*line.split(), "-o", "free", "--contacts", "walk.contacts.json"])
    first = Path("free/walk.bvh").read_bytes()
    assert first != Path("out/walk.bvh").read_bytes()
    Path("walk.contacts.json").write_text(json.dumps(content))
    main([*line.split(), "-o", "free", "--contacts", "walk.contacts.json"])
    assert Path("free/walk.bvh").read_bytes() != first, "contacts that were edited are read again"


def test_layer_adds_up(folder: Path, says: Says) -> None:
    line = "correct walk.bvh --kinematic --workers 1 -o out --delta layer.bvh"
    for _ in range(2):  # the second time, the layer is the same
        says(line)
    rows = [
        np.array([line.split() for line in Path(name).read_text().splitlines() if line[:1] in "-0123456789"], float)
        for name in ("walk.bvh", "layer.bvh", "out/walk.bvh")
    ]
    off = (rows[0] + rows[1] - rows[2] + 180) % 360 - 180
    assert np.abs(off).max() < 1e-5
    assert np.abs(rows[1]).max() > 0.1
    Path("layer.bvh").write_text("mine")
    assert "exists with other content" in says(line, code=2)
    assert Path("layer.bvh").read_text() == "mine"


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("--contacts-out x.bvh --delta x.bvh", "contacts-out and delta name the same file"),
        ("--contacts-out link/x.bvh --delta x.bvh", "contacts-out and delta name the same file"),
        ("--contacts-out walk.bvh", "contacts-out would overwrite an input"),
        ("--delta profile.json --profile profile.json", "delta would overwrite an input"),
        ("--delta out/report.json", "delta names another output of this command"),
        ("--contacts-out out/walk.bvh", "contacts-out names another output of this command"),
        ("--contacts-out out/.records/walk.bvh.json", "contacts-out names another output of this command"),
        ("--contacts-out dangling.json", "dangling.json: is not a regular file"),
        ("--delta out", "out: is not a regular file"),
    ],
)
def test_lost_outputs_raise_first(folder: Path, says: Says, outputs: str, message: str) -> None:
    Path("link").symlink_to(folder)
    Path("dangling.json").symlink_to("nowhere")
    Path("profile.json").write_text('{"rigs": {}}')
    Path("out").mkdir()
    assert message in says("correct walk.bvh --kinematic -o out", *outputs.split(), code=2)
    assert not list(Path("out").iterdir()), "nothing began"


def test_share_scales_angle() -> None:
    before = made_motion("run", frames=5)
    after = made_motion("turn", frames=5)
    blended = blend_motions(before, after, np.full((5, len(before.skeleton)), 0.3))
    whole_rad = turn_angles(before.rotations, after.rotations)
    assert np.allclose(turn_angles(before.rotations, blended.rotations), 0.3 * whole_rad)
    assert np.allclose(blended.root_m, 0.7 * before.root_m + 0.3 * after.root_m)


@given(st.dictionaries(st.integers(0, 40), st.floats(0, 1), min_size=1))
def test_shares_interpolate_keyframes(keyframes: dict[int, float]) -> None:
    shares = interpolate_keyframes([*keyframes.items()], 41)
    assert np.allclose(shares[list(keyframes)], list(keyframes.values()))
    assert min(keyframes.values()) - 1e-9 <= shares.min() <= shares.max() <= max(keyframes.values()) + 1e-9
    assert np.allclose(shares[: min(keyframes)], keyframes[min(keyframes)])
    assert np.allclose(shares[max(keyframes) :], keyframes[max(keyframes)])
