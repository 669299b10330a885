"""Settings changed from the command line: `--set KEY=VALUE` pairs laid over a whole Settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tomli

from core.domain.errors import SettingsError
from core.settings import STRATEGY_SECTIONS, Settings, known_keys, parse_settings

_BARE_WORD = re.compile(r"[\w.:/+-]+")


def overridden(settings: Settings, pairs: Sequence[tuple[str, str]], strategy: str) -> Settings:
    """`settings` for a run of `strategy` with each (key, value) of `pairs` in its place, later ones last.

    A key is dotted (`costs.taker_fee_bps`), or a bare one of the strategy's own section (`fast_bars`). A value is what
    TOML takes for one, or a bare word, which is a string. The whole is validated once, after the last pair. Raises
    SettingsError in one line, with the key and the mend.
    """
    data: dict[str, Any] = {**settings.model_dump(), "strategy": strategy}
    for key, text in pairs:
        path = _path(key, strategy)
        _put(data, path, _value(key, text))
    return parse_settings(data, "--set" if pairs else f"strategy {strategy}")


def _path(key: str, strategy: str) -> list[str]:
    path = key.split(".")
    if not all(path):
        raise SettingsError(f"--set {key}: is no key; write KEY=VALUE or SECTION.KEY=VALUE")
    if len(path) > 1:
        return path
    if strategy not in STRATEGY_SECTIONS:
        return ["strategy_options", strategy, key]
    elsewhere = [section for section in Settings.model_fields if key in known_keys(Settings, [section])]
    if elsewhere and strategy not in elsewhere:
        names = " or ".join(f"{section}.{key}" for section in elsewhere)
        raise SettingsError(f"--set: {strategy}.{key}: unknown key; did you mean {names}?")
    return [strategy, key]


def _put(data: dict[str, Any], path: list[str], value: object) -> None:
    for depth, part in enumerate(path[:-1], start=1):
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"--set: {'.'.join(path)}: {'.'.join(path[:depth])} is one value, and has no keys")
        data = inner
    data[path[-1]] = value


def _value(key: str, text: str) -> object:
    try:
        table = tomli.loads(f"value = {text}")
    except tomli.TOMLDecodeError:
        table = {}
    if table.keys() == {"value"}:
        return table["value"]
    if _BARE_WORD.fullmatch(text):
        return text
    raise SettingsError(f"--set: {key}: {text!r} is no value; a text of several words stands in quotes")
