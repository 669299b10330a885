"""Keys that came in the environment, kept by the one process that needs them: no child inherits them."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

_ABOUT_KEYS = ("_API_KEY", "_API_SECRET", "_API_PASSPHRASE", "_API_SEEDS", "_SECRET", "_PASSPHRASE", "_KEYS_FILE")
_withdrawn: dict[str, str] = {}


def withdraw_keys(environment: MutableMapping[str, str]) -> None:
    """Take out of `environment` what is, or leads to, the keys of an account. `key_environment` has it from now on."""
    for name in [name for name in environment if name.startswith("QUARTERDECK_") and name.endswith(_ABOUT_KEYS)]:
        _withdrawn[name] = environment.pop(name)


def key_environment() -> Mapping[str, str]:
    """The environment of this process as it was started."""
    return {**os.environ, **_withdrawn}
