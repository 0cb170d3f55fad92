"""Planners by sampling: their budget, their noise, how settings are chosen, and what the table says."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.side_by_side.__main__ import Trial, best_of, run, stratified, table, trial
from benchmarks.side_by_side.planners import PlannerSettings, follow_by_planner
from selfcorrect.motion.motion import Motion

QUICK = PlannerSettings(rounds=1, noise_rad=0.05, horizon_s=0.2, budget=8)


@pytest.fixture(scope="module")
def walk(clips: dict[str, Motion]) -> Motion:
    return clips["walk"].frames(0, 13)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_planner_takes_its_budget_and_gives_no_root_force(walk: Motion, rounds: int) -> None:
    planner = replace(QUICK, rounds=rounds, budget=16)
    done, again = (trial("planner", partial(follow_by_planner, planner), walk) for _ in range(2))
    assert not done.failure
    assert done.moved_mm == again.moved_mm
    steps = 4 * (len(walk) - 1)
    assert 0.8 * planner.budget * steps < done.steps <= 1.1 * planner.budget * steps


@pytest.mark.slow
def test_the_search_follows_further_what_falls_without_one(clips: dict[str, Motion]) -> None:
    dance = clips["dance_b"].frames(0, 45)
    still, searched = (
        trial("planner", partial(follow_by_planner, replace(QUICK, noise_rad=noise_rad, budget=256)), dance)
        for noise_rad in (1e-6, 0.05)
    )
    assert still.failure.startswith("fell")
    assert searched.followed_share > still.followed_share + 0.05


def made(method: str, clip: str, moved_mm: float | None, share: float = 1.0) -> Trial:
    return Trial(method, clip, "walk", 2.0, "" if moved_mm else "fell", share, moved_mm, 4.0, 240)


def test_settings_that_follow_more_clips_are_better_whatever_the_distance() -> None:
    trials = [made("a", "1", 90.0), made("a", "2", 90.0), made("b", "1", 10.0), made("b", "2", None, 0.9)]
    assert best_of(trials) == "a"
    assert best_of([*trials[2:], made("c", "1", 10.0), made("c", "2", None, 0.5)]) == "b"


def test_the_table_pairs_distances_over_clips_that_both_followed() -> None:
    ours = [made("residual-free", str(clip), 20.0 + clip) for clip in range(4)]
    theirs = [made("other", str(clip), 30.0 + clip) for clip in range(3)] + [made("other", "3", None, 0.5)]
    head, _, first, second = table([*ours, *theirs]).splitlines()
    assert "4 of 4 (51 to 100 %)" in first  # Wilson
    assert "3 of 4 (30 to 95 %)" in second
    assert "+10 [+10, +10] (3)" in second
    assert "| 0.50 | 1 |" in first
    assert head.count("|") == second.count("|")


def test_clips_are_spread_over_classes_and_a_run_is_resumed(
    walk: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [replace(walk, label=label, source=f"{label}{number}.bvh") for label in "ab" for number in range(4)]
    chosen = stratified(clips[::-1], 4, 0.2)
    assert [clip.label for clip in chosen] == ["a", "a", "b", "b"]
    assert {len(clip) for clip in chosen} == {6}
    calls: list[str] = []

    def counted(method: str, follow: object, clip: Motion) -> Trial:
        calls.append(clip.source)
        return made(method, Path(clip.source).stem, 5.0)

    monkeypatch.setattr("benchmarks.side_by_side.__main__.trial", counted)
    kept = tmp_path / "kept.jsonl"
    first = list(run(chosen, {"x": print}, kept))
    kept.write_text(kept.read_text()[:-9])  # killed while it wrote
    assert list(run(chosen, {"x": print}, kept)) == first
    assert len(calls) == len(chosen) + 1
