"""Motions side by side in the browser."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import numpy as np

from ...core.errors import SettingError
from ...core.extras import needed_for
from ..geometry.vectors import lengths
from ..motion import Motion
from .drawing import SUNK_M
from .figure import PLANTED, SUNK, posed, standing
from .origins import is_own

FIELD_OF_VIEW_RAD = 0.8
"""Of the camera, vertically, so that whole bodies fill the page."""


@dataclass(frozen=True, eq=False)
class Solids:
    """B solids of one shape over T frames, as the viewer takes them."""

    positions_m: np.ndarray
    """(T, B, 3) world."""
    turns: np.ndarray
    """(T, B, 4) unit quaternions wxyz."""
    scales: np.ndarray
    """(T, B, 3) of the shape."""
    colours: np.ndarray
    """(T, B, 3) uint8, feet that stand in `PLANTED`, what is below the floor in `SUNK`."""


def solids(motion: Motion, shift_m: float = 0.0) -> tuple[Solids, Solids]:
    """The body of a motion, moved by `shift_m` along +x: balls, and rods from ball to ball."""
    figure, points_m = posed(motion)
    ends_m = points_m[:, figure.bones] + np.array([shift_m, 0.0, 0.0])
    stands = np.pad(standing(motion, figure), ((0, 0), (0, 1)))[:, figure.feet]
    colours = np.where(stands[..., None], PLANTED, np.array(figure.colours).reshape(-1, 3))
    balls_m, radii_m = ends_m.reshape(len(points_m), -1, 3), figure.radii_m.ravel()
    below = (balls_m[..., 1] - radii_m < SUNK_M)[..., None]
    unturned = np.broadcast_to([1.0, 0.0, 0.0, 0.0], (*balls_m.shape[:2], 4))
    sizes_m = np.broadcast_to(radii_m[:, None], balls_m.shape)
    balls = Solids(balls_m, unturned, sizes_m, np.where(below, SUNK, np.repeat(colours, 2, axis=1)).astype(np.uint8))
    along_m = ends_m[:, :, 1] - ends_m[:, :, 0]
    lengths_m, widths_m = lengths(along_m), np.broadcast_to(figure.radii_m.mean(axis=1), along_m.shape[:2])
    rods = np.stack([widths_m, lengths_m, widths_m], axis=-1)
    colours = np.where(below.reshape(*along_m.shape[:2], 2).all(axis=-1, keepdims=True), SUNK, colours)
    return balls, Solids(ends_m[:, :, 0], _turns_to(along_m, lengths_m), rods, colours.astype(np.uint8))


def _turns_to(along_m: np.ndarray, lengths_m: np.ndarray) -> np.ndarray:
    """Shortest turns (..., 4), wxyz, from +y to directions (..., 3) of given lengths; none for those without length."""
    unit = np.divide(along_m, lengths_m[..., None], out=np.zeros_like(along_m), where=lengths_m[..., None] > 0)
    real = 1 + unit[..., 1]
    turns = np.stack([real, unit[..., 2], np.zeros_like(real), -unit[..., 0]], axis=-1)
    turns[real < 1e-9] = [0.0, 1.0, 0.0, 0.0]  # straight down
    return turns / lengths(turns)[..., None]


class Viewer:
    """A viser server with a figure per motion, a slider for the frame, and play and pause.

    Motions are shown at the first one's frame rate; a shorter one holds its last pose. With `meshes`, the vertices
    (T, V, 3) and triangles of each motion's body, these are shown in place of solid bones.
    """

    def __init__(
        self,
        motions: Sequence[Motion],
        titles: Sequence[str],
        *,
        spread_m: float = 1.2,
        port: int = 8080,
        host: str = "127.0.0.1",
        meshes: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    ) -> None:
        self.fps = motions[0].fps
        self.frames = max(len(motion) for motion in motions)
        viser = _viser()
        _check_host(host)
        with _answering_own_pages(host):
            self.server = viser.ViserServer(host=host, port=port, verbose=False)
        self.server.scene.set_up_direction("+y")
        self.server.scene.add_grid("/floor", 20.0, 20.0, plane="xz", cell_size=0.5)
        self.server.scene.configure_environment_map(environment_intensity=0.3)
        middle_m = np.array([spread_m * (len(motions) - 1) / 2, 0.9, 0.0])
        self.server.initial_camera.look_at = middle_m
        self.server.initial_camera.position = middle_m + np.array([0.6, 0.5, 1.6 + 0.6 * spread_m * len(motions)])
        self.server.initial_camera.fov = FIELD_OF_VIEW_RAD
        self.figures: list[Callable[[int], None]] = []
        for index, (motion, title) in enumerate(zip(motions, titles, strict=True)):
            shift_m = spread_m * index
            self._add_title(f"/title{index}", title, motion.root_m[0] + np.array([shift_m, 1.0, 0.0]))
            if meshes:
                self._add_mesh(f"/body{index}", *meshes[index], shift_m)
            else:
                balls, rods = solids(motion, shift_m)
                self._add_solids(f"/balls{index}", *_ball(), balls)
                self._add_solids(f"/rods{index}", *_rod(), rods)
        self.slider = self.server.gui.add_slider("frame", min=0, max=self.frames - 1, step=1, initial_value=0)
        self.playing = self.server.gui.add_checkbox("play", True)
        self.speed = self.server.gui.add_slider("speed", min=0.1, max=2.0, step=0.1, initial_value=1.0)
        self.slider.on_update(lambda _: self.show(int(self.slider.value)))

    def show(self, frame: int) -> None:
        """Pose all figures as in a frame."""
        with self.server.atomic():
            for figure in self.figures:
                figure(frame)

    def run(self, seconds: float = float("inf")) -> None:
        """Play for so long, or until the process is interrupted."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.playing.value:
                self.slider.value = (int(self.slider.value) + 1) % self.frames  # which shows it
            time.sleep(1 / (self.fps * self.speed.value))

    def _add_title(self, name: str, title: str, place_m: np.ndarray) -> None:
        self.server.scene.add_label(name, title, position=place_m, anchor="bottom-center")

    def _add_solids(self, name: str, corners: np.ndarray, triangles: np.ndarray, body: Solids) -> None:
        handle = self.server.scene.add_batched_meshes_simple(
            name,
            corners.astype(np.float32),
            triangles.astype(np.uint32),
            batched_wxyzs=body.turns[0],
            batched_positions=body.positions_m[0],
            batched_scales=body.scales[0],
            batched_colors=body.colours[0],
            lod="off",
        )
        self.figures.append(partial(_pose_solids, handle, body))

    def _add_mesh(self, name: str, vertices_m: np.ndarray, triangles: np.ndarray, shift_m: float) -> None:
        place = (shift_m, 0.0, 0.0)
        handle = self.server.scene.add_mesh_simple(name, vertices_m[0], triangles.astype(np.uint32), position=place)
        self.figures.append(partial(_pose_mesh, handle, vertices_m))


def _pose_solids(handle: Any, body: Solids, frame: int) -> None:
    frame = min(frame, len(body.positions_m) - 1)
    handle.batched_positions = body.positions_m[frame].astype(np.float32)
    handle.batched_wxyzs = body.turns[frame].astype(np.float32)
    handle.batched_scales = body.scales[frame].astype(np.float32)
    handle.batched_colors = body.colours[frame]


AROUND = 16
"""Corners around balls and rods."""


def _ball() -> tuple[np.ndarray, np.ndarray]:
    """Corners and triangles of a ball of radius 1."""
    heights = np.linspace(-np.pi / 2, np.pi / 2, AROUND // 2 + 1)
    return _rings(np.cos(heights), np.sin(heights))


def _rod() -> tuple[np.ndarray, np.ndarray]:
    """Corners and triangles of the side of a cylinder of radius 1 from y = 0 to y = 1."""
    return _rings(np.ones(2), np.array([0.0, 1.0]))


def _rings(radii: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rings around +y, each joined with the next: corners (K, 3), and triangles (L, 3) that face outward."""
    turns = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    corners = [[r * np.cos(turn), y, -r * np.sin(turn)] for r, y in zip(radii, heights, strict=True) for turn in turns]
    low = AROUND * np.arange(len(radii) - 1)[:, None] + np.arange(AROUND)
    right = AROUND * np.arange(len(radii) - 1)[:, None] + (np.arange(AROUND) + 1) % AROUND
    below = np.stack([low, right, low + AROUND], axis=-1)
    above = np.stack([right, right + AROUND, low + AROUND], axis=-1)
    return np.array(corners), np.concatenate([below.reshape(-1, 3), above.reshape(-1, 3)])


def _pose_mesh(handle: Any, vertices_m: np.ndarray, frame: int) -> None:
    handle.vertices = vertices_m[min(frame, len(vertices_m) - 1)]


def _check_host(host: str) -> None:
    """SettingError where this machine has no such address: the server's thread would fail, and its caller wait."""
    try:
        with socket.create_server((host, 0)):
            pass
    except (OSError, UnicodeError) as error:
        raise SettingError(f"the viewer cannot listen at host {host!r}: {error}") from error


@contextmanager
def _answering_own_pages(host: str) -> Iterator[None]:
    """Have the server that is started meanwhile refuse what foreign pages and foreign names ask for.

    viser has no option for that, so its server gets one more check of requests as it starts.
    """
    from websockets.asyncio import server

    started, serve = list[bool](), server.serve

    def guarded(*arguments: Any, process_request: Any, **options: Any) -> Any:
        def answered(connection: Any, request: Any) -> Any:
            headers = request.headers
            if not is_own(headers.get_all("Host"), headers.get_all("Origin"), host):
                return connection.respond(HTTPStatus.FORBIDDEN, "This viewer answers its own pages alone.\n")
            return process_request(connection, request)

        started.append(True)
        return serve(*arguments, process_request=answered, **options)

    server.serve = guarded  # type: ignore[assignment]
    try:
        yield
    finally:
        server.serve = serve
    if not started:
        raise SettingError("this version of viser cannot be kept from answering foreign pages; see constraints.txt")


def _viser() -> Any:
    with needed_for("the viewer (pictures and films, --out, do not)"):
        import viser
    return viser
