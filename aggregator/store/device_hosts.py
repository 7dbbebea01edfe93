"""Where devices are reached: host, SSH port, user name, sealed password, and whose key is there."""

import msgspec

from aggregator.store.database import Database, Statement


class DeviceHost(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device is reached, and what it is for; None: not said."""

    device_id: str
    host: str | None = None
    ssh_port: int | None = None
    ssh_username: str | None = None
    description: str | None = None
    ssh_host_key: str | None = None  # set by `set_host_key` alone


class WayTo(msgspec.Struct, frozen=True):
    """How to reach a device over SSH."""

    device_id: str
    host: str | None
    port: int
    username: str
    password: bytes | None  # sealed
    host_key: str  # empty: nobody's yet


class Whose(msgspec.Struct, frozen=True):
    """A device that was there to be changed."""

    device_id: str


def set_device_host(organization: str, where: DeviceHost, password: bytes | None) -> Statement:
    """Write down where a device is reached, and the sealed password that opens it."""
    parameters = msgspec.structs.asdict(where) | {"ssh_password": password}
    del parameters["ssh_host_key"]
    return Statement("set_device_host", {"organization": organization} | parameters)


def set_host_key(organization: str, device_id: str, host_key: str | None) -> Statement:
    """Write down whose key is expected at a device; returns Whose, or nothing without the device."""
    parameters = {"organization": organization, "device_id": device_id, "host_key": host_key}
    return Statement("set_host_key", parameters)


async def device_hosts(
    database: Database, organization: str, device_ids: list[str]
) -> dict[str, DeviceHost]:
    """Return where devices are reached."""
    parameters = {"organization": organization, "device_ids": device_ids}
    rows = await database.read("device_hosts", parameters, _Row)
    return {row.device_id: DeviceHost(**msgspec.structs.asdict(row)) for row in rows}


async def way_to_device(database: Database, organization: str, device_id: str) -> WayTo | None:
    """Return how to reach a device."""
    return await _way_to(database, organization, device_id=device_id)


async def way_to_host(database: Database, organization: str, host: str, port: int) -> WayTo | None:
    """Return how to reach the device of a host and port, if there is one."""
    return await _way_to(database, organization, host=host, port=port)


async def _way_to(
    database: Database,
    organization: str,
    *,
    device_id: str | None = None,
    host: str | None = None,
    port: int | None = None,
) -> WayTo | None:
    parameters = {"organization": organization, "device_id": device_id, "host": host, "port": port}
    rows = await database.read("ways_to", parameters, WayTo)
    return rows[0] if rows else None


class _Row(msgspec.Struct, frozen=True):
    device_id: str
    host: str | None
    ssh_port: int | None
    ssh_username: str | None
    description: str | None
    ssh_host_key: str | None
