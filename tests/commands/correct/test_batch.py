"""A run of many files ends with a summary."""

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import pytest

from selfcorrect.commands.correct.batch import make_tasks
from selfcorrect.commands.correct.batch_report import (
    LISTED,
    find_exit_code,
    format_table,
    summarize_results,
    write_correction_report,
)
from selfcorrect.commands.correct.file_result import (
    BodyFigures,
    CheckFigures,
    ContactFigures,
    FileContent,
    FileFigures,
    FileResult,
    JointFigures,
    SimulationFigures,
    merge_results,
)
from selfcorrect.simulators.results.results import Failure, FailureKind


def results(count: int) -> list[FileResult]:
    content = FileContent(checked=CheckFigures(failed_checks=("F4",)))
    figures = FileFigures(large_move_reason="moved by up to 0.42 m: spikes")
    return [FileResult(f"in/{n}.bvh", f"{n}.bvh", "accepted", content=content, figures=figures) for n in range(count)]


def test_few_files_are_all_named() -> None:
    summary = summarize_results(results(LISTED), "out/")
    assert summary[0] == f"Corrected {LISTED} of {LISTED} motions; written to out/"
    assert summary[LISTED] == f"{LISTED - 1}.bvh: moved by up to 0.42 m: spikes"
    assert summary[LISTED + 1].endswith(" more, in the report")
    few = summarize_results(results(3), "out/")
    assert few[4].endswith("; ".join(f"{index}.bvh (floor elsewhere)" for index in range(3)))


def test_moved_floors_are_summarised() -> None:
    """Floors off by over a centimetre are summarised by median and standard deviation."""
    moves = [BodyFigures(floor_m=height_m, raised_m=-height_m) for height_m in (-0.024, -0.028, -0.026, 0.004)]
    figures = [FileFigures(body=body) for body in moves]
    accepted = [replace(result, figures=figure) for result, figure in zip(results(4), figures, strict=True)]
    first = summarize_results(accepted, "out/")[0]
    assert "26 mm" in first
    assert "3 motions, ± 2 mm" in first
    assert "--keep-level" in first
    assert "--keep-level" not in "".join(summarize_results(accepted[3:], "out/"))


def test_moved_clean_motion_is_announced() -> None:
    (clean,) = results(1)
    moved = replace(clean, verdict="unchanged", figures=FileFigures(body=BodyFigures(floor_m=0.035, raised_m=-0.035)))
    first = summarize_results([moved], "out/")[0]
    assert "1 needed no correction" in first
    assert "down by 35 mm" in first
    assert "--keep-level" in first


def test_rejected_motions_are_not_moved() -> None:
    rejected = [replace(result, verdict="rejected") for result in results(2)]
    assert not any("moved by" in line for line in summarize_results(rejected, "out/"))
    assert "moved by" in "".join(summarize_results([*rejected, replace(rejected[0], verdict="partly")], "out/"))


def test_unwritten_file_uses_input_name() -> None:
    failed = FileResult("in/far/a.fbx", "far/a.glb", "failed", reason="not readable")
    written = FileResult("in/far/b.fbx", "far/b.glb", "accepted")
    table = format_table([failed, written])
    assert [line.split()[0] for line in table[1:]] == [str(Path("far/a.fbx")), "far/b.glb"]
    assert "a.fbx" in summarize_results([failed, written], "out/")[-1]


@pytest.mark.parametrize("after_m_s", [0.198, 0.02])
def test_worse_motion_is_not_counted(after_m_s: float) -> None:
    """Without residual force, a body may stray, slide and end far from the motion."""
    (followed,) = results(1)
    figures = FileFigures(
        before={"slip_m": 0.014, "slip_m_s": 0.027}, after={"slip_m": after_m_s / 2, "slip_m_s": after_m_s}
    )
    followed = replace(followed, stage="simulated", figures=figures)
    summary = summarize_results([followed], "out/")
    is_worse = after_m_s > 0.027
    assert summary[0].startswith("Corrected 0 of 1" if is_worse else "Corrected 1 of 1")
    assert summary[1].startswith("1 motion became worse in a figure: 0.bvh (") == is_worse
    assert ("slip 14.0 → 99.0 mm per stance" in summary[1]) == is_worse


def test_non_finite_figures_keep_json(tmp_path: Path) -> None:
    simulation = SimulationFigures(over_time={"x": [-math.inf]})
    figures = FileFigures({"jerk": math.nan}, joints=JointFigures(furthest_m=math.inf), simulation=simulation)
    odd = FileResult("a", "a.bvh", "accepted", figures=figures)
    write_correction_report(tmp_path / "report.json", {}, ["accepted"], [odd])
    (motion,) = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)["motions"]
    assert (motion["before"]["jerk"], motion["furthest_m"], motion["over_time"]["x"]) == (None, None, [None])


def make_corrected(before: dict[str, float], after: dict[str, float]) -> FileResult:
    (result,) = results(1)
    return replace(result, content=FileContent(frames=60), figures=FileFigures(before=before, after=after))


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        ({"slip_m_s": 0.134, "floating_m": 0.001}, {"slip_m_s": 0.199, "floating_m": 0.001}, True),
        ({"slip_m_s": 0.134, "floating_m": 0.001}, {"slip_m_s": 0.140, "floating_m": 0.001}, False),
        ({"slip_m_s": 0.0, "floating_m": 0.060}, {"slip_m_s": 0.050, "floating_m": 0.001}, True),
        ({"penetration_m": 0.0, "floating_m": 0.680}, {"penetration_m": 0.0066, "floating_m": 0.001}, False),
        ({"penetration_m": 0.0, "floating_m": 0.020}, {"penetration_m": 0.020, "floating_m": 0.001}, True),
        ({"penetration_m": 0.0, "floating_m": 0.0}, {"penetration_m": 0.005, "floating_m": 0.0}, True),
    ],
)
def test_growing_figures_are_worse(before: dict[str, float], after: dict[str, float], is_worse: bool) -> None:
    assert bool(make_corrected(before, after).worse) == is_worse


@pytest.mark.parametrize("count", [1, 2])
def test_scenes_are_never_worse(count: int) -> None:
    """A loaded body that climbs a slope follows the level walk, but slides more."""
    plain = replace(make_corrected({"slip_m_s": 0.02}, {"slip_m_s": 0.64}), stage="simulated")
    simulation = SimulationFigures(in_scene=True)
    ground = ContactFigures(lost_contacts=0.4)
    in_scene = replace(plain, figures=replace(plain.figures, simulation=simulation, ground=ground))
    file = merge_results([in_scene] * count)
    summary = summarize_results([file], "out/")
    assert merge_results([plain] * count).worse
    assert file.worse == []
    assert summary[0].startswith("Corrected 1 of 1")
    assert any("followed a scene" in line for line in summary)


def test_worse_motion_in_set_counts() -> None:
    good = make_corrected({"slip_m_s": 0.1}, {"slip_m_s": 0.0})
    ground = ContactFigures(lost_contacts=0.4, lost_contacts_height_m=0.085)
    lifted = replace(good, figures=replace(good.figures, ground=ground))
    file = merge_results([good, lifted])
    assert file.worse == ["motion 1: 40% of contacts lost: feet float 85 mm above the floor"]
    assert summarize_results([file], "out/")[0].startswith("Corrected 0 of 1")


@pytest.mark.parametrize("names", [(), ("T-pose", "walk")])
@pytest.mark.parametrize(("suffix", "is_rig"), [(".fbx", True), (".glb", True), (".tar", False), (".parquet", False)])
def test_pose_beside_walk_is_ignored(names: tuple[str, ...], suffix: str, is_rig: bool) -> None:
    """A rig's T-pose is not a motion.

    A set leaves out what was not corrected, so there it counts as missing.
    """
    walk = replace(make_corrected({}, {}), source=f"a{suffix}")
    failure = asdict(Failure(FailureKind.TOO_SHORT, value=2, limit=4))
    pose = replace(walk, verdict="rejected", reason="too short", failure=failure, content=FileContent(frames=2))
    file = merge_results([pose, walk], names)
    assert file.verdict == ("accepted" if is_rig else "partly")
    remark = f"{names[0] if names else 'motion 0'} is a pose of 2 frames"
    assert (remark in file.figures.not_corrected) == is_rig
    assert merge_results([pose, pose], names).verdict == "rejected"


@pytest.mark.parametrize("length", [5, 80, 300])
@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("verdict", ["accepted", "partly", "rejected"])
def test_lines_stay_short(length: int, count: int, verdict: Literal["accepted", "partly", "rejected"]) -> None:
    """Lines stay short whatever the names and figures; the report holds what is cut."""
    worse = {"penetration_m": 0.3, "slip_m": 1.0, "slip_m_s": 2.0, "jerk_m_s3": 9e4}
    before = dict.fromkeys(worse, 0.0)
    ground = ContactFigures(supports=[{}], lost_contacts=0.5)
    drifts = FileFigures(before, worse, ground=ground, large_move_reason="spikes", not_corrected="it drifts " * 20)
    motions = [{"verdict": "rejected", "name": "y" * length}] * count if verdict == "partly" else []
    long_results = [
        replace(result, name=f"{'x' * length}{result.name}", verdict=verdict, figures=drifts, motions=motions)
        for result in results(count)
    ]
    lines = [line for text in summarize_results(long_results, "out/") for line in text.splitlines()]
    assert max(map(len, lines)) < 120
    assert any("in the report" in line for line in lines) or count < 40


@pytest.mark.parametrize("as_folder", [True, False])
def test_equal_suffixes_write_both(tmp_path: Path, as_folder: bool) -> None:
    """FBX, which is written as glTF, avoids the name of a glTF file beside it.

    This holds whether a folder or files are named.
    """
    names = {"a.fbx": "a.fbx.glb", "a.glb": "a.glb", "a.bvh": "a.bvh", "b.FBX": "b.glb", "b.bvh": "b.bvh"}
    files = [tmp_path / "in" / name for name in names]
    files[0].parent.mkdir()
    for file in files:
        file.touch()
    inputs = [tmp_path / "in"] if as_folder else files
    assert {task.source.name: task.name for task in make_tasks(inputs, tmp_path / "out")} == names


def test_table_shows_faults_only() -> None:
    before = {"penetration_m": 0.026, "floating_m": 0.0, "slip_m": 0.423, "slip_m_s": 0.746, "jerk_m_s3": 100.0}
    after = {"penetration_m": 0.0, "floating_m": 0.001, "slip_m": 0.055, "slip_m_s": 0.089, "jerk_m_s3": 95.0}
    body = BodyFigures(moved_m=0.054, raised_m=0.045, floor_m=-0.045)
    mended = replace(make_corrected(before, after), figures=FileFigures(before, after, body))
    clean = replace(make_corrected(after, after), verdict="unchanged")
    head, first, second = format_table([mended, clean])
    assert re.split(r"\s{2,}", head) == ["file", "result", "moved", "what was wrong"]
    faults = "floor 45 mm too low, penetration 26 → 0 mm, slip 423 → 55 mm per stance"
    assert re.split(r"\s{2,}", first) == ["0.bvh", "corrected", "54 mm", faults]
    assert re.split(r"\s{2,}", second) == ["0.bvh", "unchanged", "0 mm", "nothing found"]


def test_damage_exits_1() -> None:
    whole, damaged = results(2)
    damaged = replace(damaged, content=FileContent(damage=("39 frames expected, 4 found",)))
    assert find_exit_code([whole]) == 0
    assert find_exit_code([whole, damaged]) == 1
    summary = summarize_results([whole, damaged], "out/")
    assert summary[1] == "Warning: 1 input is damaged: 1.bvh (39 frames expected, 4 found)"
