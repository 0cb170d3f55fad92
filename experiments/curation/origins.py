"""Which requests a local server answers: those of the pages it serves, not of foreign ones in the same browser."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_own(hosts: Sequence[str], origins: Sequence[str], served: str) -> bool:
    """Whether a request with these Host and Origin headers comes from a page of the server at the address `served`.

    The host must be that address; a name that a stranger's DNS gives it is not. A page's origin must be that host with
    its port, whichever port that is: ports are forwarded. Programs send no origin.
    """
    if len(hosts) != 1 or len(origins) > 1 or not _is_served(_name(f"//{hosts[0]}"), served):
        return False
    return not origins or origins[0].lower() in (f"http://{hosts[0]}".lower(), f"https://{hosts[0]}".lower())


def _name(address: str) -> str:
    """The host in an address, "" where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_served(name: str, served: str) -> bool:
    """Whether a name in a request stands for the address; one of all networks is reached by any number, too."""
    own = served.lower().strip("[]")
    if name == own or (name in LOOPBACK and own in LOOPBACK):
        return True
    if not _is_every(own):
        return False
    return name in LOOPBACK or name in (socket.gethostname().lower(), socket.getfqdn().lower()) or _is_number(name)


def _is_every(address: str) -> bool:
    return _is_number(address) and ipaddress.ip_address(address).is_unspecified


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
