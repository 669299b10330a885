"""Where an address leads."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_SERVER = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


def is_address(url: str) -> bool:
    """Whether `url` is http or https, a host and perhaps a port, all of them possible, and nothing else."""
    if not _SERVER.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
