"""A tokenizer of your own texts, for models that come without one."""

from collections.abc import Iterable
from typing import Any

END = "<|end|>"


def byte_level_tokenizer(texts: Iterable[str], size: int) -> Any:
    """Return a tokenizer of transformers with `size` ≥ 257 tokens: byte pairs learned from texts, and an end token.

    Single bytes encode everything else, so that every text has tokens and is decoded exactly (Sennrich et al. 2016;
    Radford et al. 2019).
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, clean_up_tokenization_spaces=False
    )
