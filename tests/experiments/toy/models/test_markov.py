"""The word chain against chains whose answers are known."""

import math

import pytest
import torch
from helpers import LOOPS

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.files import load_toy_module

MarkovChain = load_toy_module(LOOPS["language"]).MarkovChain
STREAM = streams(11)


def chain(rows: list[list[float]], first: list[float], length: int = 20):
    return MarkovChain(torch.tensor(first, dtype=torch.float64), torch.tensor(rows, dtype=torch.float64), length)


def binary_entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


@pytest.mark.parametrize(("leave_a", "leave_b"), [(0.2, 0.5), (0.01, 0.03), (0.9, 0.95)])
def test_entropy_rate_of_two_words(leave_a: float, leave_b: float) -> None:
    two = chain([[1 - leave_a, leave_a], [leave_b, 1 - leave_b]], [1.0, 0.0])
    total = leave_a + leave_b
    assert two.stationary().numpy() == pytest.approx([leave_b / total, leave_a / total])
    expected = (leave_b * binary_entropy(leave_a) + leave_a * binary_entropy(leave_b)) / total
    assert float(two.entropy_rate()) == pytest.approx(expected)


def test_a_chain_in_two_parts_keeps_the_part_it_begins_in() -> None:
    parted = chain([[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]], [0.4, 0.6, 0.0])
    assert parted.stationary().numpy() == pytest.approx([0.4, 0.3, 0.3])
    assert float(parted.entropy_rate()) == pytest.approx(0.6 * math.log(2))


def test_many_texts_give_the_matrix_back_in_every_replicate() -> None:
    rows = torch.tensor(
        [[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]], [[0.0, 0.5, 0.5], [0.9, 0.1, 0.0], [0.2, 0.2, 0.6]]],
        dtype=torch.float64,
    )
    first = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    truth = MarkovChain(first, rows, length=30)
    texts = Samples.real(truth.sample(torch.zeros(4000), STREAM))
    fitted = MarkovChain.uniform(2, words=3, length=30).fit(texts, 0, STREAM)
    assert fitted.transition.numpy() == pytest.approx(rows.numpy(), abs=0.01)
    assert fitted.initial.numpy() == pytest.approx(first.numpy(), abs=0.03)
    assert (fitted.transition[rows == 0] == 0).all()
    assert fitted.entropy_rate().numpy() == pytest.approx(truth.entropy_rate().numpy(), abs=0.01)


def test_estimates_are_counts() -> None:
    texts = Samples.real(torch.tensor([[0.0, 1, 1, 0], [1.0, 1, 1, 2]]))
    fitted = MarkovChain.uniform(words=3, length=4).fit(texts, 0, STREAM)
    assert fitted.initial.tolist() == [0.5, 0.5, 0.0]
    assert fitted.transition[0].tolist() == [0.0, 1.0, 0.0]
    assert fitted.transition[1].numpy() == pytest.approx([0.2, 0.6, 0.2])
