"""`selfcorrect curate` on the command line: what it refuses, and what it reports of a database."""

import csv
import json
import re
import stat
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from helpers import lifting_off
from simulated_raters import answers

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments import cli
from selfcorrect.experiments.commands.curate import CurateCommand
from selfcorrect.experiments.curation.database import RatedItem, RatingDatabase, RatingStudy
from selfcorrect.experiments.curation.features import MOTION_FEATURES
from selfcorrect.experiments.curation.server import CurationServer
from selfcorrect.preferences.choices import Choice

SAMPLES = [f"s{number}" for number in range(8)]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two raters who like what jerks less, and lean to the left; a third of the samples is from elsewhere."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    path = tmp_path / "ratings.sqlite"
    features = random.normal(size=(len(SAMPLES), len(MOTION_FEATURES)))
    taste = dict(zip(SAMPLES, (-2 * features[:, MOTION_FEATURES.index("jerk_m_s3")]).tolist(), strict=True))
    items = [
        RatedItem(sample, f"walk {sample}", "corrected" if row % 3 else "plain", "walk", tuple(features[row].tolist()))
        for row, sample in enumerate(SAMPLES)
    ]
    with RatingDatabase(path, RatingStudy("motions", "Which one?", 0, MOTION_FEATURES)) as opened:
        opened.add(items)
        for rater in ("ada", "bob"):
            pairs = []
            for first, second in combinations(SAMPLES, 2):
                pairs.append((first, second) if random.random() < 0.5 else (second, first))
            for choice in answers(taste, pairs, random, rater=rater, side=2.5):
                opened.record(choice, opened.progress(rater, SAMPLES), 2.0, common=True)
    return path


def test_the_summary_reports_raters_agreement_sides_and_strengths(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["curate", "--summary"]) == 0
    text = capsys.readouterr().out
    figures = dict(re.findall(r"^(\S.*?)  +(\S.*)$", text, re.MULTILINE))
    assert figures["choices"] == "56 about 8 samples"
    assert figures["raters"] == "ada 28, bob 28"
    assert figures["common pairs"] == "28"
    assert figures["Krippendorff's alpha"].startswith("0.")
    assert figures["pull to the left"].startswith("+")
    assert figures["reward predicts"].startswith("0.")
    assert {"corrected", "plain", *(f"walk {sample}" for sample in SAMPLES)} <= figures.keys()


def test_ratings_are_written_as_tables_and_as_json_and_replaced_when_asked(database: Path, tmp_path: Path) -> None:
    for name in ("ratings.json", "ratings.csv"):
        assert cli.main(["curate", "--out", name]) == 0
        assert cli.main(["curate", "--out", name]) == 2
        assert cli.main(["curate", "--out", name, "--overwrite"]) == 0
    with (tmp_path / "ratings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["strength"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(int(row["wins"]) for row in rows) == sum(int(row["losses"]) for row in rows)
    ratings = json.loads((tmp_path / "ratings.json").read_text())
    assert [sample["id"] for sample in ratings["samples"]] == [row["id"] for row in rows]
    weights = dict(zip(ratings["reward"]["features"], ratings["reward"]["common"], strict=True))
    assert min(weights, key=lambda name: weights[name]) == "jerk_m_s3"
    assert ratings["side"]["pull_left_logits"] > 2 * ratings["side"]["error"]
    assert len(ratings["choices"]) == 56
    assert cli.main(["curate", "--out", "ratings.sqlite.json", "--database", "ratings.sqlite"]) == 0


def test_a_database_without_answers_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with RatingDatabase(path, RatingStudy("motions", "Which one?", 0, MOTION_FEATURES)) as opened:
        opened.add([RatedItem("a", "a", "", ""), RatedItem("b", "b", "", "")])
    with pytest.raises(ValueError, match="nobody has answered yet"):
        CurateCommand(database=path, summary=True).run()
    with RatingDatabase(path) as opened:
        opened.record(Choice("ada", "a", "b", "reject both"), opened.progress("ada", "ab"), 1.0)
    CurateCommand(database=path, summary=True).run()


def test_the_browser_is_started_without_the_secret_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other users read command lines, so the browser gets a file that only its owner can read."""
    for depth_m in (0.0, 0.1):
        motion = lifting_off()
        save_motion(tmp_path / f"{depth_m}.bvh", replace(motion, root_m=motion.root_m - [0.0, depth_m, 0.0]))
    command_lines: list[str] = []
    pages: list[tuple[int, str]] = []

    def open_browser(address: str) -> None:
        page = Path(url2pathname(urlsplit(address).path))
        command_lines.append(address)
        pages.append((stat.S_IMODE(page.stat().st_mode), page.read_text()))

    def interrupt(server: CurationServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", open_browser)
    monkeypatch.setattr("selfcorrect.experiments.commands.curate.somebody_looks", lambda: True)
    monkeypatch.setattr(CurationServer, "serve_forever", interrupt)
    with pytest.raises(KeyboardInterrupt):
        CurateCommand((tmp_path,), tmp_path / "r.sqlite").run()
    address = next(line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("http"))
    token = urlsplit(address).path.strip("/")
    assert len(token) >= 24
    assert token not in command_lines[0]
    assert pages[0][0] == 0o600
    assert f"url={address}" in pages[0][1]
    assert list(tmp_path.glob("*.html")) == []
