"""An alert is one, whatever its device says of when it was opened, and none stops the others."""

import msgspec
import pytest

from aggregator.store.alerts import AlertFilter, AlertRow, find_alerts, save_alerts
from aggregator.store.database import Database
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.reported import Reported
from contract.messages import Alert
from tests.aggregator.messages import BOOT, SECOND_NS, alert, isolation, now_ns
from tests.aggregator.taking import arrival, ingest, take

DAY_NS = 24 * 3600 * SECOND_NS
WHEN = pytest.mark.parametrize(
    ("first_ns", "then_ns"), [(-3 * DAY_NS, 0), (0, -3 * DAY_NS), (3 * DAY_NS, 0), (0, 3 * DAY_NS)]
)


async def alerts(database: Database) -> list[AlertRow]:
    return await find_alerts(database, "default", AlertFilter(), limit=10)


@WHEN
async def test_an_alert_that_is_told_with_another_time_is_the_same(
    database: Database, first_ns: int, then_ns: int
):
    taking, opened_ns = ingest(database), now_ns()
    await take(taking, [arrival(alert(1, opened_ns=opened_ns + first_ns), 1)])
    again = alert(1, opened_ns=opened_ns + then_ns, windows=9)
    for seq in (2, 3):
        await take(taking, [arrival(again, seq)])
    (row,) = await alerts(database)
    assert (row.windows, row.incident_id is None) == (9, False)


async def test_an_alert_that_is_there_twice_stops_nobody(database: Database):
    taking = ingest(database)
    twice: list[Reported[Alert]] = [
        Reported("default", "pi-1", BOOT, now_ns(), alert(1, opened_ns=now_ns() - days * DAY_NS))
        for days in (0, 3)
    ]
    for each in twice:
        await database.write(*save_alerts([each]))
    cut = msgspec.structs.replace(isolation(), alert_id=alert(1).alert_id)
    await take(taking, [arrival(cut, 1, device_id="pi-1")])
    (row,) = await find_isolations(database, "default", IsolationFilter(), now_ns=now_ns())
    assert row.alert_status == "active"
    assert taking.counters.unannounced == 0
    await take(taking, [arrival(alert(1, windows=9), 2, device_id="pi-1")])
    assert {each.windows for each in await alerts(database)} == {9}
