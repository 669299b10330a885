"""Keys that came in the environment, kept by the one process that needs them: no child inherits them."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

_KEYS = ("_API_KEY", "_API_SECRET", "_API_PASSPHRASE", "_API_SEEDS", "_SECRET", "_PASSPHRASE")
_ABOUT_KEYS = (*_KEYS, "_KEYS_FILE")
_withdrawn: dict[str, str] = {}


def withdraw_keys(environment: MutableMapping[str, str]) -> None:
    """Take out of `environment` what is, or leads to, the keys of an account. `key_environment` has it from now on."""
    for name in _named(environment, _ABOUT_KEYS):
        _withdrawn[name] = environment.pop(name)


def key_environment() -> Mapping[str, str]:
    """The environment of this process as it was started."""
    return {**os.environ, **_withdrawn}


def keys_in_environment() -> list[str]:
    """Names of the variables in which this process was given keys. The kernel shows them to every process of the same
    user (/proc/PID/environ) until this one ends, whatever it takes out of its environment."""
    return sorted(_named(key_environment(), _KEYS))


def _named(environment: Mapping[str, str], ends: tuple[str, ...]) -> list[str]:
    return [name for name in environment if name.startswith("QUARTERDECK_") and name.endswith(ends)]
