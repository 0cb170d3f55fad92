"""SMPL parameters as JSON are read and written, by name or as a list of frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_rigs import base_walk
from program_files import Z_UP, parameters
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.motion.body.smpl import average_body, body_joints
from selfcorrect.motion.editing.transforms import turn

FPS = sc.Reading(fps=30.0)


def poses_and_places() -> tuple[np.ndarray, np.ndarray]:
    """Return rotation vectors (T, 72) and translations (T, 3).

    A person walks in a z-up world.
    """
    vectors, trans = parameters(base_walk(1), 24, Z_UP)
    return vectors.reshape(len(vectors), 72), trans


def make_frames() -> list[dict[str, Any]]:
    poses, trans = poses_and_places()
    frames = []
    for number, (pose, place) in enumerate(zip(poses.tolist(), trans.tolist(), strict=True)):
        frame = {"frame": number, "global_orient": pose[:3], "body_pose": pose[3:], "transl": place, "name": "walker"}
        frames.append(frame)
    return frames


def make_layouts() -> dict[str, Any]:
    poses, trans = poses_and_places()
    frames = make_frames()
    return {
        "list of frames": frames,
        "frames by name": {"fps": 30, "frames": frames},
        "frames with people": [{"people": [frame, frame]} for frame in frames],
        "arrays by name": {"poses": poses.tolist(), "trans": trans.tolist(), "mocap_frame_rate": 30.0},
    }


@pytest.mark.parametrize("layout", make_layouts())
def test_json_parameters_round_trip(tmp_path: Path, layout: str) -> None:
    content = make_layouts()[layout]
    (tmp_path / "a.json").write_text(json.dumps(content))
    poses, trans = poses_and_places()
    np.savez(tmp_path / "a.npz", poses=poses, trans=trans, mocap_frame_rate=30.0)
    expected_m = body_joints(open_motion(tmp_path / "a.npz").motion)
    file = open_motion(tmp_path / "a.json", FPS)
    assert len(file.motions) == (2 if layout == "frames with people" else 1)
    for motion in file.motions:
        np.testing.assert_allclose(body_joints(motion), expected_m, atol=1e-9)
        assert motion.fps == 30
    file.write(tmp_path / "same.json", *file.motions)
    assert json.loads((tmp_path / "same.json").read_text()) == content
    for motion in file.motions:
        motion.root_m[:, 1] += 0.25
    file.write(tmp_path / "moved.json", *file.motions)
    moved = open_motion(tmp_path / "moved.json", FPS).motions
    for motion, before in zip(moved, open_motion(tmp_path / "a.json", FPS).motions, strict=True):
        np.testing.assert_allclose(motion.root_m - before.root_m, np.tile([0, 0.25, 0], (len(motion), 1)), atol=1e-9)


def test_other_json_is_no_motion(tmp_path: Path) -> None:
    (tmp_path / "walk.json").write_text(json.dumps(make_frames()))
    (tmp_path / "report.json").write_text(json.dumps({"pose": "standing", "figures": [1, 2]}))
    findings = [{"frame": 4, "place": [0.1, 0.0, 0.0]}, {"frame": 4, "place": [0.2, 0.0, 0.0]}]
    (tmp_path / "findings.json").write_text(json.dumps({"notes": ["the rest pose"], "findings": findings}))
    (tmp_path / "cut.json").write_text(json.dumps(make_frames())[:-9])
    assert motion_files(tmp_path) == [tmp_path / "walk.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[" * 100_000, "nested too deeply"),
        ('{"annots": [{"Rh": [[0, 0, 0]], "poses": [[0, 0, 0]]}]}', "join the files into one list of frames"),
        ('[{"pose": [1, 2], "trans": [[1], [2, 3]]}]', "trans to be an array of numbers"),
        ('{"poses": [[1e999, 0, 0]], "trans": [[0, 0, 0]], "fps": 30}', "a.json"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(sc.InputError, match=message):
        open_motion(tmp_path / "a.json", FPS)


def write_easymocap(folder: Path, *, has_annots: bool = False) -> np.ndarray:
    """Write two people as EasyMocap does, a file per frame; return the joints of one in SMPL's own parameters."""
    poses, trans = poses_and_places()
    pelvis_m = average_body().pelvis_m
    turned_m = Rotation.from_rotvec(poses[:, :3]).apply(pelvis_m)
    for number, (pose, place) in enumerate(zip(poses, trans + pelvis_m - turned_m, strict=True)):
        person = {"Rh": [pose[:3].tolist()], "Th": [place.tolist()], "poses": [[0.0, 0.0, 0.0, *pose[3:].tolist()]]}
        people = [{"id": index, **person, "shapes": [[0.0] * 10]} for index in range(2)]
        folder.joinpath(f"{number:06}.json").write_text(json.dumps({"annots": people} if has_annots else people))
    np.savez(folder / "a.npz", poses=poses, trans=trans, mocap_frame_rate=30.0)
    return body_joints(open_motion(folder / "a.npz").motion)


@pytest.mark.parametrize("has_annots", [False, True])
def test_one_file_per_frame_is_one_motion(tmp_path: Path, has_annots: bool) -> None:
    """The root of EasyMocap's people rotates about the origin of the body."""
    expected_m = write_easymocap(tmp_path, has_annots=has_annots)
    first = tmp_path / "000000.json"
    assert motion_files(tmp_path) == [first, tmp_path / "a.npz"]
    file = open_motion(first, FPS)
    assert len(file.motions) == 2
    for motion in file.motions:
        np.testing.assert_allclose(body_joints(motion), expected_m, atol=1e-9)
    turned = [turn(motion, 0.3) for motion in file.motions]
    file.write(tmp_path / "joined.json", *turned)
    again = open_motion(tmp_path / "joined.json", FPS)
    for motion, written in zip(again.motions, turned, strict=True):
        np.testing.assert_allclose(body_joints(motion), body_joints(written), atol=1e-9)
    assert len(json.loads((tmp_path / "joined.json").read_text())) == len(expected_m)


@pytest.mark.parametrize(
    ("content", "named"), [("[", "000010.json"), ("[]", "000010.json"), (None, "000009.json and 000011.json")]
)
def test_damaged_frame_is_named(tmp_path: Path, content: str | None, named: str) -> None:
    """A frame that is cut off, empty or missing does not shorten the motion."""
    write_easymocap(tmp_path)
    frame = tmp_path / "000010.json"
    if content is None:
        frame.unlink()
    else:
        frame.write_text(content)
    first = tmp_path / "000000.json"
    assert first in motion_files(tmp_path)
    with pytest.raises(sc.InputError, match=named):
        open_motion(first, FPS)


@pytest.mark.parametrize("as_files", [False, True])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_people_are_followed_by_identity(as_files: bool, tmp_path: Path, data: st.DataObject) -> None:
    """People are listed in any order, come, leave and return; each motion is of one person."""
    count, length = 3, 7
    poses, trans = poses_and_places()
    names = data.draw(st.sampled_from([[4, 0, 7], ["b", "a", "c"], [2.0, 1.0, 3.0]]))
    seen = data.draw(st.lists(st.sets(st.integers(0, count - 1), min_size=1), min_size=length, max_size=length))
    frames = []
    for number, people in enumerate(seen):
        rows = []
        for person in data.draw(st.permutations(sorted(people))):
            place = trans[number] + [0, 3.0 * person, 0]
            row = {"id": names[person], "Rh": [poses[number, :3].tolist()], "Th": [place.tolist()]}
            rows.append({**row, "poses": [[0.0, 0.0, 0.0, *poses[number, 3:].tolist()]]})
        frames.append(rows)
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    if as_files:
        for number, rows in enumerate(frames):
            folder.joinpath(f"{number}.json").write_text(json.dumps(rows))
    else:
        folder.joinpath("0.json").write_text(json.dumps(frames))
    file = open_motion(folder / "0.json", sc.Reading(fps=30.0, up="z"))
    expected = []
    for person in range(count):
        frames_of = [number for number in range(length) if person in seen[number]]
        for stretch in np.split(frames_of, np.flatnonzero(np.diff(frames_of) > 1) + 1) if frames_of else ():
            expected.append((person, [*map(int, stretch)]))
    assert len(file.motions) == len(expected)
    for person, stretch in expected:
        assert any(is_at(motion, poses, trans, person, stretch) for motion in file.motions)
    file.write(folder / "written.json", *file.motions)
    again = open_motion(folder / "written.json", sc.Reading(fps=30.0, up="z"))
    assert [len(motion) for motion in again.motions] == [len(motion) for motion in file.motions]
    has_part = any(len(stretch) < length for _, stretch in expected)
    assert any("a motion of its own" in note for note in file.notes) == has_part


def is_at(motion: Any, poses: np.ndarray, trans: np.ndarray, person: int, stretch: list[int]) -> bool:
    """Return whether the root of a motion, y up, is where a person is in these frames."""
    turned_m = Rotation.from_rotvec(poses[stretch, :3]).apply(average_body().pelvis_m)
    x_m, y_m, z_m = (trans[stretch] + [0, 3.0 * person, 0] + turned_m).T
    expected_m = np.stack([x_m, z_m, -y_m], axis=-1)
    return len(motion) == len(stretch) and np.allclose(motion.root_m, expected_m, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "5.json").write_text("[]"), "the same frame"),
        (
            lambda folder: (folder / "000003.json").write_text('[{"id": 0}], [{"id": 1}]'),
            "000003.json: not a JSON file",
        ),
        (lambda folder: link_elsewhere(folder / "000004.json"), "000004.json is a link"),
    ],
)
def test_frames_that_cannot_be_joined_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    (tmp_path / "in").mkdir()
    write_easymocap(tmp_path / "in")
    change(tmp_path / "in")
    with pytest.raises(sc.InputError, match=message):
        open_motion(tmp_path / "in" / "000000.json", FPS)


def link_elsewhere(path: Path) -> None:
    path.rename(path.parents[1] / path.name)
    path.symlink_to(path.parents[1] / path.name)


@pytest.mark.parametrize("identity", [{}, {"id": 3}])
def test_unknown_people_are_refused(tmp_path: Path, identity: dict[str, int]) -> None:
    """The first of two people leaves, and nothing tells who stays; or both have one number."""
    people = [[{**frame, **identity}, {**frame, **identity}] for frame in make_frames()]
    (tmp_path / "a.json").write_text(json.dumps([*people[:9], *([second] for _, second in people[9:])]))
    with pytest.raises(sc.InputError, match="who is who" if not identity else "two people of frame 0"):
        open_motion(tmp_path / "a.json", FPS)


@pytest.mark.parametrize("as_files", [False, True])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(2, 4), order_from=st.integers(1, 7), order=st.permutations(range(4)), apart_m=st.floats(0.5, 5.0)
)
def test_people_without_identity_are_one_frame_or_refused(
    as_files: bool, tmp_path: Path, count: int, order_from: int, order: list[int], apart_m: float
) -> None:
    """People without identity are matched by their order.

    People who are listed in one order are one motion each. If the order changes, they are refused.
    """
    poses, trans = poses_and_places()
    length = 7
    permuted = [person for person in order if person < count]
    frames = []
    for number in range(length):
        rows = []
        for person in range(count) if number < order_from else permuted:
            place = trans[number] + [0, apart_m * person, 0]
            row = {"Rh": [poses[number, :3].tolist()], "Th": [place.tolist()]}
            rows.append({**row, "poses": [[0.0, 0.0, 0.0, *poses[number, 3:].tolist()]]})
        frames.append(rows)
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    for number, content in enumerate(frames) if as_files else [(0, frames)]:
        folder.joinpath(f"{number}.json").write_text(json.dumps(content))
    assert motion_files(folder) == [folder / "0.json"]
    if order_from < length and permuted != sorted(permuted):
        with pytest.raises(sc.InputError, match=rf"frame {order_from}\b.*who is who"):
            open_motion(folder / "0.json", sc.Reading(fps=30.0, up="z"))
        return
    file = open_motion(folder / "0.json", sc.Reading(fps=30.0, up="z"))
    assert [len(motion) for motion in file.motions] == [length] * count


def test_lists_of_rows_stay_motions_of_their_own(tmp_path: Path) -> None:
    """Numbered clips that list the frames of one person without a number are no frames of each other."""
    poses, trans = poses_and_places()
    for clip, start in enumerate((0, 5, 10)):
        rows = [
            {"Rh": [poses[n, :3].tolist()], "Th": [trans[n].tolist()], "poses": [[0.0] * 3 + poses[n, 3:].tolist()]}
            for n in range(start, start + 5)
        ]
        tmp_path.joinpath(f"clip_{clip}.json").write_text(json.dumps(rows))
    paths = [tmp_path / f"clip_{clip}.json" for clip in range(3)]
    assert motion_files(tmp_path) == paths
    assert [len(open_motion(path, FPS).motion) for path in paths] == [5, 5, 5]


def test_gaps_between_frames_are_named(tmp_path: Path) -> None:
    write_easymocap(tmp_path)
    for path in sorted(tmp_path.glob("*.json"), reverse=True):
        path.rename(path.with_name(f"{3 * int(path.stem):06}.json"))
    file = open_motion(tmp_path / "000000.json", FPS)
    assert any("3 times too fast" in note for note in file.notes)
    frames = [{**frame, "frame": 2 * frame["frame"]} for frame in make_frames()]
    (tmp_path / "list.json").write_text(json.dumps(frames))
    assert any("2 times too fast" in note for note in open_motion(tmp_path / "list.json", FPS).notes)
