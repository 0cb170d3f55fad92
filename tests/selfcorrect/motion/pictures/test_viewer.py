"""The viewer without a screen: what the scene holds, frame by frame."""

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from helpers import lifting_off
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import MissingExtraError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.figure import PLANTED, SUNK, posed
from selfcorrect.motion.pictures.viewer import AROUND, Viewer, _ball, _rod, solids


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


def test_rods_reach_from_ball_to_ball(motion: Motion) -> None:
    balls, rods = solids(motion, shift_m=3.0)
    tips_m = Rotation.from_quat(rods.turns.reshape(-1, 4), scalar_first=True).apply([0.0, 1.0, 0.0])
    tips_m = rods.positions_m + tips_m.reshape(rods.positions_m.shape) * rods.scales[..., 1:2]
    np.testing.assert_allclose(rods.positions_m, balls.positions_m[:, ::2], atol=1e-9)
    np.testing.assert_allclose(tips_m, balls.positions_m[:, 1::2], atol=1e-9)
    figure, points_m = posed(motion)
    np.testing.assert_allclose(rods.positions_m, points_m[:, figure.bones[:, 0]] + [3.0, 0, 0], atol=1e-9)


@pytest.mark.parametrize("shape", [_ball(), _rod()])
def test_shapes_face_outward(shape: tuple[np.ndarray, np.ndarray]) -> None:
    corners, triangles = shape
    first, second, third = np.moveaxis(corners[triangles], 1, 0)
    normals = np.cross(second - first, third - first)
    outward = (first + second + third) / 3 - corners.mean(axis=0)
    assert ((normals * outward * (1, len(corners) > 2 * AROUND, 1)).sum(-1) >= -1e-9).all()


def test_feet_that_stand_and_what_is_sunk_are_coloured(motion: Motion) -> None:
    standing = foot_contacts(motion)
    assert standing[5].all()
    assert not standing[38].any()
    _, rods = solids(motion)
    feet = posed(motion)[0].feet
    green = np.all(rods.colours == PLANTED, axis=-1)
    np.testing.assert_array_equal(green[5], feet >= 0)
    assert not green[38].any()
    balls, _ = solids(replace(motion, root_m=motion.root_m - [0.0, 0.1, 0.0]))
    assert np.all(balls.colours == SUNK, axis=-1)[5].sum() > 4


def test_a_skeleton_without_feet_is_shown(motion: Motion) -> None:
    skeleton = SMPL_BODY.average()
    blank = type(skeleton)(skeleton.names, skeleton.parents, skeleton.offsets_m, ("",) * 22)
    _, rods = solids(Motion(blank, motion.root_m, motion.rotations, 30.0))
    assert len(np.unique(rods.colours)) == 3  # one grey


def test_the_scene_follows_the_slider(viewer: Viewer, motion: Motion) -> None:
    balls = [handle for handle in scene_handles(viewer) if hasattr(handle, "batched_positions")][::2]
    assert len(balls) == 2
    viewer.slider.value = 35
    figure, points_m = posed(motion)
    places = figure.bones.ravel()
    np.testing.assert_allclose(balls[0].batched_positions, points_m[35, places], atol=1e-5)
    np.testing.assert_allclose(balls[1].batched_positions, points_m[19, places] + [2.0, 0, 0], atol=1e-5)


def scene_handles(viewer: Viewer) -> list:
    return [figure.args[0] for figure in viewer.figures]  # type: ignore[attr-defined]


def test_it_plays_and_pauses(viewer: Viewer) -> None:
    before = viewer.slider.value
    while viewer.slider.value == before:
        viewer.run(seconds=0.1)
    viewer.playing.value = False
    reached = viewer.slider.value
    viewer.run(seconds=0.1)
    assert viewer.slider.value == reached


def test_a_browser_gets_the_page(viewer: Viewer) -> None:
    with urllib.request.urlopen(f"http://localhost:{viewer.server.get_port()}", timeout=100) as page:
        assert page.status == 200
        assert b"<html" in page.read().lower()


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "http://127.0.0.1", 101),
        ("127.0.0.1", "http://evil.example", 403),
        ("evil.example", "http://evil.example", 403),
    ],
)
def test_a_page_of_another_site_gets_nothing(viewer: Viewer, host: str, origin: str, status: int) -> None:
    port = viewer.server.get_port()
    request = (
        f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {origin}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=100) as connection:
        connection.sendall(request.encode())
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_name_that_leads_here_gets_no_page(viewer: Viewer) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{viewer.server.get_port()}", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=100)


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
