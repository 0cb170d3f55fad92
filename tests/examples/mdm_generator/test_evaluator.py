"""The field's evaluator agrees with plain modules.

Word vectors and bad files are tested, too.
"""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluator_files import WORDS, embed_tokens, write_evaluator
from mdm_generator.evaluator import KINDS, load_evaluator, read_word_vectors

from selfcorrect.core.errors import InputError

TOKENS = (
    "a/DET person/NOUN walk/VERB slowly/ADV",
    "person/NOUN",
    "a/DET person/NOUN kick/VERB the/DET hippopotamus/NOUN left/ADJ " + "walk/VERB " * 30,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluator") / "t2m"
    write_evaluator(folder)
    return folder


@torch.no_grad()
def test_motion_embedding_matches_modules(tmp_path: Path) -> None:
    modules = write_evaluator(tmp_path / "t2m")
    evaluator = load_evaluator(tmp_path / "t2m")
    rng = np.random.default_rng(0)
    motions = [rng.normal(size=(frames, 263)) for frames in (40, 196, 67, 4)]
    mean = np.load(tmp_path / "t2m" / "t2m_mean.npy").astype(float)
    std = np.load(tmp_path / "t2m" / "t2m_std.npy").astype(float)
    got = evaluator.motions(motions)
    movement: Any = modules["movement_encoder"].eval()
    for row, motion in zip(got, motions, strict=True):
        padded = torch.zeros(1, 196, 259)
        padded[0, : len(motion)] = torch.from_numpy(((motion - mean) / std)[:, :259]).float()
        moves = movement["out_net"](movement["main"](padded.permute(0, 2, 1)).permute(0, 2, 1))[0]
        expected = embed_tokens(modules["motion_encoder"], moves[: len(motion) // 4])
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)
    contacts = [motion.copy() for motion in motions]
    for motion in contacts:
        motion[:, -4:] = 9
    np.testing.assert_array_equal(evaluator.motions(contacts), got)


@torch.no_grad()
def test_caption_embedding_matches_modules(tmp_path: Path) -> None:
    modules = write_evaluator(tmp_path / "t2m")
    text: Any = modules["text_encoder"]
    vectors = np.load(tmp_path / "t2m" / "glove" / "our_vab_data.npy")
    got = load_evaluator(tmp_path / "t2m").captions(TOKENS)
    tokens = ["sos/14", "a/2", "person/1", "walk/12", "slowly/13", "eos/14"]
    rows = [WORDS.index(token.partition("/")[0]) for token in tokens]
    kinds = torch.eye(15)[[int(token.partition("/")[2]) for token in tokens]]
    words = torch.from_numpy(vectors[rows]).float() + text["pos_emb"](kinds)
    np.testing.assert_allclose(got[0], embed_tokens(text, words).numpy(), atol=1e-5)
    assert got.shape == (3, 6)
    assert np.abs(got[0] - got[1]).max() > 1e-3


def test_words_have_vectors_and_kinds(files: Path) -> None:
    words = read_word_vectors(files / "glove")
    vectors, kinds, count = words.read(TOKENS[2])
    assert (vectors.shape, kinds.shape, count) == ((22, 10), (22, 15), 22)
    named = [KINDS[kind] for kind in kinds.argmax(1)]
    assert named[:8] == ["OTHER", "DET", "NOUN", "action", "DET", "OTHER", "place", "action"]
    assert named[-1] == "OTHER"
    np.testing.assert_array_equal(vectors[5], vectors.dtype.type(np.load(files / "glove" / "our_vab_data.npy")[0]))
    assert words.read("person/NOUN")[2] == 3
    assert words.read("person/place")[1][1].argmax() == KINDS.index("OTHER"), "groups are no parts of speech"
    assert words.read("")[2] == 2


@pytest.mark.parametrize("place", ["beside", "within"])
def test_word_vectors_location(files: Path, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "checkpoints" / "t2m"
    shutil.copytree(files, folder)
    if place == "beside":
        shutil.move(folder / "glove", folder.parent / "glove")
    np.testing.assert_array_equal(load_evaluator(folder).captions(TOKENS), load_evaluator(files).captions(TOKENS))


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_files_run_no_code(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "t2m"
    trace = tmp_path / "trace"
    shutil.copytree(files, folder)
    (folder / "glove" / "our_vab_words.pkl").write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(InputError, match=r"our_vab_words\.pkl: refused"):
        load_evaluator(folder)
    path = folder / "text_mot_match" / "model" / "finest.tar"
    torch.save({"movement_encoder": Hostile(trace)}, path)
    with pytest.raises(InputError, match=r"finest\.tar: refused"):
        load_evaluator(folder)
    assert not trace.exists()


def test_other_shapes_raise(files: Path) -> None:
    with pytest.raises(InputError, match=r"motion 1.*\(197, 263\)"):
        load_evaluator(files).motions([np.zeros((4, 263)), np.zeros((197, 263))])
