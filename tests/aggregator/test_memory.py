"""What ingest remembers of the database: as much as was committed, and no message twice."""

import asyncio
from contextlib import suppress

from aggregator.store.database import Database
from aggregator.store.devices import find_devices
from aggregator.store.watermarks import Boot, Mark
from contract.attacks import Label
from tests.aggregator.messages import BOOT, health, now_ns, verdicts
from tests.aggregator.taking import arrival, count, ingest, take

EDGE_1 = Boot("default", "edge-1", BOOT)


async def test_what_is_given_up_while_it_is_being_stored_is_stored_once(database: Database):
    taking = ingest(database)
    many: tuple[Label, ...] = ("benign",) * 1_000
    told = [arrival(verdicts(many, number), number) for number in range(1, 81)]
    for after_s in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35):  # at some of them the transaction goes on
        with suppress(TimeoutError):
            async with asyncio.timeout(after_s):
                await taking.store(told)
    await taking.store(told)
    assert count(database, "store.verdicts") == len(told) * len(many)


async def test_what_is_stored_is_known_without_asking_again(database: Database):
    taking = ingest(database)
    await take(taking, [arrival(health(), 1)])
    database._open_connection().execute("UPDATE store.watermarks SET last_seq = 70")
    assert await take(taking, [arrival(health(), 2)]) == {EDGE_1: Mark(2, 0)}
    assert await take(ingest(database), [arrival(health(), 2)]) == {EDGE_1: Mark(2, 0)}


async def test_a_device_that_tells_much_is_noted_as_heard_once_a_second(database: Database):
    taking = ingest(database)
    seen = []
    for number in range(1, 4):
        await take(taking, [arrival(verdicts(), number)])
        (device,) = await find_devices(database, "default", now_ns=now_ns())
        seen.append(device.last_seen_ns or 0)
        await asyncio.sleep(0.6)
    assert seen[0] == seen[1] < seen[2]
    await take(taking, [arrival(verdicts(), 9, floor=9)])
    (device,) = await find_devices(database, "default", now_ns=now_ns())
    assert device.lost_messages == 5  # which is noted at once
