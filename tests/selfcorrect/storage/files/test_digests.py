"""Files agree with their digests or are called damaged."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from selfcorrect.core.errors import DamagedError
from selfcorrect.storage.files.digests import (
    append_digest,
    compute_file_digest,
    decode_with_digest,
    digest_path,
    encode_with_digest,
    find_listing,
    read_sums,
    read_with_digest,
    write_listing,
)
from selfcorrect.storage.files.locks import LOCK

VALUES = {"moved_m": 1.5e-07, "notes": ["a", "\u00e9 \udc80"], "inner": {"x": [1, 2.5, None]}}


@pytest.mark.parametrize("values", [{}, VALUES])
def test_every_flipped_bit_is_noticed(values: dict[str, object]) -> None:
    content = encode_with_digest(values)
    assert decode_with_digest(content, "it") == values
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError, match="it is damaged"):
            decode_with_digest(bytes(damaged), "it")


def test_missing_digest_is_named() -> None:
    with pytest.raises(DamagedError, match="its checksum is missing"):
        decode_with_digest(json.dumps(VALUES).encode(), "it")


def test_text_layout_is_free() -> None:
    text = b'{\n "a": [1, 2, 3]\n}\n'
    assert decode_with_digest(append_digest(text), "it") == {"a": [1, 2, 3]}


def test_unreadable_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"a\.json is missing"):
        read_with_digest(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DamagedError, match=r"pipe\.json .*regular file"):
        read_with_digest(tmp_path / "pipe.json")
    for text in (b"[]", b"3", b'{"sha256": 3}', b"[" * 100_000, b'{"sha256": "' + b"0" * 64 + b'"}'):
        (tmp_path / "a.json").write_bytes(text)
        with pytest.raises(DamagedError, match=r"a\.json is damaged"):
            read_with_digest(tmp_path / "a.json")


def test_odd_names_match_sha256sum(tmp_path: Path) -> None:
    names = ["a", "b c", "new\nline", "back\\slash", "back\\nslash", "caf\udce9", "é", " *", "folder/a"]
    (tmp_path / "folder").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(os.fsencode(name))
    write_listing(tmp_path, [tmp_path / name for name in names])
    listing = find_listing(tmp_path)
    assert listing is not None
    assert read_sums(listing) == {name: compute_file_digest(tmp_path / name) for name in names}
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--strict", "--quiet", "-c", listing.name]
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    for damage in (b"x", b"\n", b"\0"):
        listing.write_bytes(damage + listing.read_bytes()[1:])
        with pytest.raises(DamagedError, match="is damaged"):
            read_sums(listing)


def test_run_beside_data_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"1")
    before = digest_path(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).touch()
    (tmp_path / "run" / "model.bin").write_bytes(b"2")
    assert digest_path(tmp_path) == before
    assert digest_path(tmp_path / "run") == digest_path(tmp_path / "of tomorrow") == ""
    (tmp_path / "data.bin").write_bytes(b"3")
    assert digest_path(tmp_path) != before
