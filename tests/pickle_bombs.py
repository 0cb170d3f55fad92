"""Small pickles that ask for much memory, much time or deep recursion."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable


def pickled(opcodes: bytes) -> bytes:
    """A pickle of a dictionary that holds what the opcodes leave on the stack."""
    return b"\x80\x02}X\x01\x00\x00\x00a" + opcodes + b"s."


def archived(pickle: bytes) -> bytes:
    """A file as PyTorch saves it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle)
    return file.getvalue()


TEXT = b"X\x00\x00\x08\x00" + b"a" * 2**19
"""Half a megabyte on the stack."""
SHARED = b"K\x01q\x00" + b"".join(b"0h%ch%c\x86q%c" % (at, at, at + 1) for at in range(60))
"""A pair of one pair twice, which holds one pair twice, and so on."""
WRAPPER = (
    b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0shape)"
    b"X\x05\0\0\0dtypecnumpy\ndtype\nX\x01\0\0\0O\x85Rub"
)
"""joblib's announcement that an array of objects follows, in a pickle of its own."""
LATIN = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
"""What turns the text that was put first into bytes."""

PICKLE_BOMBS: dict[str, Callable[[int], bytes]] = {
    "pairs.pt": lambda times: archived(pickled(SHARED)),
    "keys.pt": lambda times: archived(b"\x80\x02}" + SHARED + b"K\x01s."),
    "lists.pt": lambda times: archived(pickled(b"(" + b"]" * 500_000 * times + b"l")),
    "deep.pkl": lambda times: pickled(b"]" * 10_000 * times + b"a" * (10_000 * times - 1)),
    "paths.pkl": lambda times: pickled(b"cpathlib\nPath\n" * 500 * times + b")R" + b"\x85R" * (500 * times - 1)),
    "arrays.pkl": lambda times: b"\x80\x02" + WRAPPER * 500 * times,
    "lists.pkl": lambda times: pickled(b"(" + b"]" * 500_000 * times + b"l"),
    "dicts.pkl": lambda times: pickled(b"(" + b"}\x94K\x01K\x02s" * 50_000 * times + b"l"),
    "words.pkl": lambda times: pickled(b"(" + b"X\x02\x00\x00\x00ab" * 50_000 * times + b"l"),
    "names.pkl": lambda times: b"\x80\x02}" + TEXT + b"(" + b"K\x01" * 100_000 * times + b"ls.",
    "bytes.pkl": lambda times: pickled(b"(" + TEXT + b"q\x00" + LATIN * 10_000 * times + b"l"),
    "memo.pkl": lambda times: pickled(b"Nr\xff\xff\xff\xff"),
    "array.pkl": lambda times: pickled(b"\x96" + (2**40).to_bytes(8, "little")),
    "digits.pkl": lambda times: pickled(b"I" + b"9" * 100_000 * times + b"\n"),
}
"""What makes each, small for `times` = 1, when a limit is of 20 MB; ten times larger for the usual limit."""
