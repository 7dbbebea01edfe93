"""What Home Assistant shows of devices."""

import msgspec

from aggregator.store.database import Database
from aggregator.store.devices import LATE_NS, STALE_NS
from contract.attacks import AttackType, Severity

RATE_NS = 60 * 1_000_000_000
MAX_DEVICES = 1000


class ShownDevice(msgspec.Struct, frozen=True):
    """A device as it is now."""

    device_id: str
    name: str
    type: str
    version: str | None
    online: bool
    alerts_open: int  # that nobody has settled
    isolations_active: int
    packets_per_s: float | None  # None: it has not told often enough
    attack_type: AttackType | None  # of the last alert; None: there was none
    severity: Severity | None
    host: str | None
    opened_ns: int | None


async def shown_devices(database: Database, organization: str, now_ns: int) -> list[ShownDevice]:
    """Return the devices of an organization, at most MAX_DEVICES."""
    parameters = {
        "organization": organization,
        "now_ns": now_ns,
        "since_ns": now_ns - RATE_NS,
        "late_ns": now_ns - LATE_NS,
        "stale_ns": now_ns - STALE_NS,
        "limit": MAX_DEVICES,
    }
    return await database.read("home_assistant", parameters, ShownDevice)
