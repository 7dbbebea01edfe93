"""/api/v1/system: how the aggregator itself is."""

import platform

import msgspec
import psutil
from litestar import Router, get
from litestar.di import NamedDependency

from aggregator.api.identity import PUBLIC
from aggregator.api.meter import Meter
from aggregator.api.pages import version

BYTES_PER_MB = 1024 * 1024


class SystemMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is."""

    uptime: int  # seconds
    memory_usage: float  # MB that the process occupies
    cpu_usage: float  # percent of one core, since the last time somebody asked
    active_connections: int  # requests under way and open sockets
    requests_per_minute: int


class SystemVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What runs here."""

    version: str
    api_version: str = "v1"
    python: str


_process = psutil.Process()


@get("/metrics")
async def system_metrics(meter: NamedDependency[Meter]) -> SystemMetrics:
    """Return how the process is, which all organizations share."""
    with _process.oneshot():
        return SystemMetrics(
            uptime=meter.uptime_s,
            memory_usage=round(_process.memory_info().rss / BYTES_PER_MB, 1),
            cpu_usage=_process.cpu_percent(),
            active_connections=meter.open,
            requests_per_minute=meter.requests_per_minute(),
        )


@get("/version", opt=PUBLIC)
async def system_version() -> SystemVersion:
    """Return what runs here."""
    return SystemVersion(version=version(), python=platform.python_version())


router = Router("/system", route_handlers=[system_metrics, system_version], tags=["system"])
