"""/api/v1/packets: headers kept as examples of what was seen."""

from datetime import datetime

from litestar import Response, Router, get
from litestar.di import NamedDependency

from aggregator.addresses import as_ip
from aggregator.api.identity import ApiRequest
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.times import to_ns
from aggregator.samples import PacketShape, packet_shape
from aggregator.store.history import History, back_to
from aggregator.store.packets import PacketFilter, count_packets, find_packets


@get("/")
async def list_packets(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    history: NamedDependency[History],
    *,
    device_id: Text = None,
    protocol: Text = None,
    is_malicious: bool | None = None,
    src_ip: Text = None,
    dst_ip: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[PacketShape]]:
    """Return samples, newest first; X-Total-Count says how many there are in all.

    Without `since` or `until` of the last days, from X-Since on.
    """
    wanted = PacketFilter(
        device_id=device_id,
        protocol=protocol,
        is_malicious=is_malicious,
        src_ip=as_ip("src_ip", src_ip),
        dst_ip=as_ip("dst_ip", dst_ip),
        since_ns=to_ns(since),
        until_ns=to_ns(until),
    )
    organization = request.user.organization
    rows = await find_packets(history, organization, wanted, limit=limit, skip=skip)
    total = await count_packets(history, organization, wanted)
    looked_back_ns = back_to(wanted.since_ns, wanted.until_ns)
    begins = await history.begins("packets", organization, looked_back_ns)
    return paged([packet_shape(row) for row in rows], total, begins)


router = Router("/packets", route_handlers=[list_packets], tags=["packets"])
