"""Agreement of raters, how well a reward predicts, and the summary of saved choices."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rating_files import write_choices
from simulated_raters import answers, choose, random_pairs
from summarize_choices import compute_alpha, count_coincidences, main, measure_agreement, predicted_share

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.experiments.curation.choices import Answer, Choice, RatedItem, Ratings, RatingStudy
from selfcorrect.experiments.curation.features import MOTION_FEATURES

SAMPLES = [f"s{number}" for number in range(8)]

NAMES = [f"s{number}" for number in range(10)]
PAIRS = list(combinations(NAMES, 2))
_ = -1


def test_alpha_of_the_published_example() -> None:
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: nominal alpha 0.743."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
    units = [[value for value in unit if value != _] for unit in zip(*observers, strict=True)]
    tables = np.array([count_coincidences(np.array(unit), 6) for unit in units if len(unit) > 1])
    assert compute_alpha(tables.sum(0)) == pytest.approx(0.743, abs=5e-4)


def make_choices(rater: str, words: list[Answer]) -> list[Choice]:
    return [choose(rater, left, right, word) for (left, right), word in zip(PAIRS, words, strict=True)]


def draw_answers(seed: int) -> list[Answer]:
    words: list[Answer] = ["left", "right", "tie"]
    return [words[row] for row in np.random.default_rng(seed).choice(3, len(PAIRS), p=[0.4, 0.4, 0.2])]


def test_raters_who_answer_the_same_agree_fully_wherever_the_samples_stood() -> None:
    flip: dict[str, Answer] = {"left": "right", "right": "left", "tie": "tie"}
    turned = [
        choose("bob", right, left, flip[word]) for (left, right), word in zip(PAIRS, draw_answers(0), strict=True)
    ]
    agreement = measure_agreement([*make_choices("ada", draw_answers(0)), *turned])
    assert agreement.estimate == agreement.low == 1
    assert agreement.count == len(PAIRS)


def test_raters_who_throw_dice_agree_by_chance_alone() -> None:
    agreement = measure_agreement(
        [choice for rater in range(5) for choice in make_choices(str(rater), draw_answers(rater))]
    )
    assert agreement.low < 0 < agreement.high < 0.2
    assert abs(agreement.estimate) < 0.1


def test_always_left_is_no_agreement() -> None:
    """Two raters who only look left agree in half of the pairs that stood the other way round for one of them."""
    random = np.random.default_rng(0)
    choices = [
        choose(rater, *(pair if random.random() < 0.5 else pair[::-1]), "left")
        for pair in PAIRS
        for rater in ("ada", "bob")
    ]
    assert measure_agreement(choices).high < 0.5


def test_one_rater_alone_or_one_pair_gives_no_interval() -> None:
    alone = measure_agreement(make_choices("ada", draw_answers(1)))
    assert np.isnan(alone.estimate)
    assert alone.count == 0
    once = measure_agreement([choose("ada", "a", "b", "left"), choose("bob", "b", "a", "right")])
    assert once.estimate == 1
    assert np.isnan(once.low)


def test_the_last_answer_of_a_rater_about_a_pair_counts() -> None:
    both = [choose("ada", "a", "b", "left"), choose("ada", "a", "b", "right"), choose("bob", "a", "b", "right")]
    assert measure_agreement(both).estimate == 1


def test_how_well_it_predicts_is_measured_on_samples_that_it_has_not_seen() -> None:
    random = np.random.default_rng(4)
    samples = [f"s{number:02d}" for number in range(30)]
    telling_features = {sample: random.normal(size=3) for sample in samples}
    noise = {sample: random.normal(size=25) for sample in samples}  # many would fit what was seen
    taste = {sample: float(values @ (1.5, -0.8, 0.0)) for sample, values in telling_features.items()}
    choices = answers(taste, random_pairs(samples, 250, random), random)
    telling = predicted_share(rate(choices, telling_features))
    silent = predicted_share(rate(choices, noise))
    assert telling.low > 0.65
    assert silent.low < 0.5 < silent.high + 0.1
    assert silent.estimate < 0.6
    assert telling.count > 100
    assert np.isnan(predicted_share(rate(choices[:9], noise)).estimate), "too few choices to fit"


def rate(choices: list[Choice], features: dict[str, np.ndarray]) -> Ratings:
    items = {key: RatedItem(key, key, "", "", tuple(values.tolist())) for key, values in features.items()}
    names = tuple(map(str, range(len(next(iter(features.values()))))))
    return Ratings("choices.jsonl", names, items, choices)


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
    main(tuple(map(Path, files)))
    text = capsys.readouterr().out
    figures = dict(re.findall(r"^(\S.*?)  +(\S.*)$", text, re.MULTILINE))
    assert figures["choices"] == "56 about 8 samples"
    assert figures["raters"] == "ada 28, bob 28"
    assert figures["Krippendorff's alpha"].startswith("0.")
    assert float(figures["pull to the left"].split()[0]) > 0
    assert figures["reward predicts"].startswith("0.")
    assert {"corrected", "plain", *(f"walk {sample}" for sample in SAMPLES)} <= figures.keys()


def test_ratings_are_written_as_json_and_replaced_when_asked(files: list[str], tmp_path: Path) -> None:
    sources = tuple(map(Path, files))
    main(sources, out=Path("ratings.json"))
    with pytest.raises(SelfcorrectError, match=r"ratings\.json"):
        main(sources, out=Path("ratings.json"))
    main(sources, out=Path("ratings.json"), overwrite=True)
    ratings = json.loads((tmp_path / "ratings.json").read_text())
    rows = ratings["samples"]
    values = [row["strength"] for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(row["wins"] for row in rows) == sum(row["losses"] for row in rows)
    weights = dict(zip(ratings["reward"]["features"], ratings["reward"]["common"], strict=True))
    assert min(weights, key=lambda name: weights[name]) == "jerk_m_s3"
    assert ratings["pull_left_logits"]["low"] > 0
    assert ratings["krippendorff_alpha"]["count"] == 28
    assert len(ratings["choices"]) == 56
