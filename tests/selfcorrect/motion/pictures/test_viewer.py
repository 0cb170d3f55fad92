"""The viewer without a screen: what the scene holds, frame by frame."""

import socket
import sys
import time
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import lifting_off
from scipy.spatial.transform import Rotation

from selfcorrect.errors import MissingExtraError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.bones import OCTAHEDRON
from selfcorrect.motion.pictures.viewer import CONTACT, Viewer, track


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


@pytest.fixture
def motion() -> Motion:
    return lifting_off()


@pytest.fixture
def viewer(motion: Motion) -> Iterator[Viewer]:
    pytest.importorskip("viser", reason="needs the extra `viewer`")
    shown = Viewer([motion, motion.frames(0, 20)], ["before", "after"], spread_m=2.0, port=free_port())
    yield shown
    shown.server.stop()


def test_bones_reach_from_joint_to_joint(motion: Motion) -> None:
    bones = track(motion, shift_m=3.0)
    joints_m = joint_positions(motion) + np.array([3.0, 0, 0])
    tips_m = Rotation.from_quat(bones.turns, scalar_first=True).apply(OCTAHEDRON[-1] * bones.scales) + bones.positions_m
    np.testing.assert_allclose(bones.positions_m, joints_m[:, motion.skeleton.parents[1:]], atol=1e-9)
    np.testing.assert_allclose(tips_m, joints_m[:, 1:], atol=1e-9)


def test_feet_that_stand_are_coloured(motion: Motion) -> None:
    standing = foot_contacts(motion)
    assert standing[5].all()
    assert not standing[38].any()
    coloured = np.all(track(motion).colours == CONTACT, axis=-1)
    assert [joint + 1 for joint in np.flatnonzero(coloured[5])] == [10, 11]  # the bones that end in the toes
    assert not coloured[38].any()


def test_a_skeleton_without_feet_is_shown(motion: Motion) -> None:
    skeleton = SMPL_BODY.average()
    blank = type(skeleton)(skeleton.names, skeleton.parents, skeleton.offsets_m, ("",) * 22)
    assert len(np.unique(track(Motion(blank, motion.root_m, motion.rotations, 30.0)).colours)) == 3  # one grey


def test_the_scene_follows_the_slider(viewer: Viewer, motion: Motion) -> None:
    bones = [handle for handle in scene_handles(viewer) if hasattr(handle, "batched_positions")]
    assert len(bones) == 2
    viewer.slider.value = 35
    joints_m = joint_positions(motion)
    parents = list(motion.skeleton.parents[1:])
    np.testing.assert_allclose(bones[0].batched_positions, joints_m[35, parents], atol=1e-5)
    np.testing.assert_allclose(bones[1].batched_positions, joints_m[19, parents] + [2.0, 0, 0], atol=1e-5)


def scene_handles(viewer: Viewer) -> list:
    return [figure.args[0] for figure in viewer.figures]  # type: ignore[attr-defined]


def test_it_plays_and_pauses(viewer: Viewer) -> None:
    viewer.run(seconds=0.3)
    reached = int(viewer.slider.value)
    assert reached > 0
    viewer.playing.value = False
    viewer.run(seconds=0.1)
    assert int(viewer.slider.value) == reached


def test_a_browser_gets_the_page(viewer: Viewer) -> None:
    time.sleep(0.2)
    with urllib.request.urlopen(f"http://localhost:{viewer.server.get_port()}", timeout=100) as page:
        assert page.status == 200
        assert b"<html" in page.read().lower()


def test_only_this_machine_sees_the_viewer(viewer: Viewer) -> None:
    port = viewer.server.get_port()
    with socket.create_connection(("127.0.0.1", port), timeout=100):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=100)


def test_an_address_of_another_machine_is_refused(motion: Motion) -> None:
    pytest.importorskip("viser", reason="needs the extra `viewer`")
    with pytest.raises(ValueError, match=r"cannot listen at host '192\.0\.2\.1'"):
        Viewer([motion], ["alone"], host="192.0.2.1")


def test_a_mesh_is_shown_in_place_of_bones(motion: Motion) -> None:
    pytest.importorskip("viser", reason="needs the extra `viewer`")
    mesh = (np.arange(40 * 4 * 3, dtype=np.float32).reshape(40, 4, 3), np.array([[0, 1, 2], [1, 2, 3]]))
    viewer = Viewer([motion], ["body"], port=free_port(), meshes=[mesh])
    viewer.show(7)
    np.testing.assert_array_equal(scene_handles(viewer)[0].vertices, mesh[0][7])
    viewer.server.stop()


def test_without_the_extra_the_error_names_it(motion: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingExtraError, match=r"--out.* the extra `viewer`.*pip install 'selfcorrect\[viewer\]'"):
        Viewer([motion], ["alone"])
