"""Correctors of conformers do what their names say, and their control differs in what it chooses alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from scipy.spatial.transform import Rotation

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.datasets.toy.molecules import DRUGS, conformers, molecule
from selfcorrect.experiments.toy.chemistry.correctors import ConformerCodec, RandomAcceptance, Relaxation, Verifier
from selfcorrect.experiments.toy.chemistry.measures import best_rmsd, energies_kcal_mol

COUNT = 8


@pytest.fixture(name="codec", scope="module")
def _codec() -> ConformerCodec:
    chosen = [molecule(name, DRUGS[name]) for name in ("captopril", "dopamine")]
    return ConformerCodec.fit(chosen, [conformers(of, COUNT, streams(0).child(of.name)) for of in chosen])


@pytest.fixture(name="real", scope="module")
def _real(codec: ConformerCodec) -> Samples:
    return codec.samples([conformers(of, COUNT, streams(1).child(of.name)) for of in codec.molecules])


def _verifier(codec: ConformerCodec, real: Samples) -> Verifier:
    pairs = codec.positions(real).items()
    return Verifier(codec, [float(energies_kcal_mol(codec.molecules[one], each).max()) + 1 for one, (_, each) in pairs])


def test_values_come_back_as_the_same_conformers_in_any_pose(codec: ConformerCodec) -> None:
    for label, of in enumerate(codec.molecules):
        positions = conformers(of, 3, streams(2))
        values = codec.encode(label, positions)
        assert values.shape == (3, 3, codec.size)
        assert (values[:, :, of.size :] == 0).all()
        turned = positions @ Rotation.random(rng=np.random.default_rng(0)).as_matrix() + 5.0
        torch.testing.assert_close(codec.encode(label, turned), values, atol=1e-4, rtol=0)
        assert np.diag(best_rmsd(of, codec.decode(label, values), positions)).max() < 1e-5


def test_training_conformers_have_mean_zero_and_unit_scale(codec: ConformerCodec) -> None:
    each = [conformers(of, COUNT, streams(0).child(of.name)) for of in codec.molecules]
    values = [codec.encode(label, positions)[:, :, : len(positions[0])] for label, positions in enumerate(each)]
    assert all(abs(one.mean(0)).max() < 1e-5 for one in values)
    assert torch.cat([one.flatten() for one in values]).std().item() == pytest.approx(1, abs=0.01)


def test_relaxation_lowers_every_energy_by_its_steps(codec: ConformerCodec, real: Samples) -> None:
    shaken = real.with_values(real.values + 0.05 * torch.randn(real.values.shape, generator=streams(0).torch()))
    answers = [shaken, *(call_corrector(Relaxation(codec, steps), shaken, streams(0)).samples for steps in (5, 100))]
    energies = [
        np.concatenate(
            [energies_kcal_mol(codec.molecules[one], each) for one, (_, each) in codec.positions(told).items()]
        )
        for told in answers
    ]
    assert (energies[1] < energies[0]).all()
    assert (energies[2] < energies[1]).all()
    still = call_corrector(Relaxation(codec, 0), real, streams(0)).samples
    torch.testing.assert_close(still.values, real.values, atol=1e-4, rtol=0)


def test_the_verifier_accepts_real_conformers_and_names_what_is_wrong(codec: ConformerCodec, real: Samples) -> None:
    verifier = _verifier(codec, real)
    assert call_corrector(verifier, real, streams(0)).accepted.all()
    broken = real.values.clone()
    broken[0] += torch.randn(broken[0].shape, generator=streams(0).torch())
    broken[COUNT:] = real.values[COUNT:]
    answer = call_corrector(verifier, real.with_values(broken), streams(0))
    assert answer.accepted.tolist() == [False] + [True] * (2 * COUNT - 1)
    assert answer.info["reason"][0] in ("strain", "valence", "chirality", "clash")
    assert not answer.info["reason"][1:].any()
    strict = Verifier(codec, [-1e9, 1e9])
    assert call_corrector(strict, real, streams(0)).info["reason"].tolist() == ["strain"] * COUNT + [""] * COUNT


def test_random_acceptance_takes_as_many_of_each_molecule_but_not_the_good_ones(
    codec: ConformerCodec, real: Samples
) -> None:
    verifier = _verifier(codec, real)
    broken = real.values.clone()
    broken[:4] *= 3
    samples = real.with_values(broken)
    wanted = call_corrector(verifier, samples, streams(0)).accepted
    chosen = [call_corrector(RandomAcceptance(verifier), samples, streams(seed)).accepted for seed in range(6)]
    assert wanted[:COUNT].sum() == COUNT - 4
    assert all(one[:COUNT].sum() == COUNT - 4 and one[COUNT:].all() for one in chosen)
    assert any(one[:4].any() for one in chosen)
