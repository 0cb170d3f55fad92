"""A language model on documents with summaries, after Yi et al. 2026 (SmolLM2-135M on XSum).

    pip install ./examples/plugins/hub_models
    python examples/hub/xsum.py --model SmolLM2-135M --data xsum.jsonl --out runs/xsum

A generation is fine-tuned on its own summaries of the training documents. The verifier keeps summaries whose share of
words from their document is at least that of the lower tenth of real summaries that nobody trains on or judges by. It
is imperfect on purpose: copying words makes no good summary. `--model` is a folder in Hugging Face's layout. `--data`
has a JSON object with `document` and `summary` per line. Nothing is downloaded. The same command resumes a stopped run.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from hub_models import CausalLanguageModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import selfcorrect as sc


@dataclass(frozen=True)
class SummaryLoop:
    """The sizes of the loop. The defaults need a GPU."""

    model: Path
    """Folder of a causal language model."""
    data: Path
    """File with a document and its summary per line, as JSON."""
    out: Path = Path("runs/xsum")
    """Run folder, with the report."""
    seeds: int = 3
    """Number of seeds."""
    real_count: int = 2000
    """Pairs to train on."""
    calibration: int = 500
    """Pairs that set the verifier's threshold."""
    judged: int = 500
    """Held-out pairs to judge by."""
    length: int = 48
    """Tokens of a summary."""
    prompt_length: int = 512
    """Tokens of a document."""
    initial_steps: int = 500
    """Optimiser steps of generation 0."""
    steps: int = 250
    """Optimiser steps per generation."""
    generations: int = 5
    """Generations after generation 0."""
    batch_size: int = 8
    """Pairs per optimiser step."""
    learning_rate: float = 2e-5
    """Learning rate of the fine-tuning."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Device of the network."""

    def draw_pairs(self, stream: sc.Stream) -> list[tuple[str, str]]:
        """Return a seed's documents with summaries: to train on, to calibrate the verifier on, held out."""
        rows = [json.loads(line) for line in self.data.read_text(encoding="utf-8").splitlines()]
        count = self.real_count + self.calibration + self.judged
        if len(rows) < count:
            raise sc.InputError(f"{self.data}: {len(rows)} pairs of texts, expected {count}")
        order = torch.randperm(len(rows), generator=stream.child("split").generator())[:count]
        return [(rows[row]["document"], rows[row]["summary"]) for row in order.tolist()]

    def make_model(self, pairs: list[tuple[str, str]]) -> CausalLanguageModel:
        """Return the language model with a prompt per document."""
        return CausalLanguageModel(
            module=AutoModelForCausalLM.from_pretrained(self.model, use_safetensors=True, local_files_only=True),
            tokenizer=AutoTokenizer.from_pretrained(self.model, local_files_only=True),
            length=self.length,
            prompts=tuple(f"{document.strip()}\nSummary:" for document, _ in pairs),
            prompt_length=self.prompt_length,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            device=torch.device(self.device),
        )

    def make_task(self, stream: sc.Stream) -> sc.Task:
        """Return model, real summaries and judge of a seed; labels are numbers of documents."""
        pairs = self.draw_pairs(stream)
        language = self.make_model(pairs)
        values = language.encode([f" {summary}" for _, summary in pairs])
        train = torch.arange(self.real_count)
        held_out = torch.arange(len(pairs) - self.judged, len(pairs))

        def judge(candidate: sc.Candidate) -> dict[str, float]:
            model = candidate.model
            assert isinstance(model, CausalLanguageModel)
            summaries = model.decode(model.sample(held_out, candidate.stream.child("summaries")))
            references = [pairs[row][1] for row in held_out.tolist()]
            scores = [measure_rouge_1(*texts) for texts in zip(summaries, references, strict=True)]
            words = [word for summary in summaries for word in split_words(summary)]
            return {
                "perplexity": float(np.exp(model.cross_entropy(values[held_out], held_out))),
                "rouge_1": float(np.mean(scores)),
                "distinct_words": len(set(words)) / max(1, len(words)),
            }

        return sc.Task(language, sc.Samples.real(values[train], train), judge, self.initial_steps)

    def verify_words(self, task: sc.Task, stream: sc.Stream) -> sc.Arm:
        """Drop summaries with too few words of their document."""
        pairs, language = self.draw_pairs(stream), task.model
        assert isinstance(language, CausalLanguageModel)
        calibration = pairs[self.real_count :][: self.calibration]
        least = float(np.quantile([measure_copied_share(*pair) for pair in calibration], 0.1))

        def copies_enough(samples: sc.Samples) -> Tensor:
            summaries = language.decode(samples.values)
            documents = [pairs[label][0] for label in samples.labels.tolist()]
            shares = [measure_copied_share(*texts) for texts in zip(documents, summaries, strict=True)]
            return torch.tensor(shares) >= least

        correction = sc.Correction(sc.verifier(copies_enough), on_rejection="drop")
        return sc.Arm(sc.Replace(), self.generations, self.steps, correction=correction)


def split_words(text: str) -> list[str]:
    """Return lower-case words."""
    return re.findall(r"\w+", text.lower())


def measure_copied_share(document: str, summary: str) -> float:
    """Return the share of a summary's words that its document has; 0 for a summary without words."""
    document_words, words = set(split_words(document)), split_words(summary)
    return sum(word in document_words for word in words) / len(words) if words else 0.0


def measure_rouge_1(summary: str, reference: str) -> float:
    """Return the F1 score of the words that two texts share (Lin 2004), 0 if they share none."""
    counts, expected = Counter(split_words(summary)), Counter(split_words(reference))
    shared = (counts & expected).total()
    return 2 * shared / (counts.total() + expected.total()) if shared else 0.0


if __name__ == "__main__":
    loop = tyro.cli(SummaryLoop)
    synthetic = sc.Arm(sc.Replace(), loop.generations, loop.steps)
    comparison = sc.compare(
        loop.make_task,
        {
            "real only": replace(synthetic, policy=sc.RealOnly()),
            "synthetic": synthetic,
            "10 % kept": replace(synthetic, policy=sc.Keep(0.1)),
            "verified": loop.verify_words,
        },
        seeds=loop.seeds,
        out=loop.out,
        better={"perplexity": "lower", "rouge_1": "higher", "distinct_words": "higher"},
        title="XSum",
    )
    print(comparison)
