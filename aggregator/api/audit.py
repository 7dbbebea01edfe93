"""/api/v1/audit: who changed what, when, from where; chained by hashes."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from aggregator.api.identity import ADMIN, ApiRequest
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.times import to_ns
from aggregator.shapes import rfc3339
from aggregator.store.audit import AuditFilter, Entry, count_audit, find_audit, verify_audit
from aggregator.store.database import Database


class EntryShape(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the audit."""

    seq: int
    at: str
    user_id: int | None
    username: str
    address: str
    action: str
    target: str
    detail: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


class Verified(msgspec.Struct, frozen=True):
    """What the hashes say: an audit that was tampered with is broken at its first wrong entry."""

    entries: int
    intact: bool
    broken_at: int | None
    head: str | None  # the last hash; who writes it down elsewhere notices a shortened audit


@get("/", opt=ADMIN)
async def list_audit(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    username: Text = None,
    action: Text = None,
    target: Text = None,
    address: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[EntryShape]]:
    """Return entries, newest first. `action` is a whole one (user.change) or its noun (user)."""
    organization = request.user.organization
    wanted = AuditFilter(
        username=username,
        action=action,
        target=target,
        address=address,
        since_ns=to_ns(since),
        until_ns=to_ns(until),
    )
    rows = await find_audit(database, organization, wanted, limit=limit, skip=skip)
    total = await count_audit(database, organization, wanted)
    return paged([_shape(row) for row in rows], total)


@get("/verify", opt=ADMIN)
async def verify(request: ApiRequest, database: NamedDependency[Database]) -> Verified:
    """Check the hashes of the organization's whole audit."""
    chains = await verify_audit(database, request.user.organization)
    if not chains:
        return Verified(0, intact=True, broken_at=None, head=None)
    (chain,) = chains
    return Verified(chain.entries, chain.broken_at is None, chain.broken_at, chain.head)


def _shape(entry: Entry) -> EntryShape:
    return EntryShape(
        seq=entry.seq,
        at=rfc3339(entry.at_ns),
        user_id=entry.user_id,
        username=entry.username,
        address=entry.address,
        action=entry.action,
        target=entry.target,
        detail=entry.detail,
        before=_read(entry.before),
        after=_read(entry.after),
        hash=entry.hash,
    )


def _read(text: str) -> dict[str, Any] | None:
    return msgspec.json.decode(text, type=dict[str, Any]) if text else None


router = Router("/audit", route_handlers=[list_audit, verify], tags=["audit"])
