"""Train a small text-to-motion model on motions with captions or labels, and write a BVH file per sentence.

    python text_to_motion.py "a person walks" "somebody kicks"

It needs the extras `loops` and `text`. Name your own motions in DATA, and take 2,000 steps or more.
"""

import sys
from dataclasses import replace

import torch
from caption_retrieval.described import DescribedDiffusion
from caption_retrieval.text_embedding import minilm, sentence_vectors

import selfcorrect as sc
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import cut_windows
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import captions

DATA, STEPS = "deepmimic", 50
SENTENCES = sys.argv[1:] or ["a person walks", "somebody kicks"]

motions = [replace(motion, label=(captions(motion.text) or [motion.label])[0]) for motion in sc.load_motions(DATA)]
windows = cut_windows(motions, WindowSettings(stride=4, cap_per_label=60))
codec, embed = FeatureCodec.fit(windows.batch), minilm()
real = sc.Samples.real(codec.encode(windows.batch), torch.from_numpy(windows.labels))
frames, features = real.event_shape
model = DescribedDiffusion(
    DiffusionConfig(guidance_scale=2.0), frames, features, len(windows.label_names),
    vectors=sentence_vectors(embed, windows.label_names),
).fit(real, STEPS, sc.streams(0).child("fit"))  # fmt: skip
described_model = model.with_descriptions(sentence_vectors(embed, SENTENCES))
results = codec.decode(described_model.sample(torch.arange(len(SENTENCES)), sc.streams(0).child("sample")))
for row, sentence in enumerate(SENTENCES):
    sc.save_motion(f"{row:02d}.bvh", results[row], overwrite=True)
    print(f"{row:02d}.bvh: {sentence}")
