"""What ids exchanges give to orders and trades."""

from __future__ import annotations


def is_number_id(told: str) -> bool:
    """Whether it is the number of an order or of a trade, as databases count them."""
    return told.isascii() and told.isdecimal() and len(told) < 20 and 0 < int(told) < 1 << 63


def is_word_id(told: str) -> bool:
    """Whether it is a number or a word of letters, digits and dashes."""
    return told.isascii() and len(told) <= 64 and told.replace("-", "").replace("_", "").isalnum()
