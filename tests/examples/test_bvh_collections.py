"""Collections of BVH files, on skeletons with the published joints in rest poses as odd as the published ones."""

from pathlib import Path

import numpy as np
import pytest
from action_datasets.bvh_collections import BANDAI_NAMCO, LAFAN1, MIXAMO
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.dataset import Dataset, MissingData, read_all
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, Skeleton

JOINTS = {
    "lafan1": (
        "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
        "LeftToe", "RightToe", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm", "LeftForeArm",
        "RightForeArm", "LeftHand", "RightHand",
    ),
    "bandai-namco": (
        "Hips", "UpperLeg_L", "UpperLeg_R", "Spine", "LowerLeg_L", "LowerLeg_R", "", "Foot_L", "Foot_R", "Chest",
        "Toes_L", "Toes_R", "Neck", "Shoulder_L", "Shoulder_R", "Head", "UpperArm_L", "UpperArm_R", "LowerArm_L",
        "LowerArm_R", "Hand_L", "Hand_R",
    ),
}  # fmt: skip
JOINTS["mixamo"] = tuple("mixamorig:" + name.replace("Toe", "ToeBase") for name in JOINTS["lafan1"])
CASES = [
    (LAFAN1, "jumpAndRun2_subject3.bvh", "jump and run", "jump and run"),
    (BANDAI_NAMCO, "dataset-2_raise-up-both-hands_old_001.bvh", "raise up both hands", "raise up both hands, old"),
    (BANDAI_NAMCO, "dataset-1_walk_normal_004.bvh", "walk", "walk"),
    (MIXAMO, "Hip_Hop-Dancing.bvh", "hip hop dancing", "hip hop dancing"),
]


def write(path: Path, names: tuple[str, ...]) -> Motion:
    """A motion of a person on joints of these names, whose rest pose turns every joint at random; "" leaves one out."""
    random = np.random.default_rng(5)
    named_joints = [joint for joint, name in enumerate(names) if name]
    parents = dict(enumerate(SMPL_BODY.parents))
    for joint in [joint for joint, name in enumerate(names) if not name]:
        parents = {child: parents[joint] if parent == joint else parent for child, parent in parents.items()}
    average = SMPL_BODY.average()
    person = Motion(
        average,
        random.normal(0, 0.1, (20, 3)) + np.array([0, 0.9, 0]),
        Rotation.from_rotvec(random.normal(0, 0.2, (20, 22, 3))).as_quat(),
        30.0,
    )
    person.rotations[:, [joint for joint, name in enumerate(names) if not name], :] = [0, 0, 0, 1]
    rest_m = joint_positions(Motion(average, np.zeros((1, 3)), np.tile([0.0, 0, 0, 1], (1, 22, 1)), 1.0))[0]
    offsets_m = np.array([rest_m[joint] - (rest_m[parents[joint]] if joint else 0) for joint in named_joints])
    local = person.rotations[:, named_joints]
    skeleton = Skeleton(
        tuple(names[joint] for joint in named_joints),
        tuple(named_joints.index(parents[joint]) if joint else -1 for joint in named_joints),
        offsets_m,
        ("",) * len(named_joints),
    )
    turned = twist_frames(Motion(skeleton, person.root_m, local, 30.0), random)
    write_bvh(path, clip_of(turned))
    return person


def twist_frames(motion: Motion, random: np.random.Generator) -> Motion:
    """The same motion, its joints' frames turned at random, as in files whose zero pose is no T-pose."""
    count = len(motion.skeleton)
    frames = Rotation.random(count, rng=random)
    parents = list(motion.skeleton.parents)
    above = Rotation.concatenate([Rotation.identity() if parent < 0 else frames[parent] for parent in parents])
    offsets_m = above.inv().apply(motion.skeleton.offsets_m)
    local = np.stack(
        [
            (above[joint].inv() * Rotation.from_quat(motion.rotations[:, joint]) * frames[joint]).as_quat()
            for joint in range(count)
        ],
        axis=1,
    )
    skeleton = Skeleton(motion.skeleton.names, motion.skeleton.parents, offsets_m, motion.skeleton.parts)
    return Motion(skeleton, motion.root_m, local, motion.fps)


@pytest.mark.parametrize(("dataset", "name", "label", "text"), CASES, ids=lambda case: getattr(case, "name", case))
def test_files_become_labelled_motions_of_smpls_joints(
    tmp_path: Path, dataset: Dataset, name: str, label: str, text: str
) -> None:
    person = write(tmp_path / name, JOINTS[dataset.name])
    assert dataset.recognises(tmp_path)
    (motion,) = read_all(dataset.clips(tmp_path))
    assert (motion.label, motion.text, motion.fps) == (label, text, 30.0)
    assert motion.skeleton.names == SMPL_22
    # The spine's middle joint, which Bandai Namco's skeleton lacks, need not be where the person's is.
    others = [joint for joint, part in enumerate(SMPL_22) if part != "spine2" or dataset is not BANDAI_NAMCO]
    np.testing.assert_allclose(joint_positions(motion)[:, others], joint_positions(person)[:, others], atol=5e-3)
    assert motion.skeleton.offsets_m[12, 1] > 0.1  # upright at rest, unlike the file
    np.testing.assert_allclose(
        body_joints(read_bvh(tmp_path / name).motion)[:, others], joint_positions(person)[:, others], atol=1e-4
    )


@pytest.mark.parametrize("dataset", [LAFAN1, BANDAI_NAMCO, MIXAMO], ids=lambda dataset: dataset.name)
def test_an_empty_folder_says_where_the_files_are_to_be_had(tmp_path: Path, dataset: Dataset) -> None:
    assert not dataset.recognises(tmp_path)
    with pytest.raises(MissingData, match=r"no files .*\.bvh here\. To be had: "):
        dataset.clips(tmp_path)
