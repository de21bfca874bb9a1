"""The peer's comparisons with the bills of its one platform."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from makegood.shop.payments import bill_contracts as bills
from makegood.shop.payments.bill_days import day_number, day_of

if TYPE_CHECKING:
    from tests.unit.web.peer import PeerShop

CHANNELS = {"alipay": "alipay:shop", "alipay_page": "alipay:shop", "stripe": "stripe:shop"}
"""The merchant of each channel."""


class BillBook:
    """Comparisons by merchant and day, in the order in which they were begun; they end when the test says so."""

    def __init__(self, shop: "PeerShop") -> None:
        self._shop = shop
        self.compared: dict[tuple[str, str], bills.Reconciliation] = {}
        self.differences: list[bills.Difference] = []
        self.of_order = bills.BillsFound()
        self.asked: list[bills.BillsOfOrder] = []

    def answers(self) -> dict[str, Callable[[Any], Any]]:
        """What is answered, by the operation's name."""
        return {
            str(bills.RECONCILE): self._reconcile,
            str(bills.RECONCILIATION): self._find,
            str(bills.RECONCILIATIONS): self._page,
            str(bills.DIFFERENCES): self._differences,
            str(bills.OF_ORDER): self._of_order,
        }

    def change(self, account: str, day: str, **new: Any) -> None:
        """A comparison goes on, or ends."""
        self.compared[account, day] = replace(self.compared[account, day], **new)

    def _reconcile(self, request: bills.ReconcileBill) -> bills.ReconciliationBegun:
        account, day = CHANNELS.get(request.channel), day_number(request.day)
        if account is None or day is None:
            return bills.ReconciliationBegun("no_such_day" if account else "unknown_channel")
        if day >= day_of(self._shop.now()):
            return bills.ReconciliationBegun("day_not_over")
        known = self.compared.get((account, request.day))
        if known is None or known.state != "RUNNING":
            run = known.run + 1 if known else 1
            known = bills.Reconciliation(
                account, request.channel, request.day, "RUNNING", run, self._shop.now(), None, 0, 0, 0, 0, ""
            )
            self.compared[account, request.day] = known
        return bills.ReconciliationBegun("", known)

    def _find(self, request: bills.FindReconciliation) -> bills.ReconciliationFound:
        return bills.ReconciliationFound(self.compared.get((CHANNELS.get(request.channel, ""), request.day)))

    def _page(self, request: bills.ListReconciliations) -> bills.ReconciliationsPage:
        rows = list(enumerate(self.compared.values(), 1))[::-1]
        behind = [(id, one) for id, one in rows if request.after is None or id < request.after]
        page = behind[: request.limit]
        return bills.ReconciliationsPage(
            tuple(one for _, one in page), page[-1][0] if len(behind) > request.limit else None
        )

    def _differences(self, request: bills.ListDifferences) -> bills.DifferencesPage:
        behind = [one for one in self.differences if one.difference_id > (request.after or 0)]
        if request.bill is not None:
            behind = [one for one in behind if bills.BillOf(one.account, one.day) == request.bill]
        page = tuple(behind[: request.limit])
        return bills.DifferencesPage(page, page[-1].difference_id if len(behind) > request.limit else None)

    def _of_order(self, request: bills.BillsOfOrder) -> bills.BillsFound:
        self.asked.append(request)
        return self.of_order
