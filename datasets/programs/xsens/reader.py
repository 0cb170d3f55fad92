"""Read MVNX, the XML format in which Xsens exports inertial motion capture.

Each frame holds the origins and orientations (quaternions wxyz) of rigid segments in the world, z up, in metres. MVNX
is not written: corrections are written as BVH.
"""

from array import array
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import ParseError, XMLParser

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import Z_UP
from selfcorrect.storage.files.limits import open_file

from ...files.motion_file import MotionFile, check_size, check_within, rate_of
from ...files.people.keeping import check_quaternions
from ...files.people.posed_bones import motion_of_poses
from ...files.rigs.bvh import clip_of
from ...files.rigs.bvh_body import open_rigged
from ...files.rigs.rig import RiggedMotion, find_tree, make_unique
from ...files.skeletons.anatomy import recognize_parts
from ...files.skeletons.file_note import FileNote
from ...files.skeletons.reading import Reading

_CHUNK_BYTES = 2**20
_SIZES = {"position": 3, "orientation": 4}
"""Number of values per segment, by element of a frame."""
_READ = {*_SIZES, "connector1", "connector2"}
"""Elements whose text is read."""


class _Document:
    """Segments and frames of a file's first subject, collected during XML parsing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rate = ""
        self.subjects = 0
        self.segments: list[str] = []
        self.joints: list[list[str]] = []
        """Names of the two segments that each joint connects, the parent's first."""
        self.frames = 0
        """Number of complete frames."""
        self.values = {name: array("d") for name in _SIZES}
        self._elements = 0
        self._is_in_frame = False
        self._text: list[str] | None = None

    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        """Refuse document type declarations, which MVNX does not have.

        Their entities could expand without limit or refer to other files.
        """
        raise InputError(f"{self.path}: declares the document type {name[:30]}; expected MVNX, which declares none")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        name = tag.rpartition("}")[2]
        self._elements += 1
        if self._elements == 1 and name != "mvnx":
            raise InputError(f"{self.path}: expected Xsens XML with mvnx as its first element, got {name[:30]!r}")
        self.subjects += name == "subject"
        if self.subjects != 1:
            return
        if name == "subject":
            self.rate = attributes.get("frameRate", "")
        elif name == "segment":
            self.segments.append(attributes.get("label", ""))
        elif name == "joint":
            self.joints.append([])
        elif name == "frame":
            self._is_in_frame = attributes.get("type", "normal") == "normal"
        if name in _READ and (self._is_in_frame or name not in _SIZES):
            self._text = []

    def data(self, text: str) -> None:
        """Take a piece of an element's text."""
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """End an element."""
        name = tag.rpartition("}")[2]
        if name == "frame" and self._is_in_frame and self.subjects == 1:
            self._end_frame()
        if self._text is None or name not in _READ:
            return
        text = "".join(self._text)
        self._text = None
        if name in _SIZES:
            self._take_numbers(name, text)
        elif self.joints:
            self.joints[-1].append(text.strip().partition("/")[0])

    def close(self) -> None:
        """End the document."""

    def _take_numbers(self, name: str, text: str) -> None:
        count = _SIZES[name] * len(self.segments)
        words = text.split()
        try:
            self.values[name].extend(map(float, words))
        except ValueError:
            words = []
        if len(words) != count or len(self.values[name]) != (self.frames + 1) * count:
            where = f"{self.path}: frame {self.frames + 1}"
            raise InputError(f"{where}: expected {count} numbers in {name}, {_SIZES[name]} for each segment")

    def _end_frame(self) -> None:
        self._is_in_frame = False
        for name, size in _SIZES.items():
            if len(self.values[name]) != (self.frames + 1) * size * len(self.segments):
                raise InputError(
                    f"{self.path}: frame {self.frames + 1} has no segment {name}; export both position and orientation "
                    "from MVN"
                )
        self.frames += 1


def open_mvnx(path: Path, reading: Reading) -> MotionFile:
    """Open the first subject of an MVNX file, with the suit's segments as joints."""
    document, notes = _read_document(path)
    count = len(document.segments)
    if not document.frames or not count:
        raise InputError(f"{path}: expected segments and frames of type normal, got none")
    check_size(path, [(document.frames, count)])
    arrays = {}
    for name, size in _SIZES.items():
        values = np.array(document.values[name])[: document.frames * size * count]
        arrays[name] = values.reshape(document.frames, count, size)
        check_within(f"{path}: {name} is", arrays[name])
    check_quaternions(path, arrays["orientation"])
    try:
        rate = {"fps": float(document.rate)} if document.rate else {}
    except ValueError:
        raise InputError(f"{path}: expected a number as frameRate, got {document.rate[:30]!r}") from None
    fps, rate_notes = rate_of(path, rate, reading, None, "Xsens")
    if document.subjects > 1:
        words = f"only the first of {document.subjects} subjects is read"
        notes.append(FileNote(words, topic="skeletons"))
    clip = replace(_make_clip(path, document, arrays, fps, reading.metres_per_unit or 1.0), notes=(*rate_notes, *notes))
    return open_rigged(path, clip, reading, Z_UP)


def _read_document(path: Path) -> tuple[_Document, list[str]]:
    """Read the document, with a note if it is cut off or damaged after the first frames."""
    document = _Document(path)
    parser = XMLParser(target=document)
    try:
        with open_file(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                parser.feed(chunk)
        parser.close()
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        if document.frames < 2:
            raise InputError(f"{path}: not readable XML ({error})") from error
        words = f"damaged file: only the first {document.frames} frames are read ({error})"
        return document, [FileNote(words, topic="damage")]
    return document, []


def _make_clip(
    path: Path, document: _Document, arrays: dict[str, np.ndarray], fps: float, unit_m: float
) -> RiggedMotion:
    """Build the motion of the segments, z up."""
    indices = {name: index for index, name in enumerate(document.segments)}
    parents = [-1] * len(document.segments)
    for joint in document.joints:
        if len(joint) != 2 or not {*joint} <= indices.keys() or parents[indices[joint[1]]] >= 0:
            raise InputError(f"{path}: expected each joint to connect a parent and a child segment, got {joint}")
        parents[indices[joint[1]]] = indices[joint[0]]
    try:
        order = find_tree(range(len(parents)), parents)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    tree = tuple(order.index(parents[segment]) if parents[segment] >= 0 else -1 for segment in order)
    names = make_unique([document.segments[segment] or "segment" for segment in order])
    skeleton = Skeleton(names, tree, np.zeros((len(order), 3)), ("",) * len(order))
    quaternions = arrays["orientation"][:, order][..., [1, 2, 3, 0]]
    matrices = Rotation.from_quat(quaternions.reshape(-1, 4)).as_matrix().reshape(*quaternions.shape[:2], 3, 3)
    motion = motion_of_poses(str(path), skeleton, arrays["position"][:, order] * unit_m, matrices, fps)
    return clip_of(recognize_parts(motion))
