"""Make small pickles that ask for too much.

Much memory, much time or deep recursion.
"""

import io
import zipfile
from collections.abc import Callable


def make_pickle(opcodes: bytes) -> bytes:
    """Pickle a dictionary of what opcodes leave."""
    return b"\x80\x02}X\x01\x00\x00\x00a" + opcodes + b"s."


def make_archive(pickle: bytes, numbers: bytes = b"") -> bytes:
    """A file as PyTorch saves it, with one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", numbers)
    return file.getvalue()


TEXT = b"X\x00\x00\x08\x00" + b"a" * 2**19
"""Half a megabyte on the stack."""
SHARED = b"K\x01q\x00" + b"".join(b"0h%ch%c\x86q%c" % (at, at, at + 1) for at in range(60))
"""A pair of one pair twice, which holds one pair twice, and so on."""
WRAPPER = (
    b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0shape)"
    b"X\x05\0\0\0dtypecnumpy\ndtype\nX\x01\0\0\0O\x85Rub"
)
"""joblib's announcement that an array of objects follows, in a separate pickle."""
LATIN = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
"""What turns the text that was put first into bytes."""

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85X\x01\x00\x00\x00b\x87R"
"""What a state makes an array of."""
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(h\x01K\x00K\x01\x85K\x01\x85\x89}tR"


def text(end: bytes = b"") -> bytes:
    """Half a megabyte on the stack, known as 0."""
    return b"X" + (2**19).to_bytes(4, "little") + end.rjust(2**19, b"a") + b"q\x00"


def repeat_item(first: bytes, item: bytes, times: int) -> bytes:
    """Pickle a list that repeats an item."""
    return make_pickle(b"(" + first + item * times + b"l")


def _scalars() -> bytes:
    size = str(2**19).encode()
    dtype = b"cnumpy\ndtype\nX%c\x00\x00\x00S%b\x85Rq\x01" % (len(size) + 1, size)
    return repeat_item(text() + dtype, b"cnumpy.core.multiarray\nscalar\nh\x01h\x00\x86R", 500)


def _tensors() -> bytes:
    count = (2**19).to_bytes(4, "little")
    name = b"(X\x07\0\0\0storagectorch\nBoolStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ" + count + b"tQq\x01"
    return make_archive(repeat_item(name, TENSOR, 2000), bytes(2**19))


def _types() -> bytes:
    dtype = b"cnumpy\ndtype\nh\x00\x85R(K\x03X\x01\0\0\0<tbq\x01"
    return repeat_item(text(b"O8") + dtype, ARRAY + b"(K\x01K\x01\x85h\x01\x89]K\x01atb", 2000)


def _sides() -> bytes:
    shape = b"(" + b"J\xff\xff\xff\x7f" * 10_000 + b"t"
    return b"\x80\x02" + WRAPPER.replace(b"shape)", b"shape" + shape).replace(b"O\x85", b"f\x85")


def _states() -> bytes:
    state = b"(" + b"K\x01" * 2000 + b"K\x01\x85cnumpy\ndtype\nX\x02\0\0\0f8\x85R\x89X\x08\0\0\0aaaaaaaatq\x00"
    return repeat_item(state, ARRAY + b"h\x00b", 500)


def _modules() -> bytes:
    return repeat_item(text().replace(b"aaaaaaa", b"chumpy.", 1), b"h\x00h\x00\x93", 2000)


PICKLE_BOMBS: dict[str, Callable[[], bytes]] = {
    "pairs.pt": lambda: make_archive(make_pickle(SHARED)),
    "keys.pt": lambda: make_archive(b"\x80\x02}" + SHARED + b"K\x01s."),
    "lists.pt": lambda: make_archive(make_pickle(b"(" + b"]" * 500_000 + b"l")),
    "deep.pkl": lambda: make_pickle(b"]" * 10_000 + b"a" * (10_000 - 1)),
    "paths.pkl": lambda: make_pickle(b"cpathlib\nPath\n" * 500 + b")R" + b"\x85R" * (500 - 1)),
    "arrays.pkl": lambda: b"\x80\x02" + WRAPPER * 500,
    "lists.pkl": lambda: make_pickle(b"(" + b"]" * 500_000 + b"l"),
    "dicts.pkl": lambda: make_pickle(b"(" + b"}\x94K\x01K\x02s" * 50_000 + b"l"),
    "words.pkl": lambda: make_pickle(b"(" + b"X\x02\x00\x00\x00ab" * 50_000 + b"l"),
    "names.pkl": lambda: b"\x80\x02}" + TEXT + b"(" + b"K\x01" * 100_000 + b"ls.",
    "bytes.pkl": lambda: make_pickle(b"(" + TEXT + b"q\x00" + LATIN * 10_000 + b"l"),
    "texts.pkl": lambda: repeat_item(text(), LATIN, 2000),
    "scalars.pkl": _scalars,
    "tensors.pt": _tensors,
    "types.pkl": _types,
    "states.pkl": _states,
    "modules.pkl": _modules,
    "sides.pkl": _sides,
    "memo.pkl": lambda: make_pickle(b"Nr\xff\xff\xff\xff"),
    "array.pkl": lambda: make_pickle(b"\x96" + (2**40).to_bytes(8, "little")),
    "digits.pkl": lambda: make_pickle(b"I" + b"9" * 100_000 + b"\n"),
}
"""What makes each, small where the limit is of 20 MB."""
