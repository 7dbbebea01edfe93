"""Ingest without a broker: a batch is stored and announced."""

from collections.abc import Sequence

from aggregator.ingest.reading import Arrival
from aggregator.ingest.service import Ingest, Item, Stored
from aggregator.store.watermarks import Boot, Mark


async def take(ingest: Ingest, arrivals: Sequence[Arrival]) -> dict[Boot, Mark]:
    """Take a batch in and return what is receipted."""
    return await _announced(ingest, await ingest.store(arrivals))


async def take_read(ingest: Ingest, items: Sequence[Item]) -> dict[Boot, Mark]:
    """Do as `take` does, with payloads that were read."""
    return await _announced(ingest, await ingest.store_read(items))


async def _announced(ingest: Ingest, stored: Sequence[Stored]) -> dict[Boot, Mark]:
    receipts: dict[Boot, Mark] = {}
    for each in stored:
        receipts |= each.marks
        await ingest.announce(each)
    return receipts
