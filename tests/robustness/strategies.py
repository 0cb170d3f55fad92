"""Any skeleton and any motion, for tests of readers and writers."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from selfcorrect.datasets.files.skeletons.naming import parts_of
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z"), exclude_characters="{}"), min_size=1, max_size=12
)
"""Names of joints without white space, control characters and braces."""

ANY_NAMES = st.text(min_size=0, max_size=12)
"""Names as other programs may have given them: with blanks, line breaks, braces, or none at all."""


@st.composite
def skeletons(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Skeleton:
    """A tree of up to twelve joints."""
    own = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    parents = (-1, *(draw(st.integers(0, child - 1)) for child in range(1, len(own))))
    numbers = draw(st.lists(st.floats(-1, 1), min_size=3 * len(own), max_size=3 * len(own)))
    offsets_m = np.array(numbers).reshape(-1, 3)
    offsets_m[0] = 0
    return Skeleton(tuple(own), parents, offsets_m, parts_of(own))


@st.composite
def motions(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Motion:
    """A motion of any such skeleton, one to six frames at any usual rate."""
    skeleton, frames = draw(skeletons(names)), draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rotations = random.normal(size=(frames, len(skeleton), 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = random.normal(0, draw(st.sampled_from([0.0, 1.0, 1000.0])), (frames, 3))
    return Motion(skeleton, root_m, rotations, float(draw(st.sampled_from([1, 12.5, 24, 30, 59.94, 120]))))


BEGINNINGS = {
    ".bvh": b"HIERARCHY\nROOT r\n{\n", ".npz": b"PK\x03\x04", ".npy": b"\x93NUMPY\x01\x00", ".glb": b"glTF\x02\0\0\0",
    ".gltf": b"{", ".fbx": b"; FBX 7.4.0 project file\n",
}  # fmt: skip
"""How files begin, so that readers go on."""

FILE_NAMES = tuple(f"a{suffix}" for suffix in BEGINNINGS)


@st.composite
def npz_files(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Arrays under the names of motion files, of any type and of shapes that are right, nearly right, or not at all."""
    names = ("poses", "trans", "betas", "mocap_framerate", "gender", "pose_world", "trans_world", "body_pose")
    frames = draw(st.integers(0, 3))
    shapes = st.sampled_from([(frames, 156), (frames, 72), (frames, 3), (frames,), (16,), (), (frames, 24, 3), (1, 0)])
    arrays = {}
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True)):
        kind = draw(st.sampled_from(["f8", "f4", "i8", "u1", "c16", "U3", "?", "M8[s]"]))
        value = draw(st.sampled_from([0, 1, -1, 120, 1e30, float("nan"), float("inf")]))
        with np.errstate(all="ignore"):
            arrays[name] = np.full(draw(shapes), value).astype(kind if np.isfinite(value) or kind[0] in "fcU" else "f8")
    return arrays
