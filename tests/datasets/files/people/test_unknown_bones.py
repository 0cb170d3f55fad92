"""Unknown bones keep the world's floor at zero.

The files have a person's shape and no bone lengths; feet seem to be anywhere.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people.amass import put_on_average_body
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, SMPL_H, to_smpl
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.rotations import quaternions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.views import Z_UP, TurnedWorld, to_y_up
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.world import MotionOnFloor, perceive_world


def resize(motion: Motion, ratio: float) -> Motion:
    """Resize a person, with the feet on the floor."""
    skeleton = replace(motion.skeleton, offsets_m=ratio * motion.skeleton.offsets_m)
    resized = replace(motion, skeleton=skeleton, root_m=ratio * motion.root_m)
    return raise_motion(resized, -observe(resized).floor_m)


def write(path: Path, person: Motion, betas: float) -> Path:
    """Write a motion as a body model with this shape, keeping the root."""
    in_file = to_y_up(Z_UP).restore(person)
    poses = Rotation.from_quat(in_file.rotations).as_rotvec().reshape(len(person), -1)
    trans = in_file.root_m - AVERAGE_PELVIS_M
    np.savez(path, poses=poses, trans=trans, mocap_framerate=person.fps, betas=np.full(16, betas))
    return path


def correct(path: Path, reading: Reading | None = None) -> Motion:
    correction = KinematicCorrector()([open_motion(path, reading).motion])[0]
    assert correction.accepted, correction.reason
    return correction.motion


@pytest.fixture(scope="module")
def walker(walk: Motion) -> Motion:
    """Return a walk of the average body, without hints of its original rig."""
    with pytest.warns(UserWarning, match="no bone lengths"):
        return resize(put_on_average_body(to_smpl(walk, SMPL_H), SMPL_H), 1.0)


@pytest.mark.parametrize("ratio", [0.93, 1.08])
def test_feet_stay_on_floor(walker: Motion, tmp_path: Path, ratio: float) -> None:
    person = resize(walker, ratio)
    shake_m = 0.01 * np.random.default_rng(0).standard_normal(person.root_m.shape)  # something to correct
    person = replace(person, root_m=person.root_m + shake_m)
    file = write(tmp_path / "shaped.npz", person, betas=0.5)
    given = open_motion(file).motion
    off_m = abs(observe(given).floor_m)
    assert off_m > 0.04  # the average body hangs in the air, or stands in the floor
    corrected = correct(file)
    on_own_bones = replace(corrected, skeleton=person.skeleton)
    assert abs(observe(on_own_bones).floor_m) < off_m / 2
    assert not np.array_equal(corrected.rotations, given.rotations)
    # Without a shape, the average body is the person, and its feet come to the floor.
    on_average_body = correct(write(tmp_path / "average.npz", person, betas=0.0))
    assert abs(observe(on_average_body).floor_m) < off_m / 2


def test_unexplained_heights_are_corrected(walker: Motion, tmp_path: Path) -> None:
    corrected = correct(write(tmp_path / "high.npz", raise_motion(walker, 0.3), betas=0.5))
    assert abs(observe(corrected).floor_m) < 0.05


def test_stated_floor_is_used(walker: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A floor that the user states overrides unknown bones.

    Without it, unknown bones explain feet in the floor.
    """
    file = write(tmp_path / "deep.npz", raise_motion(walker, -0.113), betas=0.5)
    assert not check(open_motion(file).motion, ["F4"])
    average = write(tmp_path / "average.npz", raise_motion(walker, -0.113), betas=0.0)
    assert check(open_motion(average).motion, ["F4"]), "a shape of zeros is the average body, whose bones are known"
    (finding,) = check(open_motion(file, Reading(floor=0.0)).motion, ["F4"])
    assert finding.value == pytest.approx(0.113, abs=0.02)
    assert main(["check", str(file), "--select", "F4"]) == 0
    assert main(["check", str(file), "--select", "F4", "--floor", "0"]) == 1
    assert main(["check", str(file), "--select", "F4", "--floor", "-0.113"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_floor_view_changes_nothing(walker: Motion, tilt_deg: float) -> None:
    turned = TurnedWorld(quaternions(np.array([0.0, 0.0, np.radians(tilt_deg)]))).view(walker)
    given = replace(raise_motion(turned, 0.06), height_error_m=0.12, keeps_height=True)
    view = MotionOnFloor(given, perceive_world(given, CleanupSettings(keep_level=True)).world)
    assert abs(observe(view.motion).floor_m) < 1e-6
    restored = view.restore(CorrectedMotion(view.motion)).motion
    np.testing.assert_allclose(restored.root_m, given.root_m, atol=1e-9)
