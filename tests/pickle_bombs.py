"""Make small pickles whose loading would take too much memory, time or recursion."""

import io
import zipfile
from collections.abc import Callable


def make_pickle(opcodes: bytes) -> bytes:
    """Return a pickle of a dictionary with one item, the object that `opcodes` leave on the stack."""
    return b"\x80\x02}X\x01\x00\x00\x00a" + opcodes + b"s."


def make_archive(pickle: bytes, numbers: bytes = b"") -> bytes:
    """Return a file as PyTorch saves it, with one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", numbers)
    return file.getvalue()


TEXT = b"X\x00\x00\x08\x00" + b"a" * 2**19
"""Opcodes that push half a megabyte of text."""
SHARED = b"K\x01q\x00" + b"".join(b"0h%ch%c\x86q%c" % (at, at, at + 1) for at in range(60))
"""Opcodes that make a pair of the same pair twice, which holds the same pair twice, and so on, 60 levels deep."""
WRAPPER = (
    b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0shape)"
    b"X\x05\0\0\0dtypecnumpy\ndtype\nX\x01\0\0\0O\x85Rub"
)
"""joblib's header for an array of objects, which says that a separate pickle follows."""
LATIN = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
"""Opcodes that encode the text stored as memo 0 as bytes."""

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85X\x01\x00\x00\x00b\x87R"
"""Opcodes that make an empty array, whose state follows."""
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(h\x01K\x00K\x01\x85K\x01\x85\x89}tR"


def text(end: bytes = b"") -> bytes:
    """Return opcodes that push half a megabyte of text and store it as memo 0."""
    return b"X" + (2**19).to_bytes(4, "little") + end.rjust(2**19, b"a") + b"q\x00"


def repeat_item(first: bytes, item: bytes, times: int) -> bytes:
    """Return a pickle of a list of `first` followed by `times` copies of `item`."""
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
"""Functions that make the files, by name. The files are small, but loading them would break a limit of 20 MB."""
