"""The contract rules that are known: those that come with the program, and those of a home."""

from __future__ import annotations

from collections.abc import Iterable

from core.market.contracts.rules import ContractRules, read_rules
from core.market.shipped import INSTRUMENTS


def known_rules(of_home: Iterable[ContractRules] = ()) -> list[ContractRules]:
    """Those that come with the program, then those of the home."""
    return [*read_rules(INSTRUMENTS, "shipped"), *of_home]
