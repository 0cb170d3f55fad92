"""The motion experiment from data to report, small: everything real, little of it."""

from __future__ import annotations

import filecmp
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.datasets.bvh import read_bvh

SMALL = (
    "--seeds",
    "1",
    "--generations",
    "2",
    "--real-count",
    "24",
    "--judged-count",
    "24",
    "--steps",
    "6",
    "--initial-steps",
    "150",
)

CORRECTORS = '''
"""Two correctors as a user would write them."""

from dataclasses import replace


def lift_up(motion):
    """Puts the lowest root a metre up."""
    return replace(motion, root_m=motion.root_m + [0.0, 1.0 - motion.root_m[:, 1].min(), 0.0])


def broken_for_label_three(samples):
    if (samples.labels == 3).any():
        raise ArithmeticError("label three is beyond me")
    return samples
'''


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "selfcorrect.experiments.cli", "motion", *arguments]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion")
    (folder / "my_correctors.py").write_text(CORRECTORS)
    return folder


@pytest.fixture(scope="module")
def finished(workplace: Path) -> Path:
    """A finished run that compares a user's corrector with physics."""
    done = run(
        *(
            "--preset",
            "quick",
            "--corrector",
            "physics",
            "my_correctors:lift_up",
            "--out",
            "run",
            "--workers",
            "2",
            *SMALL,
        ),
        cwd=workplace,
    )
    assert done.returncode == 0, done.stderr
    assert "One seed proves nothing" in done.stdout
    return workplace / "run"


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_all_arms_share_generation_0_and_a_users_corrector_is_among_them(finished: Path):
    rows = rows_of(finished)
    assert {row["arm"] for row in rows} == {
        "real+none",
        "replace+none",
        "replace+physics",
        "replace+my_correctors.lift_up",
    }
    starts = [row for row in rows if row["generation"] == 0]
    measured = [{key: value for key, value in row.items() if key not in ("arm",)} for row in starts]
    assert all(start == measured[0] for start in measured)
    assert {(row["arm"], row["generation"]) for row in rows} == {(row["arm"], g) for row in starts for g in (0, 1, 2)}


@pytest.mark.slow
def test_realised_ratios_and_both_axes_are_in_every_row(finished: Path):
    for row in rows_of(finished):
        assert {"fid_kinematic", "fid_geometric", "precision", "recall", "coverage", "skate_m_s"} <= row.keys()
        if row["generation"]:
            share = 0.0 if row["arm"] == "real+none" else 1.0
            assert row["synthetic_share"] == share
            assert row["rejected_count"] >= 0


@pytest.mark.slow
def test_the_report_needs_no_network_and_shows_every_part(finished: Path):
    page = (finished / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<svg" in page
    for part in ('id="verdict"', 'id="curves"', 'id="arms"', 'id="differences"', 'id="budgets"'):
        assert part in page
    for words in ("lift_up", "real against real", "not known (custom corrector)", "One seed proves nothing"):
        assert words in page
    assert page.count("<video") == 1 + 4 + 1  # generation 0, four arms, before and after


@pytest.mark.slow
def test_a_browser_shows_the_report(finished: Path, tmp_path: Path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a Chromium browser")
    offline = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    page = subprocess.run(
        [browser, *offline.split(), f"--user-data-dir={tmp_path}", "--dump-dom", (finished / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert page.count("</video>") == 6
    assert "Does physics keep" in page
    assert page.count("<tr") > 12


@pytest.mark.slow
def test_samples_are_motions_that_other_programs_read(finished: Path):
    files = sorted((finished / "samples").rglob("*.bvh"))
    assert len(files) == 5 * 6
    motion = read_bvh(files[0]).motion
    assert len(motion) == 48
    assert np.isfinite(motion.root_m).all()


@pytest.mark.slow
def test_wandb_ran_offline_for_every_arm(finished: Path):
    assert len(list((finished / "wandb").glob("offline-run-*"))) == 4


@pytest.mark.slow
def test_another_config_in_the_same_folder_is_refused_with_the_difference(finished: Path, workplace: Path):
    arguments = [*SMALL, "--steps", "7"]
    again = run("--preset", "quick", "--corrector", "physics", "--out", "run", *arguments, cwd=workplace)
    assert again.returncode == 2
    assert "is 6 in the folder and 7 now" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.slow
def test_a_failing_corrector_is_named_and_the_run_resumes_with_a_mended_one(workplace: Path):
    arguments = ("--preset", "quick", "--corrector", "my_correctors:broken_for_label_three", "--out", "broken", *SMALL)
    failed = run(*arguments, "--workers", "1", "--wandb", "off", cwd=workplace)
    assert failed.returncode == 2
    for words in ("broken_for_label_three", "generation 1", "(label 3)", "label three is beyond me", "can be resumed"):
        assert words in failed.stderr
    mended = CORRECTORS.replace("if (samples.labels == 3).any()", "if False")
    (workplace / "my_correctors.py").write_text(mended)
    assert run(*arguments, "--workers", "1", "--wandb", "off", cwd=workplace).returncode == 0


def same_results(one: Path, other: Path) -> list[str]:
    """Result files that differ or are missing; times and W&B files may differ."""
    names = {
        str(path.relative_to(folder))
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".safetensors", ".parquet", ".json", ".bvh")
    }
    compared = sorted(name for name in names if Path(name).name not in ("timings.json",) and "wandb" not in name)
    return [
        name
        for name in compared
        if not (
            (one / name).exists() and (other / name).exists() and filecmp.cmp(one / name, other / name, shallow=False)
        )
    ]


@pytest.mark.slow
def test_killed_at_random_moments_and_run_again_the_result_is_the_same_to_the_bit(workplace: Path):
    arguments = ("--preset", "quick", *SMALL, "--wandb", "off")
    assert run(*arguments, "--workers", "1", "--out", "straight", cwd=workplace).returncode == 0
    moments = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(
            command(*arguments, "--workers", "2", "--out", "killed"),
            cwd=workplace,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moments.uniform(4, 14))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(*arguments, "--workers", "2", "--out", "killed", cwd=workplace).returncode == 0
    assert same_results(workplace / "straight", workplace / "killed") == []
