"""`selfcorrect curate` on the command line: the page that it writes, and what it reports of saved choices."""

import csv
import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from helpers import lifting_off
from rating_files import write_choices
from simulated_raters import answers

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments import cli
from selfcorrect.experiments.curation.choices import RatedItem, RatingStudy
from selfcorrect.experiments.curation.features import MOTION_FEATURES

SAMPLES = [f"s{number}" for number in range(8)]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two raters who like what jerks less, and lean to the left; a third of the samples is from elsewhere."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    features = random.normal(size=(len(SAMPLES), len(MOTION_FEATURES)))
    taste = dict(zip(SAMPLES, (-2 * features[:, MOTION_FEATURES.index("jerk_m_s3")]).tolist(), strict=True))
    items = tuple(
        RatedItem(sample, f"walk {sample}", "corrected" if row % 3 else "plain", "walk", tuple(features[row].tolist()))
        for row, sample in enumerate(SAMPLES)
    )
    study = RatingStudy("Which one?", MOTION_FEATURES, items)
    names = []
    for rater in ("ada", "bob"):
        pairs = []
        for first, second in combinations(SAMPLES, 2):
            pairs.append((first, second) if random.random() < 0.5 else (second, first))
        choices = answers(taste, pairs, random, rater=rater, side=2.5)
        names.append(write_choices(tmp_path / f"choices-{rater}.jsonl", study, choices).name)
    return names


def test_the_summary_reports_raters_agreement_sides_and_strengths(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["curate", *files]) == 0
    text = capsys.readouterr().out
    figures = dict(re.findall(r"^(\S.*?)  +(\S.*)$", text, re.MULTILINE))
    assert figures["choices"] == "56 about 8 samples"
    assert figures["raters"] == "ada 28, bob 28"
    assert figures["Krippendorff's alpha"].startswith("0.")
    assert float(figures["pull to the left"].split()[0]) > 0
    assert figures["reward predicts"].startswith("0.")
    assert {"corrected", "plain", *(f"walk {sample}" for sample in SAMPLES)} <= figures.keys()


def test_ratings_are_written_as_tables_and_as_json_and_replaced_when_asked(files: list[str], tmp_path: Path) -> None:
    for name in ("ratings.json", "ratings.csv"):
        assert cli.main(["curate", *files, "--out", name]) == 0
        assert cli.main(["curate", *files, "--out", name]) == 2
        assert cli.main(["curate", *files, "--out", name, "--overwrite"]) == 0
    with (tmp_path / "ratings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["strength"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(int(row["wins"]) for row in rows) == sum(int(row["losses"]) for row in rows)
    ratings = json.loads((tmp_path / "ratings.json").read_text())
    assert [sample["id"] for sample in ratings["samples"]] == [row["id"] for row in rows]
    weights = dict(zip(ratings["reward"]["features"], ratings["reward"]["common"], strict=True))
    assert min(weights, key=lambda name: weights[name]) == "jerk_m_s3"
    assert ratings["pull_left_logits"]["low"] > 0
    assert ratings["krippendorff_alpha"]["count"] == 28
    assert len(ratings["choices"]) == 56


def test_a_page_is_written_once_and_names_its_rater(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for depth_m in (0.0, 0.1):
        motion = lifting_off()
        save_motion(tmp_path / f"{depth_m}.bvh", replace(motion, root_m=motion.root_m - [0.0, depth_m, 0.0]))
    command = ["curate", "0.0.bvh", "0.1.bvh", "--rater", "ada & co"]
    assert cli.main(command) == 0
    page = (tmp_path / "curate-ada---co.html").read_text()
    assert '"rater": "ada & co"' in page
    assert cli.main(command) == 2
    assert cli.main([*command, "--overwrite", "--question", "Which one slides less?"]) == 0
    assert "Which one slides less?" in (tmp_path / "curate-ada---co.html").read_text()
