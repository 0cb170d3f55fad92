"""ASF/AMC joints follow directions, axes and angles."""

import re
from pathlib import Path

import numpy as np
import pytest
from acclaim_files import write_acclaim
from posed_motions import walking

import selfcorrect as sc
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.formats import is_motion_file
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.motion import Motion

WALK = walking()
PLACED = [name for name in WALK.skeleton.names if not name.startswith("spine")]
"""Joints that names of CMU's bones tell; its bones of the spine are called after the joints where they begin."""

ASF = """# by hand
:units
  length 2.54
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     name thigh
     direction 0.34202 -0.939693 0
     length 100
     axis 0 0 20 XYZ
    dof rx rz
    limits (-160.0 20.0)
           (-70.0 70.0)
  end
  begin
     name shin
     direction 2 0 0
     length 50
     axis 0 90 0 XYZ
    dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
AMC = ":FULLY-SPECIFIED\n:DEGREES\n" + "".join(
    f"{frame}\nroot 10 20 30 0 {turn} 0\nthigh {bend} {spread}\nshin {twist}\n"
    for frame, (turn, bend, spread, twist) in enumerate([(0, 0, 0, 0), (90, 0, 0, 0), (0, 90, 90, 0), (0, 0, 0, 90)], 1)
)


def places_m(motion: Motion) -> np.ndarray:
    joints = [motion.skeleton.parts.index(part) for part in PLACED]
    return sc.joint_positions(motion)[:, joints]


@pytest.mark.parametrize(
    ("orders", "unit", "root", "length"),
    [(("rx ry rz",), "deg", "TX TY TZ RX RY RZ", 0.45), (("rz rx ry", "ry rz rx"), "rad", "RZ RX RY TZ TX TY", 1.0)],
)
def test_joints_match_motion(tmp_path: Path, orders: tuple[str, ...], unit: str, root: str, length: float) -> None:
    path = tmp_path / "07_01.amc"
    write_acclaim(path, WALK, orders=orders, unit=unit, root=root, length=length)
    file = open_motion(path)
    expected_m = places_m(WALK)
    np.testing.assert_allclose(places_m(file.motion), expected_m, atol=1e-6)
    assert file.motion.fps == 120
    assert "120 fps assumed, the usual rate of CMU's recordings (--fps)" in file.notes
    file.write(tmp_path / "out.bvh", file.motion)
    written = open_motion(tmp_path / "out.bvh").motion
    np.testing.assert_allclose(places_m(written), expected_m, atol=2e-5)
    assert sorted(written.skeleton.names) == sorted(file.motion.skeleton.names)


def test_places_by_hand(tmp_path: Path) -> None:
    """A thigh and a shin are posed by hand.

    The thigh is 1 m long with CMU's axes, which turn −y into its direction; the shin of 0.5 m is along x.
    """
    (tmp_path / "a.asf").write_text(ASF)
    (tmp_path / "a.amc").write_text(AMC)
    file = open_motion(tmp_path / "a.amc", sc.Reading(metres_per_unit=0.01, up="y!"), any_body=True)
    file.write(tmp_path / "out.bvh", file.motion)
    motion = open_motion(tmp_path / "out.bvh", sc.Reading(metres_per_unit=0.01, up="y!"), any_body=True).motion
    positions_m = sc.joint_positions(motion) - np.array([0.1, 0.2, 0.3])
    cosine = np.cos(np.radians(20))
    sine = np.sin(np.radians(20))
    knee = motion.skeleton.names.index("shin")
    end = motion.skeleton.names.index("shin_end")
    # In the third frame the thigh turns by 90° about its x axis, from its direction to −z, and then by 90° about its
    # z axis, which leaves it there; the shin, along (cos 20°, −sin 20°, 0) in these axes, follows both turns.
    # In the fourth frame the shin turns about its own x axis, which its axes turn to −z.
    expected_m = [[sine, -cosine, 0], [0, -cosine, -sine], [0, 0, -1], [sine, -cosine, 0]]
    np.testing.assert_allclose(positions_m[:, knee], expected_m, atol=1e-5)
    axes = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    about_z = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    shin_m = axes @ about_z @ about_x @ axes.T @ [0.5, 0, 0]
    shins_m = [[0.5, 0, 0], [0, 0, -0.5], shin_m, [0, -0.5, 0]]
    np.testing.assert_allclose(positions_m[:, end] - positions_m[:, knee], shins_m, atol=1e-5)


def test_skeleton_is_found_beside_motion(tmp_path: Path) -> None:
    path = tmp_path / "07_01.amc"
    write_acclaim(path, WALK)
    skeleton = path.with_suffix(".asf")
    for name in ("07.ASF", "anyone.asf"):
        skeleton = skeleton.rename(tmp_path / name)
        assert f"skeleton of {name}" in open_motion(path).notes
    (tmp_path / "08.asf").write_text("nothing")
    with pytest.raises(InputError, match=r"07_01\.amc:.*other\.asf.*08\.asf"):
        open_motion(path)
    skeleton.rename(tmp_path / "other.asf")
    assert "skeleton of other.asf" in open_motion(path).notes
    for file in tmp_path.glob("*.asf"):
        file.unlink()
    with pytest.raises(InputError, match=r"other\.asf"):
        open_motion(path)
    assert is_motion_file(path)


def test_rate_from_file_or_option(tmp_path: Path) -> None:
    path = tmp_path / "a.amc"
    write_acclaim(path, WALK)
    assert open_motion(path, sc.Reading(fps=60.0)).motion.fps == 60
    path.write_text(path.read_text().replace(":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 30"))
    assert open_motion(path).motion.fps == 30


def test_implausible_unit_is_inferred(tmp_path: Path) -> None:
    path = tmp_path / "a.amc"
    write_acclaim(path, WALK, length=2.54)
    skeleton = path.with_suffix(".asf")
    skeleton.write_text(skeleton.read_text().replace("length 2.54", "length 1.0"))
    file = open_motion(path)
    np.testing.assert_allclose(places_m(file.motion), places_m(WALK), atol=1e-6)


def test_truncated_frame_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.amc"
    write_acclaim(path, WALK)
    for cut in (4, 30):
        text = path.read_text()
        path.write_text(text[:-cut])
        file = open_motion(path)
        assert len(file.motion) == len(WALK) - 1
        assert any(note.startswith("damaged file: the last frame") for note in file.notes)
        path.write_text(text)


@pytest.mark.parametrize(
    ("suffix", "old", "new", "complaint"),
    [
        (".amc", r"\nltibia ", "\nltail ", "expected bones of its skeleton and their numbers in frame 1, got 'ltail'"),
        (".amc", r"\n3\nroot (\S+)", "\n3\nroot nan", "expected finite numbers for root in frame 3"),
        (".amc", r"\n3\nroot (\S+)", "\n3\nroot", "expected root .* frame 4 .* first frame|expected lfemur"),
        (".amc", r"(?s).*", "nothing", "expected frames"),
        (".asf", r"dof rx ry rz", "dof rx ry l", "changes its length; expected rigid bones"),
        (".asf", r"position 0 0 0", "position 1 0 0", "expected 0 0 0 as the root's position"),
        (".asf", r"lhipjoint lfemur", "lhipjoint lhipjoint", "a bone without a parent|below"),
        (".asf", r"length 0\.45", "length 0", "expected a length above 0"),
        (".asf", r"direction \S+", "direction x", r"line \d+: expected 3 finite numbers after direction"),
    ],
)
def test_damage_is_named(tmp_path: Path, suffix: str, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "a.amc"
    write_acclaim(path, WALK)
    damaged = path.with_suffix(suffix)
    damaged.write_text(re.sub(old, new, damaged.read_text(), count=1))
    with pytest.raises(InputError, match=complaint):
        open_motion(path)
