"""Discriminators learn known ratios of Gaussians.

What correction makes of them is tested, too.
"""

import torch
from published_remedies.candidates import Pool, at_random, by_density_ratio
from published_remedies.density_ratio import Discrimination, log_density_ratio, towards_density_ratio

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import call_corrector

GENERATOR = torch.Generator().manual_seed(0)
REAL = Samples.real(torch.randn((2000, 2), generator=GENERATOR))
SHIFTED = torch.randn((2000, 2), generator=GENERATOR) + torch.tensor([1.0, 0.0])
STREAM = streams(0)


def test_logit_is_log_ratio() -> None:
    """The logit is 1/2 − x₁ for any counts.

    Log N(x; 0, I) − log N(x; (1, 0), I).
    """
    points = torch.tensor([[-1.0, 0.0], [0.5, 0.0], [0.5, 1.0], [2.0, 0.0]])
    for count in (2000, 500):
        ratio = log_density_ratio(REAL.values, SHIFTED[:count], Discrimination(steps=150), STREAM)
        assert (ratio(points) - (0.5 - points[:, 0])).abs().max() < 0.5


def test_shuffled_labels_teach_nothing() -> None:
    ratio = log_density_ratio(REAL.values, SHIFTED, Discrimination(steps=150, shuffled=True), STREAM)
    assert ratio(REAL.values).abs().mean() < 0.25


def test_step_has_given_length() -> None:
    corrector = towards_density_ratio(REAL, 0.3, Discrimination(steps=100))
    before = Samples.synthetic(SHIFTED, None, 1)
    after = call_corrector(corrector, before, STREAM).samples.values
    deviation = REAL.values.std(0, correction=0)
    moved = (after - SHIFTED) / deviation
    torch.testing.assert_close(moved.norm(dim=1), torch.full((2000,), 0.3), atol=1e-4, rtol=0)
    assert moved[:, 0].mean() < -0.25
    assert abs(moved[:, 1].mean()) < 0.1


def test_discriminator_per_label() -> None:
    """Real data differ by label from the samples.

    Those of label 1 are to their left, those of label 2 to their right.
    """
    values = torch.cat([REAL.values[:500] - 3, REAL.values[500:1000] + 3])
    real = Samples.real(values, torch.arange(2).repeat_interleave(500) + 1)
    both = Samples.synthetic(REAL.values[1000:1400], torch.arange(2).repeat(200) + 1, 1)
    moved = towards_density_ratio(real, 0.1, Discrimination(steps=60))(both, STREAM).values - both.values  # type: ignore[call-arg]
    assert moved[both.labels == 1, 0].max() < 0 < moved[both.labels == 2, 0].min()


def pool(values: torch.Tensor) -> Pool:
    return Pool(None, values[:0], values, 0, STREAM)  # type: ignore[arg-type]


def test_acceptance_undoes_shift() -> None:
    rows = {
        "ratio": by_density_ratio(REAL, Discrimination(steps=150))(pool(SHIFTED), 400),
        "shuffled": by_density_ratio(REAL, Discrimination(steps=150, shuffled=True))(pool(SHIFTED), 400),
        "chance": at_random(pool(SHIFTED), 400),
    }
    assert all(len(set(chosen.tolist())) == 400 for chosen in rows.values())
    means = {name: float(SHIFTED[chosen, 0].mean()) for name, chosen in rows.items()}
    assert means["ratio"] < 0.4
    assert means["shuffled"] > 0.75
    assert means["chance"] > 0.85
