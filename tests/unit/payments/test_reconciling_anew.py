"""A comparison that is asked for once more while an earlier run of it waits, or is on its way."""

from makegood.engine.deadline import Deadline
from makegood.shop.payments import bill_contracts
from makegood.shop.payments.bill_days import DAY, date_of
from makegood.shop.payments.gateways.port import GatewayUnavailable
from tests.unit.payments.desk import Desk
from tests.unit.payments.test_reconciling import differences, looked, noon, reconciled


async def test_one_that_waits_begins_anew(desk: Desk) -> None:
    """Who asks again when the platform is back has its bill at once; the run that waited changes nothing any more."""
    day = noon(desk)
    await desk.paid()
    desk.add_order(2)
    late = desk.platform.pay(str(await desk.opened(2)))
    assert late is not None
    del desk.platform.ledger[-1]
    desk.platform.bill_away = GatewayUnavailable("the platform is away")
    assert (await reconciled(desk, day)).state == "RUNNING"
    desk.platform.bill_away = None
    again = await reconciled(desk, day)
    assert (again.state, again.run, again.lines, again.error) == ("DONE", 2, 1, "")
    await desk.notify(late)
    desk.world.advance(600_000)
    assert await desk.work() == 1
    assert (await looked(desk, day), differences(desk)) == (again, [])
    desk.world.advance(DAY)
    assert await desk.work() == 0


async def test_one_that_is_on_its_way_goes_on(desk: Desk) -> None:
    """Who asks while it is compared begins nothing."""
    day = noon(desk)
    await desk.paid()
    await reconciled(desk, day - 1)
    desk.world.advance(DAY)
    asked = bill_contracts.ReconcileBill("testpay", date_of(day).isoformat())
    runs = [await desk.service.reconcile(asked, Deadline.after(5)) for _ in range(3)]
    assert [one.reconciliation.run for one in runs if one.reconciliation] == [1, 1, 1]
    assert await desk.work() == 1
    assert (await looked(desk, day)).state == "DONE"
