"""Candle and funding files of users, in the forms in which people have them, to validated columns."""

from core.market.importing.files import CandleFile, FundingFile, read_market_file

__all__ = ["CandleFile", "FundingFile", "read_market_file"]
