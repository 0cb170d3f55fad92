"""Table of the motion file formats.

A row defines what is read, written, offered, documented and named in errors. Writing loses what a format cannot hold:
AMASS has only SMPL's joints and no bone lengths, the .npy formats have the 22 body joints at 20 fps, and HumanML3D's
rows have HumanML3D's standard bone lengths.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from selfcorrect.core.errors import InputError, MissingExtraError, SelfcorrectError, SettingError
from selfcorrect.runtime.registry import Registry, Row, describe_unknown, load_members
from selfcorrect.storage.files.limits import open_file

from .contract import READ_ARRAYS, READ_NPY, ArrayLayout, Format, import_part

_COMMON = (
    Format("bvh", (".bvh",), "any skeleton, its motion in degrees and centimetres",
           ".rigs.bvh_body:open_bvh", ".rigs.bvh:write_motion"),
    Format("amass", (".npz",), "poses of SMPL+H or SMPL-X, z up", READ_ARRAYS, ".people.amass:write_amass"),
    Format("gmr", (".npz",), "SMPL-X poses with the names that GMR reads, z up", READ_ARRAYS,
           ".people.amass:write_gmr"),
    Format("holosoma", (".npz",), "joint positions of holosoma and OmniRetarget", READ_ARRAYS, None),
    Format("glamr", (".pkl",), "GLAMR's SMPL parameters", READ_ARRAYS, None),
    Format("hy-motion", (".npz",), "HY-Motion's SMPL-H parameters, y up, 30 fps", READ_ARRAYS, None),
    Format("gvhmr", (".pt", ".pth"), "GVHMR's SMPL-X parameters, y up, 30 fps", READ_ARRAYS, None),
    Format("gem-x", (".pt",), "GEM-X's SOMA parameters, y up, 30 fps", READ_ARRAYS, None),
    Format("wham", (".pkl", ".p"), "WHAM's SMPL parameters, y up", READ_ARRAYS, None),
    Format("prompthmr", (".pkl",), "PromptHMR's SMPL-X parameters, y up", READ_ARRAYS, None),
    Format("smpl-json", (".json",), "SMPL parameters by name, a list of frames of these, or EasyMocap's file per frame",
           READ_ARRAYS, None),
    Format("humanml3d", (".npy",), "rows (T − 1, 263), 20 fps",
           READ_NPY, ".people.humanml3d:write_rows"),
    Format("kit-ml", (".npy",), "KIT-ML's rows (T − 1, 251), 12.5 fps", READ_NPY, None),
    Format("joints", (".npy",), "joint positions (T, 22, 3), 20 fps",
           READ_NPY, ".people.humanml3d:write_joints"),
    Format("mdm", (".npy",), "results.npy of a motion diffusion model: joints of many motions, and their prompts",
           READ_ARRAYS, ".people.humanml3d:write_mdm", recognises=".people.dictionaries:holds_objects",
           layout=ArrayLayout("MDM", ".people.humanml3d:open_mdm", ("motion", "lengths"), suffixes=(".npy",))),
    Format("tram", (".npy",), "TRAM's SMPL parameters, in the camera's frame", READ_ARRAYS, None,
           recognises=".people.dictionaries:holds_objects"),
    Format("gltf", (".glb", ".gltf"), "animations for browsers, Blender and game engines",
           ".rigs.gltf_body:open_gltf", ".rigs.gltf:write_gltf"),
    Format("vrma", (".vrma",), "an animation for VRM avatars", ".rigs.gltf_body:open_gltf", ".rigs.gltf:write_vrma"),
    Format("fbx", (".fbx",), "animations of Maya, 3ds Max, MotionBuilder, Mixamo and Rokoko",
           ".rigs.fbx:open_fbx", None, written_as=".glb", extra="fbx"),
    Format("parquet", (".parquet",), "any number of motions on any skeletons, a row each, from `data shard`",
           ".parquet:open_parquet", ".parquet:write_parquet", extra="loops"),
    Format("usd", (".usda", ".usdc", ".usd"), "an animation for Omniverse, Houdini, Maya and Blender",
           ".rigs.usd:open_usd", ".rigs.usd:write_usd", extra="usd"),
)  # fmt: skip
"""Formats that many programs write."""

FORMATS: tuple[Format, ...] = (*_COMMON, *load_members("selfcorrect.datasets.programs", Format))
"""Formats of this package: the common ones, and a folder in `datasets/programs` for each that one program writes."""

ADDED_FORMATS: Registry[Row] = Registry("format", [], group="selfcorrect.formats")
"""Formats of other packages. Each entry refers to a `Format` with a layout, or with suffixes that `FORMATS` does not
have."""

_OTHERS_TOO = (".pt", ".pth", ".pkl", ".p")
"""Suffixes that models and other data also have."""

_ROBOT = 'robot motion; correct the human motion before retargeting: see the page "Before retargeting"'
_ADVICE = {
    ".c3d": "marker positions without a skeleton; solve them in the capture program, and export BVH or FBX",
    ".trc": "marker positions without a skeleton; solve them in the capture program, and export BVH or FBX",
    ".asf": "a skeleton without motion; pass the .amc file beside it",
    ".mvn": "Xsens' own format; export MVNX, BVH or FBX from MVN",
    ".vmd": "MikuMikuDance's motion without its skeleton; load both into Blender (mmd_tools) and export BVH or FBX",
    ".anim": "the animation of Unity or Maya without its skeleton; export FBX of the animated character",
    ".smd": "a Source engine animation; import it into Blender (Blender Source Tools) and export BVH or glTF",
    ".cast": "a Cast animation; import it into Blender or Maya with Cast's add-on and export BVH, glTF or FBX",
    ".hkx": "a Havok animation without its skeleton; convert both to FBX with the tools for its game",
    ".dae": "Collada; import it into Maya, or Blender up to 4.5, and export glTF, FBX or BVH",
    ".motion": f"ProtoMotions' format: {_ROBOT}",
    ".csv": f"a table; if this is Unitree's or BeyondMimic's, {_ROBOT}",
    ".mot": "OpenSim's joint angles without their model; open both in OpenSim and export markers or BVH",
    ".sto": "OpenSim's results without their model; open both in OpenSim and export markers or BVH",
}
"""Advice on files that are not read, by suffix."""

_NO_MOTIONS = ("Mean.npy", "Std.npy", "shape.npz", "camera.npy")
"""Files that are read together with motions but hold no motion themselves."""


def all_formats() -> tuple[Format, ...]:
    """Return all formats. Broken formats of other packages are skipped with a warning."""
    added = ADDED_FORMATS.load_added(Format)
    return (*FORMATS, *(replace(kind, origin=ADDED_FORMATS.title(name)) for name, kind in added.items()))


def find_layout(shapes: Mapping[str, tuple[int, ...]], names: Collection[str], suffix: str) -> Format | None:
    """Find the format whose layout a file of arrays has.

    Args:
        shapes: Shapes of the arrays by name; "" for the only array of a .npy file.
        names: Names of all values at the top level.
        suffix: The file's suffix.

    Returns:
        The first format that fits, or None. Layouts that look at shapes come before those that are known by names.
    """
    kinds = [(kind, kind.layout) for kind in all_formats() if kind.layout]
    fitting = [(kind, layout) for kind, layout in kinds if suffix.lower() in (layout.suffixes or (suffix.lower(),))]
    for kind, layout in fitting:
        if layout.recognises and kind.call(layout.recognises, shapes):
            return kind
    for kind, layout in fitting:
        if layout.keys and set(layout.keys) <= set(names):
            return kind
    for kind, layout in fitting:
        (only, *others) = shapes.values() or [()]
        if layout.columns and not others and len(only) == 2 and only[1] == layout.columns:
            return kind
    return None


def formats_of(suffix: str) -> list[Format]:
    """Return the formats with this suffix.

    Formats of other packages are considered only for suffixes that are unknown here, or that files of arrays have.
    """
    fitting = [kind for kind in FORMATS if suffix.lower() in kind.suffixes]
    if fitting and all(kind.reader not in (READ_ARRAYS, READ_NPY) for kind in fitting):
        return fitting
    return [
        kind
        for kind in all_formats()
        if suffix.lower() in kind.suffixes and (kind.layout or kind in fitting or not fitting)
    ]


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of all formats that are read."""
    return tuple(dict.fromkeys(suffix for kind in all_formats() if kind.reader for suffix in kind.suffixes))


def describe_formats() -> str:
    """Describe all formats that are written, for help pages."""
    return "; ".join(f"{kind.name}: {kind.holds}" for kind in all_formats() if kind.writer) + "."


def is_motion_file(path: Path) -> bool:
    """Return whether a file holds a motion, by its name or, if this is ambiguous, its content.

    A damaged file counts as a motion file, so that its reader explains what is wrong.
    """
    if path.suffix.lower() == ".parquet":
        try:
            return path.is_file() and import_part(".parquet:holds_motions")(path)
        except MissingExtraError:  # its reader explains what is missing
            return True
    if path.suffix.lower() == ".csv":
        return path.is_file() and bool(_describe_table(path))
    if path.suffix.lower() == ".json":
        is_first = path.is_file() and not import_part(".people.dictionaries:is_later_frame")(path)
        return is_first and import_part(".people.dictionaries:holds_people")(path)
    readable = [kind for kind in formats_of(path.suffix) if kind.reader]
    if not readable or path.is_dir() or path.name in _NO_MOTIONS or path.stem.endswith("stagei"):
        return False
    if readable[0].origin and readable[0].recognises:
        try:
            return bool(readable[0].call(readable[0].recognises, path))
        except SelfcorrectError:
            return True
    return not may_hold_other_data(path) or import_part(".people.dictionaries:recognises")(path)


_TABLE_START = 4096
"""Number of bytes at the start of a table that are examined."""
_MARKS_OF_ROBOTS = ("root_translatex", "root_rotatex", "_dof", "joint_pos", "dof_pos")
_ROBOT_COLUMNS = range(7 + 12, 7 + 60)
"""Possible column counts of a robot's table: root position and quaternion, and 12 to 59 joint angles."""


def _describe_table(path: Path) -> str:
    """Return advice about a table of a robot or of Motive, or "" for other tables."""
    with open_file(path) as stream:
        start = stream.read(_TABLE_START).decode("utf-8", errors="replace").lower()
    if "format version" in start and ("take name" in start or "rigid body" in start or "bone" in start):
        return "a table of Motive without rest pose; export BVH or FBX of the skeleton from Motive"
    first, *rows = start.splitlines() or [""]
    words = (rows or [first])[0].split(",")
    try:
        quaternion = [float(word) for word in words[3:7]]
    except ValueError:
        quaternion = []
    has_root = len(words) in _ROBOT_COLUMNS and abs(sum(value**2 for value in quaternion) - 1) < _UNIT_OFF
    return _ROBOT if has_root or any(mark in first for mark in _MARKS_OF_ROBOTS) else ""


_UNIT_OFF = 0.01


def may_hold_other_data(path: Path) -> bool:
    """Return whether files of this kind may also hold models or other data."""
    if path.name in _NO_MOTIONS:
        return False
    suffix = path.suffix.lower()
    return suffix in _OTHERS_TOO or (suffix == ".npy" and import_part(".people.dictionaries:holds_objects")(path))


def written_suffix(path: Path) -> str:
    """Return the suffix, in lower case, with which the correction of a motion file is written."""
    suffix = path.suffix.lower()
    return next((kind.written_as for kind in formats_of(suffix) if kind.written_as), suffix)


def check_written_suffix(source: Path, target: Path) -> None:
    """Raise SettingError if the correction of a motion file is not written with the suffix of `target`."""
    suffix = written_suffix(source)
    if target.suffix.lower() != suffix:
        raise SettingError(f"{target}: expected the suffix {suffix} for the correction of a {source.suffix} file")


def find_format(name: str) -> Format:
    """Return the format of this name that can be written.

    Raises SettingError, with all names, if there is none.
    """
    written = {kind.name: kind for kind in all_formats() if kind.writer}
    if name in written:
        return written[name]
    message = describe_unknown("format", name, written)
    fitting = formats_of(f".{name.lstrip('.')}")
    if fitting and fitting[0].writer is None:
        message = f"{fitting[0].name} files can be read but not written; formats to write are {', '.join(written)}"
    elif fitting:
        message += f"; the format of .{name.lstrip('.')} files is {' or '.join(kind.name for kind in fitting)}"
    raise SettingError(message)


def format_of(path: Path, name: str | None = None) -> Format:
    """Return the format in which to write a path: the one called `name`, or the first with the path's suffix.

    Raises SettingError if no format has this suffix, or the named one does not.
    """
    written = [kind for kind in all_formats() if kind.writer]
    fitting = [kind for kind in written if path.suffix.lower() in kind.suffixes and name in (None, kind.name)]
    if not fitting:
        known = ", ".join(f"{kind.name} ({' or '.join(kind.suffixes)})" for kind in written)
        raise SettingError(f"{path}: no format{f' {name!r}' if name else ''} has this suffix; expected {known}")
    return fitting[0]


def find_reading_format(path: Path) -> Format:
    """Return the format that reads a file, by its suffix and, if several have it, by the content.

    Raises InputError, with advice, if no format fits.
    """
    if path.is_dir():
        raise InputError(f"{path}: expected a motion file, got a folder")
    fitting = formats_of(path.suffix)
    recognised = [kind for kind in fitting if kind.recognises and kind.call(kind.recognises, path)]
    general = [kind for kind in fitting if not kind.recognises]
    readers = [kind for kind in (*recognised, *general) if kind.reader]
    if not readers and (advice := advise(path)):
        raise InputError(f"{path}: {advice}")
    if not readers:
        written = f"; {fitting[0].name} files can be written but not read" if fitting and not fitting[0].reader else ""
        raise InputError(f"{path}: expected a motion file ({', '.join(readable_suffixes())}){written}")
    return readers[0]


def advise(path: Path) -> str:
    """Return advice about a file that is not read, or "" for an unknown kind of file."""
    suffix = path.suffix.lower()
    return (_describe_table(path) if suffix == ".csv" else "") or _ADVICE.get(suffix, "")
