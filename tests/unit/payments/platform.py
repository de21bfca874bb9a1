"""A payment platform in memory: a peer that keeps its own books, and fails as platforms do when it is told to."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import msgspec

from makegood.engine.world import World
from makegood.shop.payments.bill_days import date_of, day_of
from makegood.shop.payments.gateways.port import (
    Answer,
    BillLine,
    Closing,
    GatewayError,
    GatewayUnavailable,
    Notice,
    NoticeKind,
    Opened,
    OpenPayment,
    RefundPayment,
    RefundState,
    RefundStatus,
    Rejected,
    Trade,
)

Fault = Literal["before", "after"]
"""The call is lost before it takes effect, or its answer is lost after it did."""


class Slip(msgspec.Struct, frozen=True):
    """The body of a callback; its signature is a word that strangers do not know."""

    notice: Notice
    signature: str


@dataclass
class Account:
    """A trade in the platform's books, amounts in fen."""

    number: str
    amount: int
    expires_at: int
    trade_no: str
    state: Literal["unpaid", "paid", "closed"] = "unpaid"
    paid_at: int | None = None
    refunds: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def refunded(self) -> int:
        """Fen given back so far."""
        return sum(self.refunds.values())


class Platform:
    """Implements `Gateway`."""

    def __init__(self, world: World, channel: str = "testpay") -> None:
        self.channel = channel
        self.account = f"{channel}:shop"
        self.ledger: list[BillLine] = []
        self.bill_away: GatewayError | None = None
        self.accepted = Answer(200, "text/plain", b"thanks")
        self.rejected = Answer(400, "text/plain", b"again")
        self.trades: dict[str, Account] = {}
        self.opened: list[OpenPayment] = []
        self.calls: list[str] = []
        self.faults: deque[Fault | None] = deque()
        self.refund_status: RefundStatus = "succeeded"
        self.closing_unknown = False
        self.notices: list[bytes] = []
        self._world = world
        self._minted = 0

    async def open(self, payment: OpenPayment) -> Opened:
        """Opens a trade, or gives the one that is open."""
        lost = self._begin("open")
        if payment.payment_id not in self.trades:
            self.opened.append(payment)
            self.trades[payment.payment_id] = Account(
                payment.payment_id, payment.amount, payment.expires_at, f"{self.channel}-{payment.payment_id}"
            )
        self._end(lost)
        return Opened(f"http://cashier/{payment.payment_id}")

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """What became of it."""
        del trade_no
        self._end(self._begin("query"))
        trade = self._known(payment_id)
        if trade is None:
            return Trade("unknown_trade")
        return Trade(trade.state, trade.trade_no, trade.amount, trade.paid_at)

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Closes it unless it is paid."""
        del trade_no
        lost = self._begin("close")
        trade = self._known(payment_id)
        if self.closing_unknown:
            return "unknown"
        if trade is not None and trade.state == "unpaid":
            trade.state = "closed"
        self._end(lost)
        return "paid" if trade is not None and trade.state == "paid" else "closed"

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Gives money back once for each refund number."""
        lost = self._begin("refund")
        trade = self.trades[refund.payment_id]
        if self.refund_status == "succeeded" and refund.refund_id not in trade.refunds:
            assert trade.refunded + refund.amount <= trade.amount, "more than was paid"
            trade.refunds[refund.refund_id] = refund.amount
            self.enter("refund", trade, refund.amount, refund.refund_id)
            self.notices.append(self.slip(trade, "refund", trade.refunded))
        self._end(lost)
        return RefundState("succeeded" if refund.refund_id in trade.refunds else self.refund_status, "as told")

    async def bill(self, day: date) -> list[BillLine]:
        """The lines of one day."""
        if self.bill_away is not None:
            raise self.bill_away
        return [line for line in self.ledger if date_of(day_of(line.at)) == day]

    def enter(self, kind: Literal["payment", "refund"], trade: Account, amount: int, refund_number: str = "") -> None:
        """Writes a line of today's bill."""
        at = self._world.now()
        self.ledger.append(BillLine(kind, trade.number, refund_number, trade.trade_no, amount, at))

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves and reads a notification."""
        del headers
        try:
            slip = msgspec.json.decode(body, type=Slip)
        except msgspec.MsgspecError as error:
            raise Rejected("malformed", str(error)) from error
        if slip.signature != "sesame":
            raise Rejected("bad_signature", f"{slip.signature} does not open")
        return slip.notice

    def pay(self, number: str, *, amount: int | None = None) -> bytes | None:
        """The buyer pays, or wants to: the callback that follows, None when the platform takes no payment."""
        trade = self._known(number)
        if trade is None or trade.state != "unpaid":
            return None
        trade.state, trade.paid_at = "paid", self._world.now()
        trade.amount = trade.amount if amount is None else amount
        self.enter("payment", trade, trade.amount)
        self.notices.append(self.slip(trade, "captured", trade.amount))
        return self.notices[-1]

    def slip(
        self,
        trade: Account,
        kind: NoticeKind,
        amount: int,
        *,
        signature: str = "sesame",
        notify_id: str = "",
        refund_id: str = "",
    ) -> bytes:
        """A callback about a trade, with an id of its own unless one is given."""
        self._minted += 1
        notice = Notice(
            notify_id=notify_id or f"n{self._minted}",
            payment_id=trade.number,
            trade_no=trade.trade_no,
            kind=kind,
            amount=amount,
            occurred_at=self._world.now(),
            raw={},
            refund_id=refund_id,
        )
        return msgspec.json.encode(Slip(notice, signature))

    def stranger(self, number: str, amount: int) -> Account:
        """A trade of this number that we never opened."""
        return Account(number, amount, 0, f"{self.channel}-{number}", "paid", self._world.now())

    def _known(self, number: str) -> Account | None:
        """A trade, closed by the platform itself when nobody paid in time."""
        trade = self.trades.get(number)
        if trade is not None and trade.state == "unpaid" and self._world.now() >= trade.expires_at:
            trade.state = "closed"
        return trade

    def _begin(self, call: str) -> bool:
        """Whether the answer will be lost; the fault after it is raised by `_end`."""
        self.calls.append(call)
        fault = self.faults.popleft() if self.faults else None
        if fault == "before":
            raise GatewayUnavailable("the call was lost; call again")
        return fault == "after"

    def _end(self, lost: bool) -> None:
        if lost:
            raise GatewayUnavailable("the answer was lost; call again")
