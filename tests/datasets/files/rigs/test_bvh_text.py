"""Loosely written BVH files are read or refused clearly.

They give the same motion and a note, or one sentence that names the line.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_rigs import base_walk

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import parse_bvh, read_bvh, write_bvh
from selfcorrect.datasets.files.rigs.bvh_text import _scan_hierarchy, parse_text
from selfcorrect.datasets.files.rigs.rig import RiggedMotion
from selfcorrect.datasets.files.sampling import rate_of_period
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.geometry import compiled
from selfcorrect.motion.kinematics import joint_positions

read_rows = compiled.find_kernel("read_rows") or (lambda *_: False)
needs_reader = pytest.mark.skipif(not compiled.find_kernel("read_rows"), reason="the kernels are not compiled here")


def positions_m(clip: RiggedMotion) -> np.ndarray:
    return joint_positions(clip.motion)


def on_one_line(text: str) -> str:
    head, _, motion = text.partition("MOTION\n")
    return f"{' '.join(head.split())} MOTION {motion.replace(chr(10), ' ', 2)}"


def wrap_lines(text: str) -> str:
    """Every row in three lines."""
    head, *rows = text.rstrip("\n").rsplit("\n", 3)
    lines = [" ".join(words[start : start + 8]) for row in rows for words in [row.split()] for start in (0, 8, 16)]
    return "\n".join([head, *lines, ""])


def add_comments(text: str) -> str:
    return "# made by hand\n" + text.replace("OFFSET 10.0", "// the left leg\n OFFSET 10.0").replace(
        "MOTION\n", "MOTION # the frames\n"
    )


LOOSE = {
    "one frame too many announced": (lambda text: text.replace("Frames: 3", "Frames: 4"), "states 4 frames"),
    "one frame too few announced": (lambda text: text.replace("Frames: 3", "Frames: 2"), "states 2 frames"),
    "no frame announced": (lambda text: text.replace("Frames: 3", "Frames: 0"), "states 0 frames"),
    "padding": (lambda text: text + "\0\0\0\x1a", ""),
    "words at the end": (lambda text: text + "end of file\n", "numbers in line 50"),
    "words after the last number": (lambda text: text[:-1] + " END\n", "numbers in line 49"),
    "one row": (lambda text: text[:-1] + "\n1 2 3", "in line 50, was dropped because it has 3 of 22 numbers"),
    "header on one line": (on_one_line, ""),
    "wrapped": (wrap_lines, "rows are wrapped"),
    "comments": (add_comments, ""),
    "decimal commas": (lambda text: re.sub(r"(\d)\.(\d)", r"\1,\2", text), "decimal commas are read as decimal points"),
    "decimal commas in the rows": (
        lambda text: re.sub(r"(?s)(?<=Frame Time).*", lambda rows: rows[0].replace(".", ","), text),
        "decimal commas are read as decimal points",
    ),
    "decimal commas in the hierarchy": (
        lambda text: re.sub(r"(?s).*(?=MOTION)", lambda head: head[0].replace(".", ","), text),
        "decimal commas are read as decimal points",
    ),
    "frames as a fraction": (lambda text: text.replace("Frames: 3", "Frames: 3.0"), ""),
    "old Mac lines": (lambda text: text.replace("\n", "\r"), ""),
}


@pytest.mark.parametrize("name", LOOSE)
def test_loose_files_are_read_with_note(bvh_text: str, tmp_path: Path, name: str) -> None:
    change, note = LOOSE[name]
    (tmp_path / "a.bvh").write_text(change(bvh_text))
    clip = read_bvh(tmp_path / "a.bvh", 0.01)
    np.testing.assert_array_equal(positions_m(clip), positions_m(parse_bvh(bvh_text, "made", 0.01)))
    assert [note in text for text in clip.notes] == ([True] if note else []), clip.notes


def test_truncated_row_is_dropped(bvh_text: str) -> None:
    cut = bvh_text[: bvh_text.rindex(" 10 -178.5")]
    clip = parse_bvh(cut, "made", 0.01)
    np.testing.assert_array_equal(positions_m(clip), positions_m(parse_bvh(bvh_text, "made", 0.01))[:2])
    assert clip.notes == (
        "damaged file: the last row, in line 49, was dropped because it has 20 of 22 numbers",
        "damaged file: the header states 3 frames, but the file has 2",
    )


def with_numbers(text: str, form: Callable[[float], str]) -> str:
    """Write five rows of numbers in another form."""
    head = text[: text.index("Frame Time")].replace("Frames: 3", "Frames: 5")
    rows = np.random.default_rng(0).normal(0, 100, (5, 22))
    lines = [" ".join(form(number) for number in row.tolist()) for row in rows]
    return "\n".join([f"{head}Frame Time: 0.0333333", *lines, ""])


@pytest.mark.parametrize("form", ["{:.6f}", "{:.2f}", "{:.6g}", "{!r}", "{:.0f}", "{:.3e}"])
def test_truncated_number_is_dropped(bvh_text: str, form: str) -> None:
    text = with_numbers(bvh_text, form.format)
    whole = parse_text(text, "made").values
    for length in range(len(text) - 60, len(text)):
        content = parse_text(text[:length], "made")
        assert len(content.values) >= len(whole) - 1
        np.testing.assert_allclose(content.values, whole[: len(content.values)], rtol=1e-5, atol=1e-12)
        assert (len(content.values) < len(whole)) == any("dropped" in note for note in content.notes)
    is_fixed = form in ("{:.6f}", "{:.2f}")
    assert len(parse_text(text[:-1], "made").values) == (5 if is_fixed else 4) or form in ("{:.6g}", "{!r}")
    assert len(parse_text(text, "made").values) == 5


@pytest.mark.parametrize("blanks", [" ", "\t\n"])
def test_touching_numbers_are_split(bvh_text: str, blanks: str) -> None:
    """Numbers touch where a program's columns are too narrow.

    Digits after the sign of an exponent belong to the exponent.
    """
    text = with_numbers(bvh_text, "{:.3e}".format) if blanks == " " else bvh_text
    head, _, rows = text.partition("Frame Time")
    touching = re.sub(r"(?<=[\d]) +(?=-)", "", head) + "Frame Time" + re.sub(r"(?<=[\d]) +(?=-)", "", rows)
    assert touching != text
    content = parse_text(touching, "made")
    np.testing.assert_array_equal(content.values, parse_text(text, "made").values)
    assert [joint.offset for joint in content.joints] == [joint.offset for joint in parse_text(text, "made").joints]
    assert content.notes == ("numbers without a blank between them are split",)


def test_missing_frame_time_uses_option(bvh_text: str) -> None:
    content = parse_text(bvh_text.replace("Frame Time: 0.0333333\n", ""), "made.bvh", fps=60.0)
    np.testing.assert_array_equal(content.values, parse_text(bvh_text, "made").values)
    assert content.fps == 60.0
    (note,) = content.notes
    assert re.search(r"no frame time.* 60 frames .*\(--fps\)", note)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "ひざ"),
        ("cp932", "左ひざ"),
        ("cp932", "ﾋﾀﾞﾘ"),
        ("latin-1", "genou gauché"),
        ("latin-1", "Füße"),
        ("latin-1", "Kniestück  zwei"),
        ("utf-16", "膝"),
        ("utf-16-le", "rodilla ñ"),
        ("utf-16-be", "ひざ"),
    ],
)
def test_names_keep_their_bytes(bvh_text: str, tmp_path: Path, encoding: str, name: str) -> None:
    content = bvh_text.replace("JOINT LeftLeg", f"JOINT {name}").encode(encoding)
    (tmp_path / "a.bvh").write_bytes(content)
    clip = read_bvh(tmp_path / "a.bvh", 0.01)
    assert clip.motion.skeleton.names[2] == name
    write_bvh(tmp_path / "b.bvh", clip)
    line = f"JOINT {name}\n".encode("utf-16-le" if encoding == "utf-16" else encoding)
    assert line in (tmp_path / "b.bvh").read_bytes()
    np.testing.assert_allclose(positions_m(read_bvh(tmp_path / "b.bvh", 0.01)), positions_m(clip), atol=1e-9)


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_unknown_encoding_is_named(bvh_text: str, tmp_path: Path, encoding: str, mark: str) -> None:
    (tmp_path / "a.bvh").write_bytes((mark + bvh_text).encode(encoding))
    with pytest.raises(sc.InputError, match=r"a\.bvh:.*UTF-8.*UTF-16"):
        read_bvh(tmp_path / "a.bvh")


@given(fps=st.integers(5, 300), digits=st.integers(3, 40))
def test_rounded_frame_time_gives_rate(fps: int, digits: int) -> None:
    with localcontext(prec=60):
        period = f"{1 / Decimal(fps):.{digits}f}"
    rate = rate_of_period(period)
    assert abs(1 / rate - float(period)) <= 0.500001 * 10.0 ** -min(digits, 12)
    if digits > 5 or fps in (25, 100) or (digits > 3 and fps in (24, 30, 60, 120)):
        assert rate == fps


@pytest.mark.parametrize(
    ("time", "fps"),
    [("0.01667", 60), ("0.0166", 60), ("0.00833", 120), ("0.0333", 30), ("0.0083", 120), ("0.033", 30),
     ("8.33e-3", 120), ("0,01667", 60), ("0.008", 125), ("0.0333667", 29.97), ("8.3", 120)],
)  # fmt: skip
def test_rounded_times_are_whole_rates(bvh_text: str, time: str, fps: float) -> None:
    text = bvh_text.replace("0.0333333", time)
    text = text.replace(".", ",") if "," in time else text
    assert parse_bvh(text, "made", 0.01).motion.fps == pytest.approx(fps, rel=1e-6)


@pytest.mark.parametrize(
    ("time", "fps"),
    [
        ("0", 30), ("1", 30), ("1.0", 30), ("33.3", 30), ("33.3333", 30), ("16.67", 60), ("8.333", 120), ("40", 25),
        ("41.67", 24), ("30", 30), ("120", 120), ("25", 25),
    ],
)  # fmt: skip
def test_invalid_frame_times_are_detected(bvh_text: str, time: str, fps: float) -> None:
    clip = parse_bvh(bvh_text.replace("0.0333333", time), "made", 0.01)
    assert clip.motion.fps == fps
    notes = [*clip.notes, *filter(None, [clip.placeholder_rate])]
    assert [f"frame time {time}" in note and "(--fps)" in note for note in notes] == [True]


def test_option_overrides_frame_time(walker: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "a.bvh", walker)
    file = open_motion(tmp_path / "a.bvh", Reading(fps=120.0))
    assert file.motion.fps == 120
    assert any(note.startswith("120 frames") and note.endswith("frame time 0.0333333") for note in file.assumed)
    assert not any("fps" in note for note in open_motion(tmp_path / "a.bvh", Reading(fps=30.0)).assumed)
    file.write(tmp_path / "b.bvh", file.motion)
    assert open_motion(tmp_path / "b.bvh").motion.fps == pytest.approx(120, rel=1e-5)


@pytest.mark.parametrize("own_fps", [4.0, 2.0, 0.5])
def test_key_poses_are_sampled_between(walker: sc.Motion, tmp_path: Path, own_fps: float) -> None:
    poses = replace(walker.frames(0, 9), fps=own_fps)
    sc.save_motion(tmp_path / "a.bvh", poses)
    file = open_motion(tmp_path / "a.bvh")
    assert (file.motion.fps, len(file.motion)) == (30, 8 / own_fps * 30 + 1)
    assert any("frames per second are key poses; sampled between them at 30" in note for note in file.notes)
    step = 30 / own_fps
    is_key_frame = np.arange(len(file.motion)) % step == 0
    assert is_key_frame.sum() == (9 if step.is_integer() else 5)
    names = [file.motion.skeleton.names.index(name) for name in poses.skeleton.names]
    sampled_m = joint_positions(file.motion)[is_key_frame][:, names]
    np.testing.assert_allclose(sampled_m, joint_positions(poses)[:: 1 if step.is_integer() else 2], atol=1e-4)
    file.write(tmp_path / "b.bvh", file.motion)
    assert len(open_motion(tmp_path / "b.bvh").motion) == len(file.motion)


def test_key_poses_need_a_rate(walker: sc.Motion, tmp_path: Path) -> None:
    """Key poses do not show when feet stand.

    Between them, feet follow no recorded path.
    """
    sc.save_motion(tmp_path / "a.bvh", replace(walker, fps=4.0))
    with pytest.raises(sc.InputError, match=r"4.*frames per second.*--fps"):
        sc.correct_file(tmp_path / "a.bvh", tmp_path / "b.bvh", kinematic=True)
    assert not (tmp_path / "b.bvh").exists()
    reading = Reading(fps=walker.fps)
    assert sc.correct_file(tmp_path / "a.bvh", tmp_path / "b.bvh", kinematic=True, reading=reading).accepted


@pytest.mark.parametrize(("every", "word"), [(1, "is a placeholder"), (13, "are key poses")])
def test_one_second_frames_of_distant_poses(tmp_path: Path, every: int, word: str) -> None:
    walk = base_walk(3)
    poses = replace(walk, root_m=walk.root_m[::every], rotations=walk.rotations[::every])
    sc.save_motion(tmp_path / "a.bvh", poses)
    text = (tmp_path / "a.bvh").read_text().replace("Frame Time: 0.0333333", "Frame Time: 1.0")
    (tmp_path / "a.bvh").write_text(text)
    file = open_motion(tmp_path / "a.bvh")
    assert [word in note for note in file.assumed if "frame" in note] == [True]
    assert file.motion.fps == 30
    assert len(file.motion) == (len(poses) if every == 1 else 30 * (len(poses) - 1) + 1)


def test_five_fps_is_kept(walker: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "a.bvh", replace(walker, fps=5.0))
    assert open_motion(tmp_path / "a.bvh").motion.fps == 5


def test_cached_hierarchy_changes_nothing(bvh_text: str) -> None:
    head, _, motion = bvh_text.partition("\nMOTION")
    _scan_hierarchy.cache_clear()
    for text in (bvh_text, f"{head}\nMotion{motion}", bvh_text):  # known, read as a whole, known
        clip = parse_text(text, "a.bvh")
        assert clip.joints == parse_text(bvh_text, "a.bvh").joints
        np.testing.assert_array_equal(clip.values, parse_text(bvh_text, "a.bvh").values)
    assert _scan_hierarchy.cache_info().hits > 3
    damaged = bvh_text.replace("Frames: 3", "Frames: many")
    for name in ("b.bvh", "c.bvh"):
        with pytest.raises(sc.InputError, match=f"{name}, line {1 + damaged[: damaged.index('many')].count(chr(10))}:"):
            parse_text(damaged, name)


@needs_reader
@given(st.lists(st.floats(-1e300, 1e300).map(repr) | st.decimals(-(10**30), 10**30).map(str), min_size=1))
@example(["-0.0", "9007199254740993", "9007199254740993.5", "1e-400", "12345678901234567890123", "5e-324", ".5", "5."])
def test_compiled_reader_rounds_as_python(words: list[str]) -> None:
    numbers = np.empty((1, len(words)))
    assert read_rows("head" + " ".join(words) + "\n", 4, numbers)
    expected = np.array([list(map(float, words))])
    np.testing.assert_array_equal(numbers.view(np.int64), expected.view(np.int64))


OTHER_ROWS = (
    "3 4",
    "3 4 5\n",
    "3\n",
    "3 4\n5\n",
    "3 nan\n",
    "3 1,5\n",
    "3-4\n",
    "3 0x4\n",
    "3 1_0\n",
    "3 .\n",
    "3 +-4\n",
)


@needs_reader
@pytest.mark.parametrize("row", ["", *OTHER_ROWS, "3 4\n\0", "3 \u0664\n", "3 4 # end\n"])
def test_compiled_reader_falls_back(row: str) -> None:
    assert read_rows("\n 1\t2 \n\n3 4e0\n\n", 0, np.empty((2, 2)))
    assert not read_rows("1 2\n" + row, 0, np.empty((2, 2)))


@needs_reader
def test_compiled_reader_checks_indices() -> None:
    for start in (-1, 5):
        with pytest.raises(ValueError, match="index"):
            read_rows("1 2\n", start, np.empty((1, 2)))


@needs_reader
@pytest.mark.parametrize("form", ["{:.6f}", "{:.6g}", "{!r}", "{:.0f}", "{:.3e}"])
def test_rows_equal_without_kernels(monkeypatch: pytest.MonkeyPatch, bvh_text: str, form: str) -> None:
    text = with_numbers(bvh_text, form.format)
    fast = parse_text(text, "made")
    monkeypatch.setattr(compiled, "KERNELS", None)
    slow = parse_text(text, "made")
    np.testing.assert_array_equal(fast.values.view(np.int64), slow.values.view(np.int64))
    assert fast.notes == slow.notes
