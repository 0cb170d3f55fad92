"""`selfcorrect correct` writes files and folders of the same kind, and reports on each motion."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymotion.io.bvh as pymotion
import pytest
from helpers import Says, bytes_of, correct_in_pieces, report_of
from made_motions import made_motion, remove_travel
from made_rigs import base_walk
from pymotion.ops.skeleton import fk as pymotion_kinematics

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import read_bvh, write_bvh
from selfcorrect.motion.body.smpl import average_body
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle, retime
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures import moves
from selfcorrect.motion.measures.physical import ERRORS, SLIP, SLIP_SPEED
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.humanoid import build_humanoid, estimate_mass_kg
from selfcorrect.simulators.corrector import PhysicsCorrector

KINEMATIC = ["--kinematic"]


def test_scene_options(folder):
    assert main(["correct", "clips/steps.bvh", "-o", "plain", "--raw"]) in (0, 1), "raw states may be rougher"
    assert main(["correct", "clips/steps.bvh", "-o", "laden", "--scene.load-kg", "30", "--scene.slope-deg", "5"]) == 0
    assert report_of(folder / "laden")["steps.bvh"]["verdict"] == "accepted"
    plain = sum(_loads(folder / "plain"))
    laden = sum(_loads(folder / "laden"))
    assert laden > plain + 0.2
    assert json.loads((folder / "laden" / "report.json").read_text())["settings"]["scene"]["load_kg"] == 30.0


def test_report_as_json(folder: Path, says: Says) -> None:
    printed = says("correct clips/steps.bvh -o printed --kinematic --json")
    assert json.loads(printed) == json.loads((folder / "printed" / "report.json").read_text())


def test_lost_path_is_restored_or_reported(folder: Path, says: Says) -> None:
    """From some frame on, a body walks without its path, and feet that bear its weight slide."""
    walk = base_walk(4)
    lost_m = walk.root_m.copy()
    lost_m[90:, [0, 2]] = lost_m[90, [0, 2]]
    save_motion(folder / "lost.bvh", replace(walk, root_m=lost_m))
    save_motion(folder / "walk.bvh", walk)
    printed = says("correct lost.bvh -o restored --kinematic")
    assert re.search(r"^lost\.bvh: frames .* moved along the floor", printed, re.M)
    assert report_of(folder / "restored")["lost.bvh"]["faults_left"] == []
    keep_path = "-o out --keep path --kinematic"
    says(f"correct walk.bvh {keep_path}")
    assert "Faults remain in 1 corrected motion: lost.bvh (a foot slips" in says(
        f"correct walk.bvh lost.bvh {keep_path}", code=1
    )
    entries = report_of(folder / "out")
    assert entries["walk.bvh"]["faults_left"] == []
    (fault,) = entries["lost.bvh"]["faults_left"]
    assert re.search(r": frames (8[5-9]|9[0-5])–.*\[F11 sliding-stance\]$", fault)


@pytest.mark.parametrize(("seconds", "rules"), [(1.6, ["F3"]), (2.0, ["F11"]), (6.0, [])])
def test_sliding_short_clip_is_fault(folder: Path, says: Says, seconds: float, rules: list[str]) -> None:
    """Sliding counts as intended only in long clips; in a short one, feet that never stand show nothing."""
    stand = made_motion("idle", frames=round(30 * seconds))
    way_m = 0.38 * np.arange(len(stand)) / stand.fps
    save_motion(folder / "slide.bvh", replace(stand, root_m=stand.root_m + way_m[:, None] * [1.0, 0.0, 0.0]))
    says("correct slide.bvh -o out --kinematic", code=len(rules))
    faults = report_of(folder / "out")["slide.bvh"]["faults_left"]
    found = {re.findall(r"\[(F\d+)", fault)[0] for fault in faults}
    assert bool(found) == bool(rules)
    assert found >= set(rules)


def test_lower_ground_is_no_fault(tmp_path: Path) -> None:
    """Somebody steps down by 0.3 m. `check` takes that for feet in the floor, because no file shows the step."""
    walk = base_walk(4)
    down_m = -0.3 * np.clip((np.arange(len(walk)) - 0.7 * len(walk)) / 15, 0.0, 1.0)
    save_motion(tmp_path / "down.bvh", replace(walk, root_m=walk.root_m + down_m[:, None] * [0.0, 1.0, 0.0]))
    (result,) = sc.correct_files(tmp_path / "down.bvh", tmp_path / "out", kinematic=True)
    values = result.to_values()
    assert not values["faults_left"]
    assert any("F1" in finding for finding in values["left_on_purpose"])


def _loads(out: Path) -> list[float]:
    """Return the mean load of each contact of the only motion, by duration."""
    motion = report_of(out)["steps.bvh"]
    return [
        contact["load_bodyweights"] * (contact["last_frame"] - contact["first_frame"] + 1) / motion["frames"]
        for contact in motion["contacts"]
    ]


@pytest.mark.slow
def test_bodies_without_help_get_none(folder):
    pytest.importorskip("mujoco")
    code = main(["correct", "clips/steps.bvh", "-o", "alone", "--strength", "residual-free"])
    entry = report_of(folder / "alone")["steps.bvh"]
    assert entry["residual"]["residual_force_bodyweights"] == entry["residual"]["residual_torque_nm"] == 0.0
    assert not any(entry["over_time"]["residual_force_bodyweights"])
    assert entry["verdict"] == "accepted"
    assert code == bool(entry["worse"])
    assert all(figure.startswith("jerk") for figure in entry["worse"]), "only smooth made-up steps become rougher"
    settings = json.loads((folder / "alone" / "report.json").read_text())["settings"]
    assert (settings["strength"], settings["engine"]) == ("residual-free", "mujoco")


def test_formats_round_trip(folder: Path, says: Says) -> None:
    before = bytes_of(folder / "clips")
    output = says("correct clips --kinematic")
    assert bytes_of(folder / "clips") == before
    for name in ("steps.bvh", "deep/steps.npz", "rows.npy", "deep/joints.npy"):
        old = open_motion(folder / "clips" / name).motion
        new = open_motion(folder / "corrected" / name).motion
        assert (len(new), new.fps, new.skeleton.names) == (len(old), old.fps, old.skeleton.names)
        assert re.search(rf"^{re.escape(name)} +corrected ", output, re.MULTILINE)
    assert "Corrected 4 of 4 motions; written to corrected/" in output
    np.testing.assert_allclose(new.skeleton.offsets_m, old.skeleton.offsets_m, atol=0.01)


@pytest.mark.parametrize("slab", [7, 4096])  # frames that are measured at once
def test_report_states_repairs(folder: Path, slab: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "SLAB", slab)
    assert main(["correct", "clips/steps.bvh", "-o", "out", "--strength", "faithful"]) == 0
    motion = report_of(folder / "out")["steps.bvh"]
    assert (motion["verdict"], motion["output"], motion["frames"], motion["fps"]) == ("accepted", "corrected", 45, 30.0)
    assert motion["before"]["penetration_m"] == pytest.approx(0.065, abs=0.005)
    assert motion["after"]["penetration_m"] < 0.1 * motion["before"]["penetration_m"]
    assert set(motion["after"]) == {figure.key for figure in (*ERRORS, SLIP, SLIP_SPEED)}
    assert motion["notes"][0] == "unit 0.01 m inferred (--metres-per-unit)"
    assert motion["residual"]["residual_force_bodyweights"] > 0
    assert {contact["part"] for contact in motion["contacts"]} == {"left foot", "right foot"}
    assert all(0.05 < contact["load_bodyweights"] < 3 for contact in motion["contacts"])
    force = motion["over_time"]["residual_force_bodyweights"]
    assert (len(force), len(motion["over_time"]["residual_torque_nm"])) == (45, 45)
    assert np.mean(force[1:]) == pytest.approx(motion["residual"]["residual_force_bodyweights"], abs=2e-3)
    assert 60 < motion["mass_kg"] < 80
    old = read_bvh(folder / "clips" / "steps.bvh").motion
    new = read_bvh(folder / "out" / "steps.bvh").motion
    moved_m = np.linalg.norm(joint_positions(new) - joint_positions(old), axis=-1)
    assert motion["moved_m"] == pytest.approx(moved_m.mean(), abs=1e-5)
    assert motion["raised_m"] == pytest.approx(np.median((new.root_m - old.root_m)[:, 1]), abs=1e-5)
    assert list(motion["moved_by_joint_m"].values()) == pytest.approx(moved_m.mean(axis=0), abs=1e-5)
    frame, joint = np.unravel_index(moved_m.argmax(), moved_m.shape)
    assert motion["furthest_m"] == pytest.approx(moved_m[frame, joint], abs=1e-5)
    assert (motion["furthest_frame"], motion["furthest_joint"]) == (frame, new.skeleton.names[joint])
    added_deg_s = np.degrees(added_angular_speeds_rad_s(old, new))
    assert list(motion["added_angular_speed_deg_s"]) == list(new.skeleton.names)
    assert list(motion["added_angular_speed_deg_s"].values()) == pytest.approx(added_deg_s, abs=0.05)
    assert 1.0 < added_deg_s.max() < 150.0
    settings = json.loads((folder / "out" / "report.json").read_text())["settings"]
    assert settings["strength"] == 0.0


def test_mass_option_overrides_shape(folder: Path) -> None:
    body = average_body().skeleton
    assert estimate_mass_kg(replace(body, mass_kg=101.0)) == 101.0 > estimate_mass_kg(body)
    assert build_humanoid(replace(body, mass_kg=101.0)).total_mass_kg == pytest.approx(101.0)
    assert build_humanoid(replace(body, mass_kg=101.0), mass_kg=60.0).total_mass_kg == pytest.approx(60.0)
    assert main(["correct", "clips/steps.bvh", "--mass-kg", "50"]) == 0
    assert report_of(folder / "corrected")["steps.bvh"]["mass_kg"] == 50


def joints_by_pymotion(path: Path, frames: list[int], names: tuple[str, ...]) -> np.ndarray:
    """Return an independent reader's joint positions (frames, joints, 3) in the world, in the unit of a BVH file."""
    clip = pymotion.BVH()
    clip.load(str(path))
    rotations, positions, parents, offsets, _, _ = clip.get_data()
    joints, _ = pymotion_kinematics(rotations[frames], positions[frames, 0], offsets, parents)
    return joints[:, [clip.data["names"].tolist().index(name) for name in names]]


def test_support_options(folder: Path, stepping: Motion, says: Says) -> None:
    """Options say what carries half a motion 0.35 m up.

    A step carries it by default. It sinks to the floor, or it is left at its height.
    """
    high = np.linspace(-3, 3, 90)[:, None].clip(0, 1) * [0.0, 0.35, 0.0]
    rotations = np.concatenate([stepping.rotations, stepping.rotations])
    root_m = np.concatenate([stepping.root_m, stepping.root_m]) + high
    save_motion(folder / "up.bvh", replace(stepping, root_m=root_m, rotations=rotations), "bvh")
    codes = {"infer": 0, "floor": 1, "off": 0}  # without a step, feet that rise are a fault that remains
    supports_by_name = {
        choice: says(f"correct up.bvh -o {choice} --kinematic --support {choice}", code=code)
        for choice, code in codes.items()
    }
    reports = {choice: report_of(folder / choice)["up.bvh"] for choice in codes}
    supports = reports["infer"]["supports"]
    assert {support["part"] for support in supports} == {"left foot", "right foot"}
    assert [support["top_m"][1] for support in supports] == pytest.approx([0.35] * len(supports), abs=0.03)
    assert "1 motion stands on steps, seats or other supports: up.bvh" in supports_by_name["infer"]
    assert "moved by up to" not in supports_by_name["infer"]
    assert reports["floor"]["supports"] == reports["off"]["supports"] == []
    assert "height left unchanged" in reports["off"]["notes"]
    assert reports["off"]["moved_m"] < reports["infer"]["moved_m"]


def test_large_move_is_explained(folder: Path, stepping: Motion, says: Says) -> None:
    raised = replace(stepping, root_m=stepping.root_m + np.array([0.0, 0.6, 0.0]))
    save_motion(folder / "raised.bvh", raised, "bvh")
    output = says("correct raised.bvh -o down --kinematic")
    assert re.search(r"^raised\.bvh: moved by up to 0\.[56]\d m: the motion was put on the floor$", output, re.M)
    assert report_of(folder / "down")["raised.bvh"]["large_move_reason"].startswith("moved by up to")


def test_path_is_kept_by_default(folder: Path, walk: Motion, says: Says) -> None:
    """Steps in place are kept, and so are jumps between takes, of which one goes on two metres away."""
    row = repeat_cycle(close_cycle(walk), 3)
    away_m = np.where(np.arange(len(row)) < len(row) // 2, 0.0, 2.0)[:, None] * [1.0, 0.0, 0.0]
    save_motion(folder / "spot.bvh", remove_travel(row), "bvh")
    save_motion(folder / "takes.bvh", replace(row, root_m=row.root_m + away_m), "bvh")
    output = says("correct spot.bvh takes.bvh -o kept --kinematic")
    belt_m_s = re.search(r"^spot\.bvh: the body stays in place, as on a treadmill at (\d\.\d) m/s", output, re.M)
    assert belt_m_s
    assert float(belt_m_s[1]) == pytest.approx(np.linalg.norm(row.root_m[-1] - row.root_m[0]) / row.seconds, abs=0.1)
    assert "became worse" not in output
    assert re.search(r"^takes\.bvh: cuts between takes at frames 5\d", output, re.M)
    says("correct spot.bvh takes.bvh -o asked --kinematic --remove-drift --join-takes")
    entries = report_of(folder / "kept")
    asked = report_of(folder / "asked")
    for name, least_m in (("spot.bvh", 2.0), ("takes.bvh", 1.0)):
        assert entries[name]["travel_changed_m"] < 0.01
        assert entries[name]["turn_changed_deg"] < 0.1
        assert entries[name]["not_corrected"] in entries[name]["notes"]
        assert asked[name]["travel_changed_m"] > least_m
        assert not asked[name]["not_corrected"]


@pytest.mark.parametrize("name", ["train/60_01.bvh", "train/35_01.bvh"])
def test_cmu_skeletons_round_trip(name: str, cmu: Path, tmp_path: Path) -> None:
    """Skeleton, channels and rate round-trip, and another reader finds the same joints."""
    clip = read_bvh(cmu / name)
    stretches_m = {joint: track_m[:60] for joint, track_m in clip.stretches_m.items()}
    write_bvh(tmp_path / "cut.bvh", replace(clip, motion=clip.motion.frames(0, 60), stretches_m=stretches_m))
    assert main(["correct", str(tmp_path / "cut.bvh"), "-o", str(tmp_path / "out")]) == 0
    old = read_bvh(tmp_path / "cut.bvh")
    new = read_bvh(tmp_path / "out" / "cut.bvh")
    assert (new.channels, new.end_sites, new.motion.fps) == (old.channels, old.end_sites, old.motion.fps)
    assert new.motion.skeleton.names == old.motion.skeleton.names
    np.testing.assert_allclose(new.offsets, old.offsets, atol=1e-6)
    frames = [0, 30, 59]
    names = new.motion.skeleton.names
    jointed = [joint for joint in range(len(names)) if joint not in new.end_sites]
    path = tmp_path / "out" / "cut.bvh"
    read_m = new.metres_per_unit * joints_by_pymotion(path, frames, tuple(names[joint] for joint in jointed))
    np.testing.assert_allclose(read_m, joint_positions(new.motion)[frames][:, jointed], atol=2e-5)
    motion = report_of(tmp_path / "out")["cut.bvh"]
    assert motion["after"]["penetration_m"] <= motion["before"]["penetration_m"] + 0.0015, "feet give way by 3 mm"
    assert 0 < motion["moved_m"] < 0.05


def test_engine_option(folder: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    pytest.importorskip("mujoco")
    for engine in ("pybullet", "mujoco"):
        assert main(["correct", "clips/steps.bvh", "-o", engine, "--engine", engine, "--simulate", "always"]) == 0
        assert report_of(folder / engine)["steps.bvh"]["after"]["penetration_m"] < 0.005
    contents = [(folder / engine / "steps.bvh").read_bytes() for engine in ("pybullet", "mujoco")]
    assert contents[0] != contents[1]
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.delitem(sys.modules, "selfcorrect.simulators.engines.mujoco_world", raising=False)
    assert "mujoco" in says("correct clips/steps.bvh -o no --engine mujoco", code=2)


@pytest.mark.slow
def test_long_motion_has_no_seams(cmu: Path) -> None:
    """A walk corrected in three pieces is as smooth and clean as in one, and in the same place."""
    motion = open_motion(cmu / "test" / "94_13.bvh").motion
    uncut = PhysicsCorrector()([motion])[0]
    joined = correct_in_pieces(PhysicsCorrector(), motion, piece_frames=200)
    assert joined.accepted
    assert joined.diagnostics["penetration_m_after"] < uncut.diagnostics["penetration_m_after"] + 0.001
    joints_m = [joint_positions(correction.motion) for correction in (uncut, joined)]
    assert np.linalg.norm(joints_m[1] - joints_m[0], axis=-1).mean() < 0.01
    jerks = [np.linalg.norm(np.diff(each_m, n=3, axis=0), axis=-1).mean(axis=1).max() for each_m in joints_m]
    assert jerks[1] < 1.3 * jerks[0]


@pytest.mark.parametrize(
    ("suffix", "speed"), [(".bvh", 0.7), (".bvh", 1.0), (".npz", 1.4), (".npy", 0.7), (".npy", 1.0)]
)
def test_retiming_fixes_gravity(
    tmp_path: Path, stepping: Motion, suffix: str, speed: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A jump of 0.6 s that plays at another speed is restored to its duration."""
    times_s = np.arange(60) / 20.0
    flight_s = np.clip(times_s - 1.0, 0.0, 0.6)
    jump_m = 0.06 + 0.5 * 9.81 * flight_s * (0.6 - flight_s)
    still = stepping.frames(0, 1)
    root_m = still.root_m + jump_m[:, None] * np.array([0.0, 1.0, 0.0])
    jump = replace(still, root_m=root_m, rotations=np.tile(still.rotations, (60, 1, 1)), fps=20.0)
    played = replace(jump, fps=20.0 * speed) if suffix != ".npy" else retime(jump, speed)
    save_motion(tmp_path / f"jump{suffix}", played)
    flags = [] if suffix != ".bvh" else ["--metres-per-unit", "0.01"]
    for option in ([], ["--retime"]):
        out = tmp_path / f"out{len(option)}"
        main(["correct", str(tmp_path / f"jump{suffix}"), "-o", str(out), *KINEMATIC, *option, *flags])
        written = open_motion(out / f"jump{suffix}").motion
        assert written.fps == pytest.approx(played.fps)  # the file's own
        seconds = written.seconds
        asked = bool(option) and speed != 1.0
        assert seconds == pytest.approx(jump.seconds if asked else played.seconds, rel=0.04)
        notes = " ".join(report_of(out)[f"jump{suffix}"]["notes"])
        assert ("retimed" in notes) == asked
        assert ("[P1 pace]" in notes) == (speed != 1.0 and not option)
        assert (", pace" in capsys.readouterr().out) == (speed != 1.0 and not option)


def test_quiet_prints_problems_first(folder: Path, says: Says) -> None:
    (folder / "clips" / "zebra.bvh").write_text("HIERARCHY\n")
    for option, named in (("", ["zebra.bvh", "steps.bvh"]), ("--quiet", ["zebra.bvh"])):
        printed = says(f"correct clips/steps.bvh clips/zebra.bvh --kinematic {option}", code=1)
        assert [line.split()[0] for line in printed.splitlines() if ".bvh  " in line] == named
    printed = says("correct clips/steps.bvh -o other --kinematic --quiet")
    assert printed.startswith("Corrected 1 of 1 motions; written to other/; the floor was moved up by 6")
