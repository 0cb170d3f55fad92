"""What strict correctors accept: counts are added up by label and generation, coverage is a mean over seeds."""

from dataclasses import replace

from benchmarks.strictness import Covered, Row, acceptance_table, coverage_table


def test_counts_are_added_up_over_seeds_and_labels() -> None:
    walk = Row("dct-mlp", "replace+residual-free", 0, 1, "walk", 4, 4)
    roll = Row("dct-mlp", "replace+residual-free", 0, 1, "roll", 3, 0)
    kick = Row("dct-mlp", "replace+residual-free", 1, 1, "kick", 2, 1)
    later = [replace(each, generation=2, accepted=1) for each in (walk, roll)]
    lines = acceptance_table([walk, roll, kick, replace(walk, seed=1), *later]).splitlines()
    assert lines[0].endswith("| generation 1 | generation 2 |")
    assert lines[2] == "| dct-mlp | replace+residual-free | easy | 8 of 8 | 1 of 4 |"
    assert lines[3] == "| dct-mlp | replace+residual-free | hard | 0 of 3 | 1 of 3 |"
    assert lines[4] == "| dct-mlp | replace+residual-free | all | 9 of 13 | 2 of 7 |"


def test_coverage_is_a_mean_over_seeds_within_its_bounds() -> None:
    found = [
        Covered("dct-mlp", "real+none", seed, group, 0.5 * (seed + 1)) for seed in (0, 1) for group in ("easy", "hard")
    ]
    assert coverage_table(found).splitlines()[-1].startswith("| dct-mlp | real+none | 0.75 [0.00, 1.00] |")
