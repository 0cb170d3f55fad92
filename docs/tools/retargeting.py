"""Measure what correction changes in references that programs make for robots and characters.

    python docs/tools/retargeting.py path/to/cmu-bvh   # correct the clips, write the kept rows, fill the page
    python docs/tools/retargeting.py                   # fill the page from docs/results/retargeting.csv

The clips of the test split on level ground become AMASS files of the average body. Each one, and its correction, is put
down as the programs do it, by one shift of the clip: ProtoMotions puts the lowest joint at 15 mm, MimicKit the lowest
joint of the first 30 frames at 25 mm, or leaves the height, PHC the lowest point of the body in the first frame at 0,
and GMR the lowest joint at 0. Bodies of robots are left out. The uncorrected clip decides in which frames a foot
stands.

The same clips also become AMASS files of their persons: with the root where it was, and with a shape. What is corrected
on the average body is then seen on the bones of the person, as programs with a body model see it, and once more for
files whose shape is left out, so that the feet of the average body come to zero.
"""

from __future__ import annotations

import csv
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tables import fill_marked, make_table

from selfcorrect import correct_file, correct_files
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.people import amass
from selfcorrect.experiments import cli
from selfcorrect.motion.body.smpl import SMPL_H, Body, average_body, to_smpl
from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.checks.references import LABEL_HEIGHT_M, LABEL_SPEED_M_S, measure_reference
from selfcorrect.motion.geometry.kinematics import joint_positions, world_poses
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.observation import Observation, find_feet_m, observe

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "results" / "retargeting.csv"
PAGE = ROOT / "docs" / "retargeting.md"
NOT_LEVEL = ("terrain", "climb", "playground")
"""Words in descriptions of clips that are not on level ground."""
FIRST_FRAMES = 30


def find_lowest_joint_m(motion: Motion) -> float:
    return float(joint_positions(motion)[..., 1].min())


def find_lowest_sole_m(motion: Motion) -> float:
    return float(world_sole_points(motion.skeleton, *world_poses(motion))[..., 1].min())


SHIFTS_M: dict[str, Callable[[Motion], float]] = {
    "ProtoMotions": lambda motion: 0.015 - find_lowest_joint_m(motion),
    "MimicKit": lambda motion: 0.025 - find_lowest_joint_m(motion.frames(0, FIRST_FRAMES)),
    "MimicKit, --z_correction none": lambda motion: 0.0,
    "PHC": lambda motion: -find_lowest_sole_m(motion.frames(0, 1)),
    "GMR": lambda motion: -find_lowest_joint_m(motion),
}
"""By how much each program raises a clip."""


def measure_clip(motion: Motion, stance: Observation) -> Iterator[dict[str, object]]:
    """Yield the figures of a clip for each program; `stance` says which feet stand."""
    feet_m = find_feet_m(motion)
    heights_m = feet_m[:, :, -1, 1]
    speeds_m_s = np.linalg.norm(np.gradient(feet_m[:, :, -1], 1 / motion.fps, axis=0), axis=-1)
    soles_m = heights_m[stance.stands] - stance.sole_depth_m
    for program, find_shift_m in SHIFTS_M.items():
        shift_m = find_shift_m(motion)
        labels = (heights_m + shift_m < LABEL_HEIGHT_M) & (speeds_m_s < LABEL_SPEED_M_S)
        yield {
            "program": program,
            "stance_height_m": f"{np.median(soles_m) + shift_m:.5f}",
            "slide_m_s": f"{stance.standing_speed_m_s(motion):.5f}",
            "labelled": f"{labels.any(axis=1).mean():.5f}",
            "lost_labels_hz": f"{count_lost_labels(labels, stance.stands) / stance.stands.sum() * motion.fps:.5f}",
        }


def count_lost_labels(labels: np.ndarray, stands: np.ndarray) -> int:
    """Count how often the label of a foot goes and comes back within a stance."""
    lost = 0
    for foot in range(2):
        for start, stop in find_runs(stands[:, foot]):
            lost += max(len(find_runs(labels[start:stop, foot])) - 1, 0)
    return lost


def write_person(path: Path, person: Motion, betas: float) -> None:
    """Write the AMASS file of a person, with a shape that only says that the person is not the average one."""
    path.parent.mkdir(exist_ok=True)
    amass.write(path, person, Body(person.skeleton, average_body().pelvis_m, "person"))
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "betas": np.full(16, betas)})


def measure_persons(clips: list[Path], folder: Path) -> Iterator[dict[str, object]]:
    """Yield the heights of the floor under persons, before and after the correction of their files."""
    persons = {path.stem: to_smpl(open_motion(path).motion, SMPL_H) for path in clips}
    for name, person in persons.items():
        write_person(folder / "shaped" / f"{name}.npz", person, betas=1.0)
        write_person(folder / "shapeless" / f"{name}.npz", person, betas=0.0)
    correct_files([folder / "shaped"], folder / "of shaped", workers=1)
    correct_files([folder / "shapeless"], folder / "of shapeless", workers=1)
    for name, person in persons.items():
        yield _describe_person(name, "before", person)
        for when, corrected in (("after", "of shaped"), ("after, without shape", "of shapeless")):
            motion = open_motion(folder / corrected / f"{name}.npz").motion
            yield _describe_person(name, when, replace(person, root_m=motion.root_m, rotations=motion.rotations))


def _describe_person(clip: str, when: str, person: Motion) -> dict[str, object]:
    return {"clip": clip, "when": when, "program": "person", "stance_height_m": f"{observe(person).floor_m:.5f}"}


def measure_sample(folder: Path) -> Iterator[dict[str, object]]:
    """Yield the figures of the spoiled walk of `data samples` as a reference, before and after its correction."""
    cli.main(["data", "samples", "--out", str(folder / "samples"), "--clip", "spoiled-walk"])
    correct_file(folder / "samples" / "bvh.bvh", folder / "corrected.bvh")
    for when, name in (("before", "samples/bvh.bvh"), ("after", "corrected.bvh")):
        figures = measure_reference(open_motion(folder / name).motion)
        shown = {key: f"{figures[key]:.5f}" for key in ("stance_height_m", "slide_m_s", "noise_m", "first_frame_m")}
        yield {"clip": "spoiled-walk", "when": when, "program": "sample", **shown}


def measure_clips(data: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of all clips, before and after their correction."""
    with (data / "index.csv").open(encoding="utf-8") as file:
        clips = [row for row in csv.DictReader(file) if row["split"] == "test"]
    level = [clip for clip in clips if not any(word in clip["description"].lower() for word in NOT_LEVEL)]
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given")
        for clip in level:
            path = data / clip["file"]
            with warnings.catch_warnings(action="ignore"):
                save_motion(given / f"{path.stem}.npz", open_motion(path).motion)
        correct_files([given], Path(folder, "corrected"), workers=1)
        for path in sorted(given.glob("*.npz")):
            before = open_motion(path).motion
            after = open_motion(Path(folder, "corrected", path.name)).motion
            stance = observe(before)
            for when, motion in (("before", before), ("after", after)):
                for figures in measure_clip(motion, stance):
                    yield {"clip": path.stem, "when": when, **figures}
        yield from measure_sample(Path(folder))
        yield from measure_persons([data / clip["file"] for clip in level], Path(folder))


def make_program_table(rows: list[dict[str, str]]) -> str:
    """Return the table of the page."""
    clips = len({row["clip"] for row in rows if row["program"] in SHIFTS_M})
    lines = []
    for program in SHIFTS_M:
        of_program = [row for row in rows if row["program"] == program]
        lines.append(_row(f"{program}: heights of standing soles, 5 to 95 % of clips", of_program, _describe_heights))
    labelled = [row for row in rows if row["program"] == "ProtoMotions"]
    lines += [
        _row("ProtoMotions: frames with a contact label", labelled, _describe_labels),
        _row("ProtoMotions: labels lost while a foot stands", labelled, _describe_losses),
        _row("all: slide of standing feet", labelled, _describe_slides),
    ]
    return make_table([f"{clips} clips", "before", "after"], lines)


def make_person_table(rows: list[dict[str, str]]) -> str:
    """Return the table of persons."""
    lines = []
    for when in ("before", "after", "after, without shape"):
        of_persons = [row for row in rows if row["program"] == "person" and row["when"] == when]
        median_mm, most_mm = 1000 * np.percentile(np.abs(_values(of_persons, "stance_height_m")), (50, 95))
        lines.append([when, f"{median_mm:.0f} mm", f"{most_mm:.0f} mm"])
    return make_table(["feet of persons", "distance from zero, median", "95 % of clips within"], lines)


def make_sample_table(rows: list[dict[str, str]]) -> str:
    """Return the table of the spoiled walk."""
    lines = []
    for row in rows:
        if row["program"] == "sample":
            height_mm, slide_mm_s, noise_mm, air_mm = (
                1000 * float(row[key]) + 0.0 for key in ("stance_height_m", "slide_m_s", "noise_m", "first_frame_m")
            )
            cells = [f"{height_mm:+.0f} mm", f"{slide_mm_s:.0f} mm/s", f"{noise_mm:.1f} mm", f"{air_mm:.0f} mm"]
            lines.append([row["when"], *cells])
    return make_table(["spoiled walk", "stance feet", "slide", "jitter", "first frame in air"], lines)


def _row(title: str, rows: list[dict[str, str]], describe: Callable[[list[dict[str, str]]], str]) -> list[str]:
    return [title, *(describe([row for row in rows if row["when"] == when]) for when in ("before", "after"))]


def _values(rows: list[dict[str, str]], key: str) -> np.ndarray:
    return np.array([float(row[key]) for row in rows])


def _describe_heights(rows: list[dict[str, str]]) -> str:
    low_mm, high_mm = 1000 * np.percentile(_values(rows, "stance_height_m"), (5, 95))
    return f"{low_mm:+.0f} to {high_mm:+.0f} mm ({high_mm - low_mm:.0f} mm apart)"


def _describe_labels(rows: list[dict[str, str]]) -> str:
    return f"{_values(rows, 'labelled').mean():.0%}".replace("%", " %")


def _describe_losses(rows: list[dict[str, str]]) -> str:
    return f"{_values(rows, 'lost_labels_hz').mean():.2f} /s"


def _describe_slides(rows: list[dict[str, str]]) -> str:
    return f"{1000 * _values(rows, 'slide_m_s').mean():.0f} mm/s"


def fill_page(page: str) -> str:
    """Return the text of the page with the table of the kept rows."""
    with KEPT.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tables = {
        "programs": make_program_table(rows),
        "persons": make_person_table(rows),
        "sample": make_sample_table(rows),
    }
    return fill_marked(page, "table", tables)


def main(data: Annotated[Path | None, tyro.conf.Positional] = None) -> None:
    """Measure the clips of a folder, if one is given, and fill the page."""
    if data is not None:
        rows = list(measure_clips(data))
        with KEPT.open("w", encoding="utf-8", newline="") as file:
            columns = dict.fromkeys(key for row in rows for key in row)
            writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
