"""A sealed file is what was written, or it is said to be damaged."""

import json
import os
from pathlib import Path

import pytest

from selfcorrect.core.errors import DamagedError
from selfcorrect.storage.files.digests import holds_seal, sealed, unsealed, unsealed_bytes, values_and_seal, with_seal

VALUES = {"moved_m": 1.5e-07, "notes": ["a", "\u00e9 \udc80"], "inner": {"x": [1, 2.5, None]}}


@pytest.mark.parametrize("values", [{}, VALUES])
def test_every_flipped_bit_is_noticed(values: dict[str, object]) -> None:
    content = sealed(values)
    assert unsealed_bytes(content, "it") == values
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError, match="it is not what was written"):
            unsealed_bytes(bytes(damaged), "it")
        assert not holds_seal(bytes(damaged))


def test_files_of_earlier_versions_are_read() -> None:
    from selfcorrect.storage.files.digests import _canonical, digest

    earlier = json.dumps({**VALUES, "sha256": digest(_canonical(VALUES))}, indent=1).encode() + b"\n"
    assert values_and_seal(earlier, "it") == (VALUES, True)
    assert values_and_seal(json.dumps(VALUES).encode(), "it") == (VALUES, False)
    with pytest.raises(DamagedError, match="differs from its digest"):
        values_and_seal(earlier.replace(b"2.5", b"2.6"), "it")
    with pytest.raises(DamagedError, match="its digest is missing"):
        unsealed_bytes(json.dumps(VALUES).encode(), "it")


def test_the_layout_of_the_text_is_free() -> None:
    text = b'{\n "a": [1, 2, 3]\n}\n'
    assert unsealed_bytes(with_seal(text), "it") == {"a": [1, 2, 3]}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"a\.json is missing"):
        unsealed(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DamagedError, match=r"pipe\.json is not what was written: .* no regular file"):
        unsealed(tmp_path / "pipe.json")
    for text in (b"[]", b"3", b'{"sha256": 3}', b"[" * 100_000, b'{"sha256": "' + b"0" * 64 + b'"}'):
        (tmp_path / "a.json").write_bytes(text)
        with pytest.raises(DamagedError, match=r"a\.json is not what was written"):
            unsealed(tmp_path / "a.json")
