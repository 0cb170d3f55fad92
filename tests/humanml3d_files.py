"""A HumanML3D folder of made-up motions, and a tiny CLIP, for tests."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_motions import KINDS, made_motion

from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import TARGET_OFFSETS_M, encode

SAID = {
    "walk": "a/DET person/NOUN walks/VERB slowly/ADV",
    "run": "the/DET person/NOUN runs/VERB",
    "turn": "a/DET person/NOUN turns/VERB left/ADJ",
    "hop": "a/DET person/NOUN jumps/VERB",
    "idle": "the/DET person/NOUN sits/VERB",
}


def write_humanml3d(folder: Path, counts: dict[str, int]) -> None:
    """Motions of 41 to 60 rows in splits of some sizes; all but one in three have two captions."""
    for part in ("new_joint_vecs", "texts"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    all_rows = []
    number = 0
    for split, count in counts.items():
        names = []
        for _ in range(count):
            kind = KINDS[number % len(KINDS)]
            name = f"{number:06d}"
            motion = made_motion(kind, rng.uniform(0.7, 1.2), 20.0, int(rng.integers(42, 62)))
            rows = encode(body_joints(motion), TARGET_OFFSETS_M).astype(np.float32)
            np.save(folder / "new_joint_vecs" / f"{name}.npy", rows)
            tokens = SAID[kind]
            text = " ".join(token.partition("/")[0] for token in tokens.split())
            lines = [f"{text}#{tokens}#0.0#0.0", f"{text} again#{tokens} again/ADV#0.0#0.0"][: 1 + number % 3]
            (folder / "texts" / f"{name}.txt").write_text("\n".join(lines) + "\n")
            all_rows.append(rows)
            names.append(name)
            number += 1
        (folder / f"{split}.txt").write_text("\n".join([*names, "999999"]) + "\n")
    joined = np.concatenate(all_rows)
    np.save(folder / "Mean.npy", joined.mean(0))
    np.save(folder / "Std.npy", joined.std(0) + 0.05)


def write_clip(folder: Path, width: int = 8) -> Path:
    """A CLIP of one layer with random weights, whose words are letters."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `text`")
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "wa", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nw a\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, projection_dim=width, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=53, eos_token_id=54, pad_token_id=54,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder
