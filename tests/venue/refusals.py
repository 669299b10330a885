"""The exchange's refusals: error code, text and HTTP status, as documented and recorded."""

from __future__ import annotations

from collections.abc import Mapping

REFUSALS: dict[int, tuple[int, str]] = {
    -1000: (400, "An unknown error occurred while processing the request."),
    -1003: (429, "Too many requests; current limit is 2400 requests per minute."),
    -1015: (429, "Too many new orders; current limit is 300 orders per TEN_SECONDS."),
    -1021: (400, "Timestamp for this request is outside of the recvWindow."),
    -1022: (400, "Signature for this request is not valid."),
    -1102: (400, "Mandatory parameter was not sent, was empty/null, or malformed."),
    -1106: (400, "Parameter '{}' sent when not required."),
    -1111: (400, "Precision is over the maximum defined for this asset."),
    -1115: (400, "Invalid timeInForce."),
    -1116: (400, "Invalid orderType."),
    -1117: (400, "Invalid side."),
    -1121: (400, "Invalid symbol."),
    -1120: (400, "Invalid interval."),
    -1125: (400, "This listenKey does not exist."),
    -2011: (400, "Unknown order sent."),
    -2013: (400, "Order does not exist."),
    -2014: (401, "API-key format invalid."),
    -2015: (401, "Invalid API-key, IP, or permissions for action"),
    -2019: (400, "Margin is insufficient."),
    -2021: (400, "Order would immediately trigger."),
    -2022: (400, "ReduceOnly Order is rejected."),
    -2027: (400, "Exceeded the maximum allowable position at current leverage."),
    -4003: (400, "Quantity less than or equal to zero."),
    -4004: (400, "Quantity less than minimum quantity."),
    -4005: (400, "Quantity greater than max quantity."),
    -4014: (400, "Price not increased by tick size."),
    -4016: (400, "Limit price can't be higher than {}."),
    -4024: (400, "Limit price can't be lower than {}."),
    -4015: (400, "Client order id is not valid."),
    -4023: (400, "Qty not increased by step size."),
    -4028: (400, "Leverage is not valid"),
    -4045: (400, "Reach max stop order limit."),
    -4046: (400, "No need to change margin type."),
    -4047: (400, "Margin type cannot be changed if there exists open orders."),
    -4048: (400, "Margin type cannot be changed if there exists position."),
    -4059: (400, "No need to change position side."),
    -4061: (400, "Order's position side does not match user's setting."),
    -4067: (400, "Position side cannot be changed if there exists open orders."),
    -4068: (400, "Position side cannot be changed if there exists position."),
    -4116: (400, "ClientOrderId is duplicated."),
    -4120: (400, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."),
    -4131: (400, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    -4140: (400, "Invalid symbol status for opening position."),
    -4164: (400, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    -4171: (400, "No need to change Multi-Assets mode."),
    -5021: (400, "Due to the order could not be filled immediately, the FOK order has been rejected."),
    -5022: (400, "Due to the order could not be executed as maker, the Post Only order will be rejected."),
    -5027: (400, "No need to modify the order."),
}


def integer(params: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A whole number among the parameters. Raises RefusalError -1102 where it is missing or none."""
    text = params.get(name)
    if not text and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError as error:
        raise RefusalError.missing(name) from error


class RefusalError(Exception):
    """A request the exchange understood and refused, with nothing changed."""

    def __init__(self, code: int, *details: object, msg: str = "") -> None:
        self.status, text = REFUSALS[code]
        self.code = code
        self.msg = msg or text.format(*details)
        super().__init__(f"{code} {self.msg}")

    @classmethod
    def missing(cls, parameter: str) -> RefusalError:
        return cls(-1102, msg=f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")

    @classmethod
    def neither(cls, first: str, second: str) -> RefusalError:
        return cls(-1102, msg=f"Param '{first}' or '{second}' must be sent, but both were empty/null!")

    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.msg}
