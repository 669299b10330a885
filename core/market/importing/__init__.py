"""Files of users with candles, funding and what else is observed, in the forms in which people have them, to validated
columns."""

from core.market.importing.files import CandleFile, FundingFile, read_market_file
from core.market.importing.observed import ObservedFile

__all__ = ["CandleFile", "FundingFile", "ObservedFile", "read_market_file"]
