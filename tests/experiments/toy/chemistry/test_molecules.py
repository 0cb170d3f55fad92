"""The loop on conformers in small: its arms, its floors, and the same numbers again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from selfcorrect.experiments.toy.chemistry import molecules

TINY = replace(molecules.quick(), drugs=2, conformers=6, first_steps=120, steps=1, generations=1, seeds=2)


@pytest.fixture(name="measured", scope="module")
def _measured():
    return molecules.measure(TINY)


@pytest.mark.slow
def test_every_arm_and_floor_is_measured_on_every_seed(measured) -> None:
    curves, floors = measured
    assert {"real only", "augment", "accumulate", "replace", "replace, verifier"} < curves.keys()
    tables = [table for arm in curves.values() for table in arm.values()]
    assert {table.shape for table in tables} == {(2, 2)}
    assert all(np.isfinite(table).all() for table in tables)
    first = [arm["coverage"][:, 0] for arm in curves.values()]
    assert all(np.array_equal(one, first[0]) for one in first)  # generation 0 is shared
    real, minimised = floors["other real conformers"], floors["the same, minimised"]
    assert (real["valid"] == 1).all()
    assert (minimised["strain_kcal_mol"] < real["strain_kcal_mol"]).all()
    assert (real["bond_A"] < 0.02).all()
    assert all((curves["real only"]["bond_A"][:, 0] > 3 * real["bond_A"]).tolist())


@pytest.mark.slow
def test_a_seed_gives_the_same_again_and_a_result_compares_every_pair(measured) -> None:
    curves, floors = measured
    again, floors_again = molecules.measure(replace(TINY, seeds=1))
    assert all(np.array_equal(table[key][:1], again[arm][key]) for arm, table in curves.items() for key in table)
    assert all(floors[name][key][0] == floors_again[name][key][0] for name in floors for key in floors[name])
    checks = molecules.told(TINY, curves, floors).checks
    assert len({check.statement for check in checks}) >= 12
    assert [check.published for check in checks].count(True) == 3
