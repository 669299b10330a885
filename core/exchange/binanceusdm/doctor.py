"""What the doctor asks of a key and an account of Binance alone."""

from __future__ import annotations

from core.exchange.connection.flags import Flag, Flags, Stops

KEY_RIGHTS = Flags(
    "sapiGetAccountApiRestrictions",
    (
        Flag("enableFutures", "futures right", "granted", "missing", "allow futures for the key", Stops.LIVE),
        Flag(
            "enableWithdrawals",
            "withdrawal right",
            "none",
            "the key may withdraw",
            "take the right to withdraw from the key: trading does not need it",
            ok_when=False,
        ),
        Flag(
            "ipRestrict",
            "key IP list",
            "restricted to listed addresses",
            "the key works from any address",
            "restrict the key to the addresses of this machine",
        ),
    ),
)

ACCOUNT_FLAGS = (
    Flags(
        "fapiPrivateGetFeeBurn",
        (
            Flag(
                "feeBurn",
                "fees in BNB",
                "off",
                "on: fees leave the BNB wallet, which the USDT books do not see",
                "turn off paying futures fees in BNB",
                ok_when=False,
            ),
        ),
    ),
    Flags(
        "fapiPrivateGetMultiAssetsMargin",
        (
            Flag(
                "multiAssetsMargin",
                "multi-assets mode",
                "off",
                "on: other assets are margin as well, so that margin and liquidation differ from what is shown",
                "switch the futures account to single-asset mode",
                ok_when=False,
            ),
        ),
    ),
)
