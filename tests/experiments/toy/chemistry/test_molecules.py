"""The loop on conformers in small: its arms, its floors, and the same numbers again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from helpers import run_toy

from selfcorrect.experiments.toy.chemistry import molecules

FLOORS = (molecules.OTHER, molecules.MINIMA, molecules.FROM_NOISE)
TINY = replace(molecules.QUICK, drugs=2, conformers=6, first_steps=120, steps=1, generations=1, seeds=2)


@pytest.fixture(name="curves", scope="module")
def _curves(tmp_path_factory: pytest.TempPathFactory):
    return measured(TINY, tmp_path_factory.mktemp("molecules"))


def measured(settings: molecules.Molecules, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the toy shows of each arm and floor."""
    study = run_toy("molecules", settings, folder).study
    keys = [column.key for column in study.toys["molecules"].columns]
    return {arm: {key: table[key] for key in keys} for arm, table in study.curves("molecules", folder).items()}


@pytest.mark.slow
def test_every_arm_and_floor_is_measured_on_every_seed(curves) -> None:
    tables = [table for arm in curves.values() for table in arm.values()]
    assert {table.shape for table in tables} == {(2, 2)}
    assert all(np.isfinite(table).all() for table in tables)
    real, minimised = curves[molecules.OTHER], curves[molecules.MINIMA]
    first = [arm["coverage"][:, 0] for name, arm in curves.items() if name not in FLOORS]
    assert all(np.array_equal(one, first[0]) for one in first)  # generation 0 is shared
    assert (real["valid"] == 1).all()
    assert (minimised["strain_kcal_mol"] < real["strain_kcal_mol"]).all()
    assert (real["bond_A"] < 0.02).all()
    assert (curves["real only"]["bond_A"][:, 0] > 3 * real["bond_A"][:, 0]).all()


@pytest.mark.slow
def test_a_seed_gives_the_same_again(curves, tmp_path: Path) -> None:
    again = measured(replace(TINY, seeds=1), tmp_path)
    assert all(np.array_equal(table[key][:1], again[arm][key]) for arm, table in curves.items() for key in table)
