"""Whatever a reader opened is never overwritten, and work and messages are bounded by the file."""

import json
import os
import pickle
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_rigs import base_walk
from program_files import Z_UP, parameters

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import open_motion

FRAMES = 8


def write_frames(folder: Path) -> None:
    """Write a person as EasyMocap does, a file per frame."""
    vectors, trans = parameters(base_walk(1), 24, Z_UP)
    poses = vectors.reshape(len(vectors), 72)
    folder.mkdir()
    for number in range(FRAMES):
        pose, place = poses[number].tolist(), trans[number].tolist()
        person = {"id": 0, "Rh": [pose[:3]], "Th": [place], "poses": [[0.0, 0.0, 0.0, *pose[3:]]]}
        folder.joinpath(f"{number:06}.json").write_text(json.dumps([{**person, "shapes": [[0.0] * 10]}]))


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize("number", [1, FRAMES - 1])
def test_opened_files_are_never_overwritten(
    tmp_path: Path, number: int, through_link: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other frames of a folder are inputs, though only the first one is named."""
    write_frames(tmp_path / "in")
    target = tmp_path / "in" / f"{number:06}.json"
    if through_link:
        (tmp_path / "link.json").symlink_to(target)
        target = tmp_path / "link.json"
    before = read_all(tmp_path / "in")
    words = ["correct", "--kinematic", "--fps", "30", str(tmp_path / "in" / "000000.json"), "-o", str(target)]
    assert main([*words, "--overwrite"]) in (1, 2)
    assert "overwritten" in capsys.readouterr().err
    assert read_all(tmp_path / "in") == before


@pytest.mark.parametrize("kind", [sc.InputError, sc.SettingError])
@settings(max_examples=30)
@given(text=st.text(min_size=0, max_size=50), times=st.sampled_from([1, 10**3, 10**5]))
def test_messages_are_short(kind: type[Exception], text: str, times: int) -> None:
    """Short messages stay as they are; longer lines keep beginning and end."""
    message = f"a.bvh: {text * times}; expected a joint"
    lines = str(kind(message)).split("\n")
    assert max(map(len, lines)) <= 2000
    assert lines[0].startswith("a.bvh: ")
    assert lines[-1].endswith("expected a joint")
    if max(map(len, message.split("\n"))) <= 2000:
        assert str(kind(message)) == message


BVH = """HIERARCHY
ROOT {name}
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  End Site
  {{
    OFFSET 0 1 0
  }}
}}
MOTION
Frames: {frames}
Frame Time: 0.0333
{rows}
"""


def double(times: int) -> list[Any]:
    """Return a list that holds a list twice, which holds a list twice, and so on."""
    value: list[Any] = [1.0]
    for _ in range(times):
        value = [value, value]
    return value


def write_npz(path: Path, name: str) -> None:
    np.savez(path, **{name: np.zeros(3)})  # type: ignore[arg-type]


COSTLY: dict[str, Callable[[Path, int], Any]] = {
    "name.bvh": lambda path, size: path.write_text(BVH.format(name="h" * size, frames=1, rows="0 0 0 0 0 0")),
    "row.bvh": lambda path, size: path.write_text(BVH.format(name="hip", frames=1, rows="0 " * 3 * size)),
    "letters.json": lambda path, size: path.write_text(json.dumps({"pose" + "a" * size: [[1, 2, 3]]})),
    "digits.json": lambda path, size: path.write_text(json.dumps({"pose": {"1" * size: [[1, 2, 3]]}})),
    "dots.json": lambda path, size: path.write_text(json.dumps({"pose" + "." * size: [[1, 2, 3]]})),
    "nested.json": lambda path, size: path.write_text('{"pose":' * 300 + f'{{"{"a" * size}":[[1]]}}' + "}" * 300),
    "name.npz": lambda path, size: write_npz(path, "a" * min(size, 60_000)),
    "lists.pkl": lambda path, size: path.write_bytes(pickle.dumps({"poses": double(size // 10_000)})),
}


@pytest.mark.parametrize("name", COSTLY)
def test_work_is_bounded(name: str, tmp_path: Path) -> None:
    """Files with one huge part are refused or read within a minute and the memory limit."""
    COSTLY[name](tmp_path / name, 400_000)
    start_s = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(sc.InputError) as refusal:
        open_motion(tmp_path / name, sc.Reading(fps=30.0))
    assert len(str(refusal.value)) <= 2000
    assert time.process_time() - start_s < 60
    if os.uname().sysname == "Linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 * 1024


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.integers(0, 3), word=st.text("0.-x nan\n", max_size=8), more=st.integers(0, 12))
def test_odd_rows_give_a_motion_or_one_sentence(tmp_path: Path, frames: int, word: str, more: int) -> None:
    """Also one frame whose first word is not a number."""
    path = tmp_path / "a.bvh"
    path.write_text(BVH.format(name="hip", frames=frames, rows=f"{word} {'0 ' * more}"))
    with suppress(sc.InputError):
        assert np.isfinite(open_motion(path, any_body=True).motion.root_m).all()
