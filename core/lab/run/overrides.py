"""Settings with some values set over them, as the lab's requests name them."""

from __future__ import annotations

from typing import Any

from core.domain.errors import SettingsError
from core.settings.problems import known_keys
from core.settings.schema import Settings, parse_settings
from core.settings.strategies import table_class
from core.settings.values import Overrides


def with_overrides(settings: Settings, strategy: str, overrides: Overrides, place: str = "--set") -> Settings:
    """`settings` for `strategy` with each key of `overrides` set; a later one wins. A key without a dot is one of the
    strategy's own.

    Raises SettingsError naming `place`, the key and the mend.
    """
    data: dict[str, Any] = settings.model_dump() | {"strategy": strategy}
    for key, value in overrides:
        path = key.split(".") if "." in key else [strategy, key]
        table = data
        for name in path[:-1]:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{place}: {key}: {name} is a value and has no keys; write SECTION.KEY=VALUE")
        table[path[-1]] = value
    return parse_settings(data, place)


def keys_of(section: str) -> list[str] | None:
    """The keys of a section of settings; None where they are free, or where there is no such section."""
    if section in Settings.model_fields:
        return known_keys(Settings, [section])
    own = table_class(section)
    return None if own is None else known_keys(own)
