"""Every option of reading has an effect or is refused, in every command."""

import contextlib
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_rigs import base_walk
from robustness.test_commands import options_of
from scipy.spatial.transform import Rotation
from smpl_files import model_numbers
from turned_joints import turn_joint

from selfcorrect.commands.cli import main
from selfcorrect.datasets.collections.deepmimic import load_deepmimic, on_smpl
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.storage.files.locks import LOCK

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

RunLine = Callable[[str], tuple[int, str, dict[str, bytes]]]

COMMANDS = {
    "correct": "correct IN --out out --kinematic",
    "check": "check IN",
    "view": "view IN --out out/page.html",
    "data check": "data check IN --json",
    "data stats": "data stats IN",
    "data convert": "data convert IN --out out --to joints",
    "data profile": "data profile IN b.bvh --out out/profile.json",
    "data shard": "data shard IN --out out --workers 1",
}
"""A line of each command that reads motions; IN is the file that the option is for."""

READING = {
    "metres_per_unit": ("a.bvh", "", "--metres-per-unit 0.03"),
    "fps": ("a.bvh", "", "--fps 50"),
    "up": ("a.bvh", "", "--up z!"),
    "body_model": ("a.npz", "", "--body-model model.npz"),
    "floor": ("a.bvh", "", "--floor -0.3"),
    "drop": ("a.bvh", "", "--drop"),
    "profile": ("a.bvh", "--verbose", "--profile profile.json"),
    "allow_pickle": ("a.npz", "--body-model model.pkl", "--allow-pickle"),
    "ground": ("a.bvh", "", "--ground ground.json"),
}
"""A file in which each option of reading matters, other options that it needs, and the option with a value."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    walk = next(on_smpl(motion) for motion in load_deepmimic() if motion.label == "walk")
    raised = replace(walk, root_m=walk.root_m + np.array([0.0, 0.25, 0.0]))
    save_motion(folder / "a.bvh", raised)
    save_motion(folder / "b.bvh", raised.frames(0, 20))
    save_motion(folder / "a.npz", raised)
    save_motion(folder / "b.npz", raised.frames(0, 20))
    save_motion(folder / "clips" / "a.bvh", raised)
    save_motion(folder / "clips" / "b.bvh", raised.frames(0, 20))
    save_motion(folder / "short.bvh", raised.frames(0, 2))
    level = base_walk()
    tilt = Rotation.from_rotvec([0.1, 0.0, 0.12])
    tilted = turn_joint(level, 0, tilt, outside=True)
    save_motion(folder / "tilted.bvh", replace(tilted, root_m=tilt.apply(level.root_m)))
    still = replace(
        raised, root_m=np.tile(raised.root_m[:1], (150, 1)), rotations=np.tile(raised.rotations[:1], (150, 1, 1))
    )
    ways_m = np.linspace(0.0, 2.0, len(still))[:, None] * [1.0, 0.0, 0.0]
    save_motion(folder / "drifting.bvh", replace(still, root_m=still.root_m + ways_m))
    noise_rad = np.random.default_rng(0).normal(0.0, 0.05, (raised.rotations[..., 0].size, 3))
    shaken = (Rotation.from_quat(raised.rotations.reshape(-1, 4)) * Rotation.from_rotvec(noise_rad)).as_quat()
    save_motion(folder / "noisy.bvh", replace(raised, rotations=shaken.reshape(raised.rotations.shape)))
    cut_m = np.where(np.arange(len(raised)) < 20, 0.0, 2.0)[:, None] * [1.0, 0.0, 1.0]
    save_motion(folder / "takes.bvh", replace(raised, root_m=raised.root_m + cut_m))
    frames = np.arange(len(raised)) // 2 * 2
    save_motion(
        folder / "repeated.bvh", replace(raised, root_m=raised.root_m[frames], rotations=raised.rotations[frames])
    )
    (folder / "contacts.json").write_text(json.dumps({"frames": len(raised), "fps": raised.fps}))
    for name in ("page.html", "page.png", "clips/a.npy", "samples/bvh.bvh", "set/SHA256SUMS"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    numbers = model_numbers(SMPL_H)
    numbers["v_template"] = 1.1 * numbers["v_template"]
    np.savez(folder / "model.npz", **numbers)
    (folder / "model.pkl").write_bytes(pickle.dumps(numbers))
    (folder / "ground.json").write_text(json.dumps({"floor_m": 0.1, "slope_deg": 8}))
    with contextlib.chdir(folder):
        assert main(["data", "profile", "a.bvh", "b.bvh", "--out", "profile.json"]) in (0, None)
    profile = json.loads((folder / "profile.json").read_text())
    for rig in profile["rigs"].values():
        rig["soles_m"] = [0.3, 0.3]
    (folder / "profile.json").write_text(json.dumps(profile))
    return folder


def run(words: Sequence[str], folder: Path) -> tuple[int, str, dict[str, bytes]]:
    """Return a command's exit code, text and products.

    Records of its options are left out.
    """
    output = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = main(words) or 0
        except SystemExit as error:  # of the parser
            code = int(error.code or 0)
    products = {}
    for path in sorted((folder / "out").rglob("*")):
        is_record = path.name in ("report.json", LOCK) or path.parent.name.startswith(".")
        if path.is_file() and not is_record:
            products[path.name] = path.read_bytes()
    return code, output.getvalue(), products


@pytest.fixture(scope="module")
def run_line(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunLine:
    """Return a function that runs a line once.

    The line runs in a copy of the inputs, and all cases compare with its result.
    """

    @cache
    def run_copy(line: str) -> tuple[int, str, dict[str, bytes]]:
        folder = tmp_path_factory.mktemp("run") / "place"
        shutil.copytree(inputs, folder, copy_function=os.link)  # body models are large, and inputs are never changed
        code, text, products = run(line.split(), folder)
        assert "Traceback" not in text
        assert "internal error" not in text
        return code, text, products

    return run_copy


def has_effect(line: str, option: str, run_line: RunLine) -> bool:
    """Return whether an option has an effect.

    An effect is a change of what a command prints or writes, or a refusal in a sentence.
    """
    code, text, products = run_line(line)
    new_code, new_text, new_products = run_line(f"{line} {option}")
    return (code, products) != (new_code, new_products) or strip_folders(text) != strip_folders(new_text)


def strip_folders(text: str) -> list[str]:
    """Return the lines of a text without progress bars."""
    return [line for line in re.split(r"[\r\n]+", text) if "%|" not in line and "it/s" not in line]


def list_reading_cases() -> list[tuple[str, str]]:
    """Pair options with commands, each at least once.

    Each option is tried with one command, and one option with each: all hand all of them on.
    """
    return [("correct", option) for option in READING] + [
        (command, "fps") for command in COMMANDS if command != "correct"
    ]


def test_reading_options_are_covered() -> None:
    assert set(READING) == {field.name for field in fields(Reading)}


@pytest.mark.parametrize(("command", "option"), list_reading_cases())
def test_options_of_reading(command: str, option: str, run_line: RunLine) -> None:
    source, needed, words = READING[option]
    line = COMMANDS[command].replace("IN", source).replace("b.bvh", f"b{Path(source).suffix}")
    assert has_effect(f"{line} {needed}", words, run_line)


SCENE = "--scene.push-n 40 0 0 --scene.push-from-s 0.2 --scene.slope-deg 3"
OTHERS = {
    "correct": [
        ("correct a.bvh --kinematic", "--out out"),
        ("correct a.bvh --out b.bvh --kinematic", "--overwrite"),
        ("correct a.bvh --out out --kinematic", "--contacts-out out/contacts.txt"),
        ("correct a.bvh --out out --kinematic", "--delta out/delta.bvh"),
        ("correct noisy.bvh --out out --engine mujoco --simulate always", "--strength physical"),
        ("correct noisy.bvh --out out --engine mujoco", "--simulate always"),
        ("correct noisy.bvh --out out --engine mujoco", "--kinematic"),
        ("correct a.bvh --out out --kinematic", "--fallback balanced"),
        ("correct a.bvh --out out --kinematic", "--support off"),
        ("correct noisy.bvh --out out --engine pybullet --simulate always", "--engine mujoco"),
        ("correct noisy.bvh --out out --engine mujoco --simulate always", "--mass-kg 200"),
        ("correct noisy.bvh --out out --engine mujoco --simulate always", "--raw"),
        ("correct a.bvh --out out --kinematic", "--keep-level"),
        ("correct tilted.bvh --out out --kinematic", "--level"),
        ("correct drifting.bvh --out out --kinematic", "--remove-drift"),
        ("correct takes.bvh --out out --kinematic", "--join-takes"),
        ("correct takes.bvh --out out --kinematic", "--without takes"),
        ("correct repeated.bvh --out out --kinematic", "--frame-times keep"),
        ("correct short.bvh --out out --kinematic", "--keep-failed"),
        ("correct a.bvh --out out --kinematic", "--contacts contacts.json"),
        ("correct a.bvh --out out --kinematic", "--frames 5:20"),
        ("correct noisy.bvh --out out --kinematic", "--amount legs=0.3"),
        ("correct a.bvh --out out --kinematic", "--keep hands"),
        ("correct a.bvh --out out --kinematic", "--no-verify"),
        ("correct a.bvh --out out --kinematic", "--quiet"),
        ("correct a.bvh --out out --kinematic", "--json"),
        *(("correct a.bvh --out out --kinematic", f"--{name}-per-job 0.5") for name in ("cpus", "gpus", "memory")),
        *(
            (f"correct noisy.bvh --out out --engine mujoco {SCENE}", words)
            for words in (
                "--scene.push-n 0 0 90", "--scene.push-from-s 0.4", "--scene.push-lasts-s 0.4", "--scene.slope-deg 9",
                "--scene.uphill-deg 90", "--scene.friction 0.1", "--scene.load-kg 20", "--scene.mass 2",
                "--scene.gravity-m-s2 3",
            )
        ),
    ],
    "check": [
        ("check tilted.bvh", "--select R"),
        ("check tilted.bvh", "--ignore F"),
        ("check a.bvh", "--physics"),
        ("check a.bvh", "--engine pybullet"),
        ("check a.bvh", "--format json"),
        ("check a.bvh", "--against tilted.bvh"),
        ("check a.bvh --against tilted.bvh", "--tolerance-mm 5000"),
        ("check a.bvh", "--out out/findings.txt"),
        ("check tilted.bvh", "--picture out/worst.png"),
        ("check a.bvh --out a.npz", "--overwrite"),
        ("check a.bvh", "--rules"), ("check a.bvh", "--references"),
        ("check a.bvh --references", "--csv out/a.csv"), ("check a.bvh --references", "--leave-out out/a.txt"),
    ],
    "view": [
        ("view a.bvh", "--out out/a.png"),
        ("view a.bvh --out b.npz", "--overwrite"),
    ],
    "data check": [
        ("data check a.bvh", "--json"), ("data check a.bvh", "--dataset amass"), ("data check a.bvh", "--split train"),
        ("data check clips", "--limit 1"),
    ],
    "data stats": [
        ("data stats a.bvh", "--dataset amass"), ("data stats a.bvh", "--split train"),
        ("data stats clips", "--limit 1"),
    ],
    "data convert": [
        ("data convert a.bvh --out elsewhere", "--out out"),
        ("data convert a.bvh --out clips --to joints", "--overwrite"),
        ("data convert a.bvh --out out --to joints", "--to humanml3d"),
    ],
    "data profile": [
        ("data profile a.bvh b.bvh --out elsewhere.json", "--out out/profile.json"),
        ("data profile a.bvh b.bvh --out profile.json", "--overwrite"),
    ],
    "data shard": [
        ("data shard a.bvh --out elsewhere", "--out out"), ("data shard a.bvh --out out", "--dataset amass"),
        ("data shard a.bvh --out out", "--split train"), ("data shard clips --out out", "--motions-per-shard 1"),
        ("data shard a.bvh --out set", "--overwrite"),
    ],
    "data samples": [
        ("data samples --out out/a", "--out out/b"), ("data samples --out out", "--clip run"),
        ("data samples --out samples", "--overwrite"),
    ],
}  # fmt: skip
"""Lines in which each other option of a command matters, and the option with a value."""

UNTRIED = {"--workers", "--runner", "--runner-options"}
"""Options on which no result depends."""


@pytest.mark.parametrize("command", OTHERS)
def test_all_other_options_are_tried(command: str) -> None:
    tried = {words.split()[0] for _, words in OTHERS[command]}
    reading = {f"--{field.name.replace('_', '-')}" for field in fields(Reading)}
    assert set(options_of(command)) - reading - UNTRIED <= tried


@pytest.mark.parametrize(
    ("line", "option"), [case for cases in OTHERS.values() for case in cases], ids=lambda words: words
)
def test_other_options(line: str, option: str, run_line: RunLine) -> None:
    assert has_effect(line, option, run_line)
