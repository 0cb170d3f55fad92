"""Results depend on all that a reader opened.

What it looked for beside a file counts, and nothing else is opened.
"""

import base64
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from acclaim_files import write_acclaim
from made_motions import made_motion

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.correct_file import FileTask, correct_tasks, is_finished
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.limits import record_inputs

READING = Reading(fps=30.0)
OPTIONS = CorrectionOptions(kinematic=True, reading=READING)
WALK = made_motion("walk", frames=30)
TURN = replace(made_motion("turn", frames=30), skeleton=WALK.skeleton)
Change = Callable[[], object]


def split_gltf(folder: Path) -> tuple[Path, Change]:
    """Make glTF with its numbers beside it.

    The name of their file is escaped.
    """
    for name, motion in (("walk", WALK), ("turn", TURN)):
        save_motion(folder / f"{name}.gltf", motion, overwrite=True)
        document = json.loads((folder / f"{name}.gltf").read_text())
        numbers = base64.b64decode(document["buffers"][0]["uri"].partition(",")[2])
        (folder / f"{name} numbers.bin").write_bytes(numbers)
    document["buffers"][0]["uri"] = "walk%20numbers.bin"
    (folder / "walk.gltf").write_text(json.dumps(document))
    (folder / "turn.gltf").unlink()
    return folder / "walk.gltf", lambda: os.replace(folder / "turn numbers.bin", folder / "walk numbers.bin")


def unescaped_gltf(folder: Path) -> tuple[Path, Change]:
    """Let a file named with escapes appear.

    Its name is that of the glTF file's buffer before escapes are decoded.
    """
    path, _ = split_gltf(folder)
    return path, lambda: os.replace(folder / "turn numbers.bin", folder / "walk%20numbers.bin")


def acclaim_with(folder: Path) -> Path:
    write_acclaim(folder / "walk_01.amc", WALK)
    skeleton = (folder / "walk_01.asf").read_text()
    (folder / "walk_01.asf").unlink()
    (folder / "walk.asf").write_text(skeleton)
    return folder / "walk_01.amc"


def larger(skeleton: str) -> str:
    return skeleton.replace("length 0.45", "length 0.5")


def changed_skeleton(folder: Path) -> tuple[Path, Change]:
    path = acclaim_with(folder)
    text = (folder / "walk.asf").read_text()
    return path, lambda: (folder / "walk.asf").write_text(larger(text))


def skeleton_of_its_own_name(folder: Path) -> tuple[Path, Change]:
    path = acclaim_with(folder)
    text = (folder / "walk.asf").read_text()
    return path, lambda: (folder / "walk_01.ASF").write_text(larger(text))


def author_reference(path: Path, other: str, kind: str) -> None:
    """Write USD that refers to another file's motion."""
    pxr = pytest.importorskip("pxr.Usd", reason="needs the extra `usd`")
    from pxr import Sdf

    stage = pxr.Stage.CreateNew(str(path))
    if kind == "sublayer":
        stage.GetRootLayer().subLayerPaths.append(other)
    elif kind == "variant":
        prim = stage.DefinePrim("/motion")
        variants = prim.GetVariantSets().AddVariantSet("take")
        for name in ("a", "b"):
            variants.AddVariant(name)
            variants.SetVariantSelection(name)
            with variants.GetVariantEditContext():
                prim.GetReferences().AddReference(other, "/motion")
    elif kind == "clip":
        prim = stage.DefinePrim("/motion")
        pxr.ClipsAPI(prim).SetClipAssetPaths(Sdf.AssetPathArray([Sdf.AssetPath(other)]))
    elif kind == "template":
        prim = stage.DefinePrim("/motion")
        pxr.ClipsAPI(prim).SetClipTemplateAssetPath(other.replace("1", "#"))
    else:
        arcs = getattr(stage.DefinePrim("/motion"), f"Get{kind}")()
        getattr(arcs, f"Add{kind[:-1]}")(other, "/motion")
    stage.GetRootLayer().Save()


def usd_of(kind: str) -> Callable[[Path], tuple[Path, Change]]:
    def make(folder: Path) -> tuple[Path, Change]:
        (folder / "parts").mkdir()
        save_motion(folder / "parts" / "person.usda", WALK)
        author_reference(folder / "a.usda", "./parts/person.usda", kind)
        return folder / "a.usda", lambda: save_motion(folder / "parts" / "person.usda", TURN, overwrite=True)

    return make


def appearing_layer(folder: Path) -> tuple[Path, Change]:
    """Make two USD layers; the stronger appears later."""
    save_motion(folder / "person.usda", WALK)
    author_reference(folder / "a.usda", "./stronger.usda", "sublayer")
    text = (folder / "a.usda").read_text()
    (folder / "a.usda").write_text(text.replace("@./stronger.usda@", "@./stronger.usda@, @./person.usda@"))
    return folder / "a.usda", lambda: save_motion(folder / "stronger.usda", TURN)


def track_with_camera(folder: Path) -> tuple[Path, Change]:
    """Make TRAM results whose camera file appears later, in the folder above."""
    people = folder / "hps"
    people.mkdir()
    count = 20
    matrices = np.tile(np.eye(3), (count, 24, 1, 1))
    track = {
        "pred_rotmat": matrices,
        "pred_trans": np.tile([[0.0, 1.0, 3.0]], (count, 1)).reshape(count, 1, 3),
        "pred_shape": np.zeros((count, 10)),
        "frame": np.arange(count),
    }
    np.save(people / "hps_track_0.npy", track, allow_pickle=True)
    camera = {"world_cam_R": np.tile(np.eye(3), (count, 1, 1)), "world_cam_T": np.zeros((count, 3))}
    return people / "hps_track_0.npy", lambda: np.save(folder / "camera.npy", camera, allow_pickle=True)


BESIDE = {
    "numbers of glTF": split_gltf,
    "numbers of glTF by an unescaped name": unescaped_gltf,
    "skeleton of AMC": changed_skeleton,
    "another skeleton of AMC": skeleton_of_its_own_name,
    "reference of USD": usd_of("References"),
    "payload of USD": usd_of("Payloads"),
    "sublayer of USD": usd_of("sublayer"),
    "layer of USD that appears": appearing_layer,
    "camera of TRAM": track_with_camera,
}


def correct(path: Path, out: Path) -> tuple[FileTask, bytes]:
    task = FileTask(path, path.name, out)
    correct_tasks([task], OPTIONS, silent)
    assert task.target.exists(), task.record.read_text()
    return task, task.target.read_bytes()


def slow_usd(kind: str) -> ParameterSet:
    return pytest.param(kind, marks=pytest.mark.slow if "USD" in kind else ())


@pytest.mark.parametrize("kind", [*map(slow_usd, BESIDE)])
def test_changed_lookups_redo_work(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path, change = BESIDE[kind](tmp_path / "in")
    content = path.read_bytes()
    task, _ = correct(path, tmp_path / "out")
    assert is_finished(task, OPTIONS)
    (path.parent / "other.txt").write_text("of no concern")
    assert is_finished(task, OPTIONS)
    change()
    assert path.read_bytes() == content
    assert not is_finished(task, OPTIONS)


@pytest.mark.parametrize("kind", [*map(slow_usd, ["numbers of glTF", "skeleton of AMC", "reference of USD"])])
def test_copy_uses_own_sidecars(kind: str, tmp_path: Path) -> None:
    tasks = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        path, change = BESIDE[kind](tmp_path / name)
        tasks.append(FileTask(path, path.name, tmp_path / "out"))
    correct_tasks(tasks[:1], OPTIONS, silent)
    assert is_finished(tasks[1], OPTIONS)
    change()
    assert not is_finished(tasks[1], OPTIONS)


@pytest.mark.parametrize("kind", [*map(slow_usd, BESIDE)])
def test_opened_sidecars_are_never_overwritten(kind: str, tmp_path: Path) -> None:
    """Whatever the command and the file beside the input."""
    path, _ = BESIDE[kind](tmp_path)
    with record_inputs() as record, suppress(InputError):
        open_motion(path, READING)
    others = [other for other in record.paths if other != path and other.is_file()]
    assert others or "appears" in kind or "camera" in kind
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for other in dict.fromkeys(others):
        assert main(["correct", "--kinematic", str(path), "--fps", "30", "-o", str(other), "--overwrite"])
        assert main(["data", "convert", str(path), "--fps", "30", "--out", str(other), "--overwrite"])
    assert {file: file.read_bytes() for file in before} == before


OUTSIDE = ["References", "Payloads", "sublayer", "variant", "clip", "template"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("way", ["above", "absolute", "link", "link to a folder"])
def test_usd_stays_in_folder(kind: str, way: str, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="needs the extra `usd`")
    (tmp_path / "in").mkdir()
    (tmp_path / "private").mkdir()
    secret = tmp_path / "private" / "person1.usda"
    save_motion(secret, WALK)
    (tmp_path / "in" / "linked1.usda").symlink_to(secret)
    (tmp_path / "in" / "linked").symlink_to(secret.parent)
    others = {
        "above": "../private/person1.usda",
        "absolute": str(secret),
        "link": "./linked1.usda",
        "link to a folder": "./linked/person1.usda",
    }
    author_reference(tmp_path / "in" / "a.usda", others[way], kind)
    with pytest.raises(InputError, match="outside"):
        open_motion(tmp_path / "in" / "a.usda", any_body=True)


@pytest.mark.parametrize("kind", ["References", "sublayer", "clip"])
def test_usd_waits_for_no_pipe(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="needs the extra `usd`")
    os.mkfifo(tmp_path / "pipe.usda")
    author_reference(tmp_path / "a.usda", "person.usda", kind)
    text = (tmp_path / "a.usda").read_text()
    (tmp_path / "a.usda").write_text(text.replace("person.usda", "./pipe.usda"))
    with pytest.raises(InputError, match="regular file"):
        open_motion(tmp_path / "a.usda", any_body=True)


def test_usd_searches_no_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pxr", reason="needs the extra `usd`")
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    save_motion(tmp_path / "work" / "person.usda", WALK)
    author_reference(tmp_path / "in" / "a.usda", "person.usda", "References")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PXR_AR_DEFAULT_SEARCH_PATH", str(tmp_path / "work"))
    with pytest.raises(InputError, match="which is missing"):
        open_motion(tmp_path / "in" / "a.usda", any_body=True)


def test_linked_skeleton_outside_raises(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = acclaim_with(tmp_path / "in")
    os.replace(tmp_path / "in" / "walk.asf", tmp_path / "walk.asf")
    (tmp_path / "in" / "walk.asf").symlink_to(tmp_path / "walk.asf")
    with pytest.raises(InputError, match="leads out"):
        open_motion(path)


def test_linked_camera_outside_raises(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path, change = track_with_camera(tmp_path / "in")
    change()
    os.replace(tmp_path / "in" / "camera.npy", tmp_path / "camera.npy")
    (tmp_path / "in" / "camera.npy").symlink_to(tmp_path / "camera.npy")
    with pytest.raises(InputError, match="leads out"):
        open_motion(path, READING)
