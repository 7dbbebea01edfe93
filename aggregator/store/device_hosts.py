"""Where devices are reached: host, SSH port and user name. Passwords are kept nowhere."""

import msgspec

from aggregator.store.database import Database, Statement


class DeviceHost(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device is reached, and what it is for; None: not said."""

    device_id: str
    host: str | None = None
    ssh_port: int | None = None
    ssh_username: str | None = None
    description: str | None = None


def set_device_host(organization: str, where: DeviceHost) -> Statement:
    """Write down where a device is reached."""
    return Statement(
        "set_device_host", {"organization": organization} | msgspec.structs.asdict(where)
    )


async def device_hosts(
    database: Database, organization: str, device_ids: list[str]
) -> dict[str, DeviceHost]:
    """Return where devices are reached."""
    parameters = {"organization": organization, "device_ids": device_ids}
    rows = await database.read("device_hosts", parameters, _Row)
    return {row.device_id: DeviceHost(**msgspec.structs.asdict(row)) for row in rows}


class _Row(msgspec.Struct, frozen=True):
    device_id: str
    host: str | None
    ssh_port: int | None
    ssh_username: str | None
    description: str | None
