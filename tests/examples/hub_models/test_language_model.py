"""Causal language models of transformers, against transformers' own loss and greedy search, and slow plain sampling."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from helpers import assert_is_a_model_for_loops, same_tensors
from hub_models import CausalLanguageModel, byte_level_tokenizer
from torch import Tensor

import selfcorrect as sc
from selfcorrect.core.randomness import streams

pytestmark = pytest.mark.long  # imports what costs seconds and memory
TEXTS = ["the cat sat", "the dog ran far", "a cat", "hopping ünïcode €"]
CONFIGS = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "llama": {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 64, "tie_word_embeddings": True,
    },
}  # fmt: skip


@cache
def tokenizer() -> Any:
    return byte_level_tokenizer(TEXTS, 280)


def configuration(kind: str, **changes: int) -> Any:
    from transformers import AutoConfig  # takes seconds

    tokens = {"vocab_size": len(tokenizer()), "bos_token_id": 0, "eos_token_id": 0}
    return AutoConfig.for_model(kind, **CONFIGS[kind] | tokens | changes)


def tiny(kind: str = "llama", **settings: Any) -> CausalLanguageModel:
    return CausalLanguageModel(module=configuration(kind), tokenizer=tokenizer(), length=8, batch_size=8, **settings)


def train_model(kind: str = "llama", steps: int = 0, **settings: Any) -> CausalLanguageModel:
    model = tiny(kind, **settings)
    labels = torch.arange(4) if model.prompts else None
    return model.fit(model.samples(TEXTS, labels), steps, streams(0))


def test_texts_come_back_up_to_their_length() -> None:
    model = tiny()
    values = model.encode(["the cat", "x" * 50])
    assert values.shape == (2, 8)
    assert model.decode(values) == ["the cat", "x" * 8]
    assert replace(model, length=40).decode(replace(model, length=40).encode(TEXTS)) == TEXTS


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_loss_is_that_of_transformers(kind: str) -> None:
    model = train_model(kind)
    values = model.encode(["x" * 50])
    padded = torch.cat([torch.zeros(1, 1), values], dim=1).long()
    expected = model.trained(input_ids=padded, labels=padded).loss
    assert model.cross_entropy(values) == pytest.approx(expected.item(), rel=1e-5)


def test_tokens_after_the_first_end_do_not_count() -> None:
    model = train_model()
    values = model.encode(["a cat"])
    longer = replace(model, length=12).encode(["a cat"])
    assert model.cross_entropy(values) == pytest.approx(model.cross_entropy(longer), rel=1e-5)
    _, counted = model._token_losses(model.trained, values, torch.zeros(1))
    assert int(counted.sum()) == len(tokenizer()("a cat")["input_ids"]) + 1


def plainly(model: CausalLanguageModel, count: int, seed: int) -> Tensor:
    """Sampling without a cache."""
    generator = streams(seed).generator()
    tokens = torch.zeros((count, 1), dtype=torch.int64)
    for _ in range(model.length):
        probabilities = (model.trained(input_ids=tokens).logits[:, -1] / model.temperature).softmax(-1)
        drawn = torch.multinomial(probabilities, 1, generator=generator)
        drawn[(tokens[:, 1:] == 0).any(1)] = 0
        tokens = torch.cat([tokens, drawn], dim=1)
    return tokens[:, 1:].float()


def test_the_likeliest_tokens_are_those_of_greedy_search() -> None:
    model = train_model(steps=60, prompts=("the", "a cat sat", "x", "hop"), top_k=1)
    drawn = model.sample(torch.arange(4), streams(0))
    for label, prompt in enumerate(model.prompts):
        tokens = tokenizer()(prompt, return_tensors="pt")
        expected = model.trained.generate(**tokens, max_new_tokens=8, do_sample=False, pad_token_id=0)
        expected = expected[0, tokens["input_ids"].shape[1] :]
        assert drawn[label, : len(expected)].tolist() == expected.tolist()


def test_it_learns_its_texts_and_their_ends() -> None:
    model = replace(train_model(), learning_rate=1e-2)
    learned = model.fit(model.samples(TEXTS[:1] * 8), 120, streams(0))
    drawn = learned.decode(learned.sample(torch.zeros(20), streams(1)))
    assert drawn.count("the cat sat") > 15


def test_it_is_a_model_for_loops() -> None:
    model = tiny("gpt2")
    assert_is_a_model_for_loops(model, model.samples(TEXTS), steps=2)


def test_a_model_that_is_given_is_fine_tuned_and_stays_as_it_was() -> None:
    from transformers import AutoModelForCausalLM

    pretrained = AutoModelForCausalLM.from_config(configuration("llama")).to(torch.bfloat16)
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    model = replace(tiny(), module=pretrained)
    start = model.fit(model.samples(TEXTS), 0, streams(0)).state()
    assert all(torch.equal(value.to(torch.bfloat16), before[name]) for name, value in start.items())
    model.fit(model.samples(TEXTS), 2, streams(0))
    assert same_tensors(pretrained.state_dict(), before)


def test_data_that_cannot_work_are_one_sentence() -> None:
    with pytest.raises(sc.InputError, match="text 1 has no tokens"):
        tiny().encode(["a", ""])
    with pytest.raises(sc.InputError, match="numbers of the 2 prompts, got 5"):
        train_model(prompts=("a", "b", "c", "d")).__class__.sample(
            replace(train_model(), prompts=("a", "b")), torch.tensor([5]), streams(0)
        )
    with pytest.raises(sc.SettingError, match="the model has 100 tokens"):
        replace(tiny(), module=configuration("gpt2", vocab_size=100)).build()
