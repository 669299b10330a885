"""The account's books: wallet, positions at exact cost, fees, realised profit, funding and other income."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from core.arithmetic.cost_basis import USDT_QUANTUM, release
from core.domain.trading import EXACT
from tests.venue.contracts import Contract
from tests.venue.orders import Order, Row, Trade, money

ZERO = Decimal(0)


@dataclass(slots=True)
class Position:
    """Signed lots and signed cost in USDT; `realised_usdt` is all that was ever realised in the symbol."""

    contract: Contract
    side: str = "BOTH"
    lots: int = 0
    cost_usdt: Decimal = ZERO
    realised_usdt: Decimal = ZERO
    updated_ms: int = 0

    def entry_price(self) -> Decimal:
        if not self.lots:
            return ZERO
        return (self.cost_usdt / self.contract.qty(self.lots)).quantize(Decimal("1e-8"), ROUND_HALF_EVEN)

    def notional_usdt(self, mark: Decimal) -> Decimal:
        return self.contract.qty(self.lots) * mark

    def unrealised_usdt(self, mark: Decimal) -> Decimal:
        return self.notional_usdt(mark) - self.cost_usdt

    def reducible_lots(self, sign: int) -> int:
        """How many lots an order of this sign can take off."""
        return abs(self.lots) if self.lots * sign < 0 else 0


@dataclass
class Ledger:
    """wallet == deposits + realised - fees + funding, to the last digit, at every moment."""

    contracts: dict[str, Contract]
    wallet_usdt: Decimal = ZERO
    deposits_usdt: Decimal = ZERO
    realised_usdt: Decimal = ZERO
    fees_usdt: Decimal = ZERO
    funding_usdt: Decimal = ZERO
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    income: list[Row] = field(default_factory=list)
    updated_ms: int = 0
    _next_transfer: int = 9_000_000_001

    def position(self, symbol: str, side: str = "BOTH") -> Position:
        key = (symbol, side)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(self.contracts[symbol], side)
        return found

    def book_trade(
        self, order: Order, lots: int, price_ticks: int, fee_rate: Decimal, is_maker: bool, trade_id: int, now_ms: int
    ) -> Trade:
        """Take one execution into order, position and wallet. A trade that crosses zero closes first, then opens."""
        contract, sign = order.contract, order.sign
        position = self.position(order.symbol, order.position_side)
        with localcontext(EXACT):
            quote = contract.notional(lots, price_ticks)
            fee = (quote * fee_rate).quantize(USDT_QUANTUM, ROUND_HALF_EVEN)
            realised = self._move(position, sign, lots, price_ticks)
            order.quote_usdt += quote
            order.filled_lots += lots
            position.realised_usdt += realised
            position.updated_ms = order.updated_ms = self.updated_ms = now_ms
            self.realised_usdt += realised
            self.fees_usdt += fee
            self.wallet_usdt += realised - fee
        trade = Trade(trade_id, order, lots, price_ticks, fee, realised, is_maker, now_ms, position.lots)
        self.trades.append(trade)
        if realised:
            self._add_income(order.symbol, "REALIZED_PNL", realised, now_ms, trade_id, trade_id)
        self._add_income(order.symbol, "COMMISSION", -fee, now_ms, trade_id, trade_id)
        return trade

    def _move(self, position: Position, sign: int, lots: int, price_ticks: int) -> Decimal:
        contract, realised = position.contract, ZERO
        closed = min(position.reducible_lots(sign), lots)
        if closed:
            released = release(position.lots, position.cost_usdt, closed)
            realised = -sign * contract.notional(closed, price_ticks) - released
            position.lots += sign * closed
            position.cost_usdt -= released
        opened = lots - closed
        if opened:
            position.lots += sign * opened
            position.cost_usdt += sign * contract.notional(opened, price_ticks)
        return realised

    def pay_funding(self, position: Position, rate: Decimal, mark: Decimal, tran_id: int, now_ms: int) -> Decimal:
        """The amount received (negative: paid); longs pay a positive rate."""
        with localcontext(EXACT):
            amount = (-position.notional_usdt(mark) * rate).quantize(USDT_QUANTUM, ROUND_HALF_EVEN)
            self.funding_usdt += amount
            self.wallet_usdt += amount
        self.updated_ms = now_ms
        self._add_income(position.contract.symbol, "FUNDING_FEE", amount, now_ms, tran_id, "")
        return amount

    def transfer(self, amount_usdt: Decimal, now_ms: int) -> None:
        """Money moved in (positive) or out of the account."""
        self.deposits_usdt += amount_usdt
        self.wallet_usdt += amount_usdt
        self.updated_ms = now_ms
        self._next_transfer += 1
        self._add_income("", "TRANSFER", amount_usdt, now_ms, self._next_transfer, "")

    def check(self) -> None:
        """Raises AssertionError where the wallet differs from what moved it."""
        expected = self.deposits_usdt + self.realised_usdt - self.fees_usdt + self.funding_usdt
        assert self.wallet_usdt == expected, f"wallet {self.wallet_usdt} is not {expected}"

    def _add_income(
        self, symbol: str, kind: str, amount: Decimal, now_ms: int, tran_id: int, trade_id: int | str
    ) -> None:
        self.income.append(
            {
                "symbol": symbol,
                "incomeType": kind,
                "income": money(amount),
                "asset": "USDT",
                "info": str(trade_id) if trade_id else kind,
                "time": now_ms,
                "tranId": tran_id,
                "tradeId": str(trade_id),
            }
        )
