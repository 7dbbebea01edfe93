"""/api/v1/rejects: what devices told and could not be taken, and why."""

import codecs
from base64 import b64encode
from typing import Final, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from aggregator.api.identity import OPERATOR, ApiRequest, person
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.config import AuthConfig
from aggregator.shapes import rfc3339
from aggregator.store.database import Database
from aggregator.store.rejects import RejectFilter, RejectRow, count_rejects, find_rejects

SPACES: Final = frozenset("\t\r\n")

Encoding = Literal["text", "base64"]


class RejectShape(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that could not be taken."""

    device_id: str | None  # null: its topic names none
    topic: str
    reason: str
    received_at: str
    payload_bytes: int
    encoding: Encoding  # of what follows: text where it is readable
    payload: str  # its head, at most 1,024 bytes


@get("/rejects", opt=OPERATOR, tags=["devices"])
async def rejects(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
    *,
    device_id: Text = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[RejectShape]]:
    """Return payloads that could not be taken, newest first; X-Total-Count says how many are kept.

    The newest 10,000 of an organization are. Those whose topic names no organization are for admins
    of the installation's own.
    """
    user = person(request).user
    wanted = RejectFilter(
        device_id=device_id,
        of_nobody=user.role == "admin" and user.organization == auth.organization,
    )
    rows = await find_rejects(database, user.organization, wanted, limit=limit, skip=skip)
    total = await count_rejects(database, user.organization, wanted)
    return paged([_shape(row) for row in rows], total)


def _shape(row: RejectRow) -> RejectShape:
    text = _text(row)
    return RejectShape(
        device_id=row.device_id,
        topic=row.topic,
        reason=row.reason,
        received_at=rfc3339(row.received_ns),
        payload_bytes=row.payload_bytes,
        encoding="base64" if text is None else "text",
        payload=b64encode(row.payload).decode() if text is None else text,
    )


def _text(row: RejectRow) -> str | None:
    """Return a payload as text, if a person can read it: nothing that a terminal would obey."""
    is_whole = len(row.payload) == row.payload_bytes  # else its last character may be cut in two
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(row.payload, final=is_whole)
    except UnicodeDecodeError:
        return None
    return text if all(each.isprintable() or each in SPACES for each in text) else None
