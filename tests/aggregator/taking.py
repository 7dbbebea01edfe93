"""Ingest without a broker: a batch is stored and announced."""

import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.commands.commander import Commander
from aggregator.commands.signing import Signer
from aggregator.config import CommandsConfig
from aggregator.ingest.reading import Arrival, Item
from aggregator.ingest.service import Ingest, Stored
from aggregator.live import LiveFeed
from aggregator.presence import PresenceKeeper
from aggregator.store.alerts import known_alerts, look_from_ns, save_alerts
from aggregator.store.database import Database
from aggregator.store.incidents import gather
from aggregator.store.reported import Reported
from aggregator.store.room import Room
from aggregator.store.texts import sql
from aggregator.store.watermarks import Boot, Mark
from contract.messages import Alert, AnyMessage
from tests.aggregator.messages import BOOT, envelope, topic


def arrival(  # noqa: PLR0913
    message: AnyMessage,
    seq: int = 1,
    *,
    floor: int = 1,
    device_id: str = "edge-1",
    organization: str = "default",
    boot: str = BOOT,
    retained: bool = False,
) -> Arrival:
    payload = envelope(message, seq, floor=floor, boot=boot)
    where = topic(message, device_id, organization)
    return Arrival(where, payload, retained, time.time_ns())


def ingest(database: Database, room: Room | None = None, *, community_id_seed: int = 0) -> Ingest:
    """Return who takes in what devices of two organizations tell."""
    with database._open_connection().cursor() as cursor:
        for organization in ("default", "elsewhere"):
            values = {"organization": organization, "name": organization, "now_ns": 1}
            cursor.execute(sql("add_organization"), values)
    live = LiveFeed()
    signer = Signer(Ed25519PrivateKey.generate())
    commander = Commander(database, live, signer, CommandsConfig())
    presence = PresenceKeeper(database, live)
    return Ingest(
        database, live, presence, commander, room=room, community_id_seed=community_id_seed
    )


def count(database: Database, table: str) -> int:
    with database._open_connection().cursor() as cursor:
        return len(cursor.table(table).fetchall())


async def save(database: Database, told: Sequence[Reported[Alert]]) -> None:
    """Store alerts as ingest does, whether they are known or not."""
    ids = [item.message.alert_id for item in told]
    known = await known_alerts(database, ids, look_from_ns(told))
    await database.write(*save_alerts(told, known), *gather(look_from_ns(told, known)))


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
