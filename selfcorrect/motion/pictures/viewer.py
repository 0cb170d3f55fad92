"""Motions side by side in the browser."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.errors import MissingExtraError, SettingError
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.bones import OCTAHEDRON, TRIANGLES, bones_of
from selfcorrect.motion.pictures.drawing import LEFT, MIDDLE, RIGHT
from selfcorrect.motion.skeleton import Skeleton

CONTACT = (44, 160, 44)
"""Colour of a foot that stands."""


@dataclass(frozen=True, eq=False)
class Track:
    """What is to be drawn of a motion: B bones over T frames."""

    positions_m: np.ndarray
    """(T, B, 3) where each bone starts, world."""
    turns: np.ndarray
    """(T, B, 4) unit quaternions wxyz."""
    scales: np.ndarray
    """(B, 3) of the octahedron, metres."""
    colours: np.ndarray
    """(T, B, 3) uint8, feet that stand in `CONTACT`."""


def track(motion: Motion, shift_m: float = 0.0) -> Track:
    """The bones of a motion, moved by `shift_m` along +x."""
    bones = bones_of(motion.skeleton)
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    turns = Rotation.from_quat(orientations[:, bones.starts]) * Rotation.from_quat(bones.turns.as_quat()[None])
    starts_m = positions_m[:, bones.starts] + np.array([shift_m, 0.0, 0.0])
    return Track(starts_m, turns.as_quat(scalar_first=True), bones.scales, _colours(motion, bones.ends))


def _colours(motion: Motion, ends: np.ndarray) -> np.ndarray:
    """(T, B, 3) colour of the bone that ends in each joint: its side's, or `CONTACT`."""
    parts = [motion.skeleton.parts[end] for end in ends]
    sides = [LEFT if part.startswith("left") else RIGHT if part.startswith("right") else MIDDLE for part in parts]
    feet = np.array([_foot(motion.skeleton, int(end)) for end in ends])
    stands = np.zeros((len(motion), len(ends)), dtype=bool)
    if np.any(feet >= 0):
        stands = foot_contacts(motion)[:, feet] & (feet >= 0)
    return np.where(stands[..., None], CONTACT, np.array(sides)).astype(np.uint8)


def _foot(skeleton: Skeleton, end: int) -> int:
    """0 or 1 for a bone of the left or right foot, which is the shank where the foot has no bone; −1 for others."""
    for foot, side in enumerate(("left", "right")):
        ankle = skeleton.joint(f"{side}_ankle")
        if ankle is not None and (skeleton.parents[end] == ankle or (end == ankle and not skeleton.children[ankle])):
            return foot
    return -1


class Viewer:
    """A viser server with a figure per motion, a slider for the frame, and play and pause.

    Motions are shown at the first one's frame rate; a shorter one holds its last pose. With `meshes`, the vertices
    (T, V, 3) and triangles of each motion's body, these are shown in place of bones.
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
        self.server = viser.ViserServer(host=host, port=port, verbose=False)
        self.server.scene.set_up_direction("+y")
        self.server.scene.add_grid("/floor", 20.0, 20.0, plane="xz", cell_size=0.5)
        self.server.scene.configure_environment_map(environment_intensity=0.3)
        middle_m = np.array([spread_m * (len(motions) - 1) / 2, 0.9, 0.0])
        self.server.initial_camera.look_at = middle_m
        self.server.initial_camera.position = middle_m + np.array([0.6, 0.5, 1.6 + 0.6 * spread_m * len(motions)])
        self.figures: list[Callable[[int], None]] = []
        for index, (motion, title) in enumerate(zip(motions, titles, strict=True)):
            shift_m = spread_m * index
            self._add_title(f"/title{index}", title, motion.root_m[0] + np.array([shift_m, 1.0, 0.0]))
            if meshes:
                self._add_mesh(f"/body{index}", *meshes[index], shift_m)
            else:
                self._add_bones(f"/bones{index}", track(motion, shift_m))
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

    def _add_bones(self, name: str, bones: Track) -> None:
        handle = self.server.scene.add_batched_meshes_simple(
            name,
            OCTAHEDRON.astype(np.float32),
            TRIANGLES.astype(np.uint32),
            batched_wxyzs=bones.turns[0],
            batched_positions=bones.positions_m[0],
            batched_scales=bones.scales,
            batched_colors=bones.colours[0],
            flat_shading=True,
            lod="off",
        )
        self.figures.append(partial(_pose_bones, handle, bones))

    def _add_mesh(self, name: str, vertices_m: np.ndarray, triangles: np.ndarray, shift_m: float) -> None:
        place = (shift_m, 0.0, 0.0)
        handle = self.server.scene.add_mesh_simple(name, vertices_m[0], triangles.astype(np.uint32), position=place)
        self.figures.append(partial(_pose_mesh, handle, vertices_m))


def _pose_bones(handle: Any, bones: Track, frame: int) -> None:
    frame = min(frame, len(bones.positions_m) - 1)
    handle.batched_positions = bones.positions_m[frame].astype(np.float32)
    handle.batched_wxyzs = bones.turns[frame].astype(np.float32)
    handle.batched_colors = bones.colours[frame]


def _pose_mesh(handle: Any, vertices_m: np.ndarray, frame: int) -> None:
    handle.vertices = vertices_m[min(frame, len(vertices_m) - 1)]


def _check_host(host: str) -> None:
    """SettingError where this machine has no such address: the server's thread would fail, and its caller wait."""
    try:
        with socket.create_server((host, 0)):
            pass
    except (OSError, UnicodeError) as error:
        raise SettingError(f"the viewer cannot listen at host {host!r}: {error}") from error


def _viser() -> Any:
    try:
        import viser
    except ImportError as error:
        raise MissingExtraError("the viewer (pictures and films, --out, do not)", "viewer", error) from error
    return viser
