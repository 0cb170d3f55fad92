"""The loop of a language model on documents with summaries, after Yi et al. 2026 (SmolLM2-135M on XSum).

A generation is fine-tuned on its own summaries of the training documents. The verifier keeps summaries whose share of
words from their document is at least that of the lower tenth of real summaries that nobody trains on or judges by. It
is imperfect: copying words is no good summary.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import needed_for
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import verifier
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.user_files.texts import Pair, text_pairs
from selfcorrect.loop.policy import Keep, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.adapters.language_model import CausalLanguageModel
from selfcorrect.models.diffusion.model import choose_device

from ..studies.plans.inputs import PlanSource

BETTER = {"perplexity": "lower", "rouge_1": "higher", "distinct_words": "higher"}


@dataclass(frozen=True)
class SummaryLoop:
    """A model's folder, texts by path, and the sizes of the loop."""

    model: Path
    data: Path
    real_count: int = 2000
    calibration: int = 500
    judged: int = 500
    length: int = 48
    prompt_length: int = 512
    first_steps: int = 500
    steps: int = 250
    generations: int = 5
    batch_size: int = 8
    learning_rate: float = 2e-5
    device: str = "auto"

    def task(self, stream: Stream) -> Task:
        """Model, real summaries and judge of a seed; labels are numbers of documents."""
        pairs = self._pairs(stream)
        language = self._language(pairs)
        values = language.encode([f" {summary}" for _, summary in pairs])
        counts = (self.real_count, self.calibration, self.judged)
        train, _, held_out = torch.arange(len(pairs)).split(counts)

        def scores(candidate: Candidate) -> dict[str, float]:
            model = candidate.model
            assert isinstance(model, CausalLanguageModel)
            drawn = model.decode(model.sample(held_out, candidate.stream.child("summaries")))
            real = [pairs[row][1] for row in held_out.tolist()]
            words = [word for text in drawn for word in words_of(text)]
            return {
                "perplexity": float(np.exp(model.cross_entropy(values[held_out], held_out))),
                "rouge_1": float(np.mean([rouge_1(one, other) for one, other in zip(drawn, real, strict=True)])),
                "distinct_words": len(set(words)) / max(1, len(words)),
            }

        return Task(language, Samples.real(values[train], train), scores, self.first_steps)

    def plans(self) -> dict[str, PlanSource]:
        """The arms."""
        plan = Plan(Replace(), self.generations, self.steps)

        def verified(task: Task, stream: Stream) -> Plan:
            pairs, language = self._pairs(stream), task.model
            assert isinstance(language, CausalLanguageModel)
            rows = pairs[self.real_count :][: self.calibration]
            least = float(np.quantile([from_document(*pair) for pair in rows], 0.1))

            def copies_words(samples: Samples) -> Tensor:
                texts = zip(samples.labels.tolist(), language.decode(samples.values), strict=True)
                return torch.tensor([from_document(pairs[label][0], text) >= least for label, text in texts])

            correction = Correction(verifier(copies_words), on_rejection="drop")
            return replace(plan, correction=correction)

        return {
            "real only": replace(plan, policy=RealOnly()),
            "synthetic": plan,
            "10 % kept": replace(plan, policy=Keep(0.1)),
            "verified": verified,
        }

    def _pairs(self, stream: Stream) -> list[Pair]:
        """A seed's documents and summaries: to train on, to calibrate the verifier on, held out."""
        pairs, wanted = text_pairs(self.data), self.real_count + self.calibration + self.judged
        if len(pairs) < wanted:
            raise InputError(f"{self.data}: {len(pairs)} pairs of texts, and the loop needs {wanted}")
        order = torch.randperm(len(pairs), generator=stream.child("split").torch())[:wanted]
        return [pairs[row] for row in order.tolist()]

    def _language(self, pairs: list[Pair]) -> CausalLanguageModel:
        network, tokenizer = local_model(self.model)
        return CausalLanguageModel(
            module=network,
            tokenizer=tokenizer,
            length=self.length,
            prompts=tuple(f"{document.strip()}\nSummary:" for document, _ in pairs),
            prompt_length=self.prompt_length,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            device=choose_device(self.device),
        )


def local_model(folder: Path) -> tuple[Any, Any]:
    """A causal model and its tokenizer from a folder in Hugging Face's layout; nothing is downloaded or unpickled."""
    with needed_for("a language model", "hub"):
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no model in Hugging Face's layout (config.json, model.safetensors, tokenizer.json)"
        )
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        network = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **local)
        return network, AutoTokenizer.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"{folder}: the model cannot be read ({str(error).splitlines()[0]})") from error


def words_of(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"\w+", text.lower())


def from_document(document: str, summary: str) -> float:
    """The share of a summary's words that its document has; 0 for a summary without words."""
    known, words = set(words_of(document)), words_of(summary)
    return sum(word in known for word in words) / len(words) if words else 0.0


def rouge_1(candidate: str, reference: str) -> float:
    """F1 of the words that two texts share (Lin 2004), 0 where they share none."""
    one, other = Counter(words_of(candidate)), Counter(words_of(reference))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0
