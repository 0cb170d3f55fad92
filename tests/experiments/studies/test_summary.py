"""A finished study round-trips through one file, the only source of tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, join_summaries, machine, read_summary, write_summary

CURVES = ArmCurves(
    "replace+none", "fully synthetic", "uncorrected", {"recall": np.array([[1.0, np.nan], [0.5, 1 / 3]])}
)
SUMMARY = Summary(
    "selfcorrect motion", {"date": "2026-01-02", **machine()}, {"seeds": 2, "generations": 1},
    {"dct-mlp": (CURVES,)}, {"real": {"recall": np.array([0.9, 0.8])}},
)  # fmt: skip


def test_summary_keeps_five_digits(tmp_path: Path) -> None:
    write_summary(tmp_path / "a.json", SUMMARY)
    back = read_summary(tmp_path / "a.json")
    np.testing.assert_allclose(back.arms["dct-mlp"][0].values["recall"], CURVES.values["recall"], rtol=1e-4)
    assert (back.command, back.seeds, back.generations) == ("selfcorrect motion", 2, 1)
    assert back.floors["real"]["recall"].tolist() == [0.9, 0.8]
    write_summary(tmp_path / "b.json", back)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def seeds(first: int, *recalls: float, date: str = "2026-01-02", commit: str = "a", **settings: object) -> Summary:
    curves = replace(CURVES, values={"recall": np.array([[1.0, recall] for recall in recalls])})
    settings_of_run = {"seeds": len(recalls), "first_seed": first, "generations": 1, **settings}
    facts = {"date": date, "core_hours": 0.5, "git_commit": commit}
    return Summary(
        "selfcorrect motion", facts, settings_of_run, {"dct-mlp": (curves,)}, {"real": {"recall": np.array(recalls)}}
    )


def test_runs_join_in_seed_order():
    joined = join_summaries([seeds(2, 0.3, date="2026-03-04"), seeds(0, 0.1, 0.2)])
    assert joined.settings == {"seeds": 3, "first_seed": 0, "generations": 1}
    assert joined.made == {"date": "2026-03-04", "core_hours": 1.0, "git_commit": "a"}
    assert joined.arms["dct-mlp"][0].last("recall").tolist() == [0.1, 0.2, 0.3]
    assert joined.floors["real"]["recall"].tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("other_run", "sentence"),
    [
        (seeds(2, 0.3, real_count=64), "seeds from 2: expected the settings of seed 0"),
        (replace(seeds(2, 0.3), arms={"dct-mlp": ()}), "seeds from 2: expected the settings of seed 0"),
        (seeds(3, 0.3), "seeds from 3: expected seeds that go on from 2"),
        (seeds(1, 0.3), "seeds from 1: expected seeds that go on from 2"),
    ],
    ids=["other settings", "other arms", "a seed is missing", "a seed twice"],
)
def test_unrelated_runs_do_not_join(other_run: Summary, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        join_summaries([seeds(0, 0.1, 0.2), other_run])


def test_different_code_joins_on_request():
    parts = [seeds(0, 0.1, commit="a"), seeds(1, 0.2, commit="b")]
    with pytest.raises(ValueError, match=r"seeds from 1: .*commit b.*commit a"):
        join_summaries(parts)
    made = join_summaries(parts, different_code=True).made
    assert (made["git_commit"], made["git_commits"]) == (None, ["a", "b"])


def test_joined_hours_need_all_parts():
    made = {"date": "2026-01-02", "git_commit": "a"}
    assert "core_hours" not in join_summaries([seeds(0, 0.1), replace(seeds(1, 0.2), made=made)]).made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', '{"format": 1, "arms": 3}', "\xff"])
def test_other_file_raises(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"x\.json: .*(summary)"):
        read_summary(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"none\.json: .*summary"):
        read_summary(tmp_path / "none.json")
