"""A server answers its own pages, whatever name or port they came by, and no others."""

import socket

import pytest

from selfcorrect.experiments.curation.origins import is_own

HERE = socket.gethostname()


@pytest.mark.parametrize(
    ("host", "origin", "served", "own"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1", True),
        ("localhost:8080", "http://localhost:8080", "127.0.0.1", True),
        ("LOCALHOST:8080", "http://localhost:8080", "localhost", True),
        ("[::1]:8080", "http://[::1]:8080", "::1", True),
        ("localhost:9000", "http://localhost:9000", "127.0.0.1", True),  # a forwarded port
        ("localhost:8080", None, "127.0.0.1", True),  # a program
        ("192.168.1.7:8080", "http://192.168.1.7:8080", "0.0.0.0", True),
        ("[fe80::1]:8080", "http://[fe80::1]:8080", "::", True),
        (f"{HERE}:8080", f"http://{HERE}:8080", "0.0.0.0", True),
        ("my-machine:8080", "http://my-machine:8080", "my-machine", True),
        ("localhost:8080", "http://evil.example", "127.0.0.1", False),
        ("localhost:8080", "https://localhost.evil.example:8080", "127.0.0.1", False),
        ("localhost:8080", "http://localhost:3000", "127.0.0.1", False),  # another server of this machine
        ("localhost:8080", "null", "127.0.0.1", False),
        ("localhost:8080", "", "127.0.0.1", False),
        ("evil.example:8080", "http://evil.example:8080", "127.0.0.1", False),  # a name that leads here
        ("evil.example:8080", "http://evil.example:8080", "0.0.0.0", False),
        ("evil.example:8080", None, "127.0.0.1", False),
        ("192.168.1.7:8080", "http://192.168.1.7:8080", "127.0.0.1", False),
        ("", "http://", "127.0.0.1", False),
        ("[::1", "http://[::1", "127.0.0.1", False),
        ("localhost:8080@evil.example", "http://localhost:8080@evil.example", "127.0.0.1", False),
    ],
)
def test_who_is_answered(host: str, origin: str | None, served: str, own: bool) -> None:
    assert is_own([host], [] if origin is None else [origin], served) == own


def test_headers_that_are_missing_or_twice_there_are_refused() -> None:
    assert not is_own([], [], "127.0.0.1")
    assert not is_own(["localhost", "localhost"], [], "127.0.0.1")
    assert not is_own(["localhost"], ["http://localhost", "http://evil.example"], "127.0.0.1")
