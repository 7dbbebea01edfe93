"""/api/v1/system/backup and /export: the installation, or what one organization sees, to carry away."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http import HTTPStatus

import msgspec
from anyio import CancelScope
from litestar import Router, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.response import Stream

from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.identity import ADMIN, SESSION, STORES, ApiRequest, person
from aggregator.config import AuthConfig
from aggregator.errors import ForbiddenError
from aggregator.store.audit import audit
from aggregator.store.backups import Backups
from aggregator.store.bundle import Piece, bundle, bundle_bytes
from aggregator.store.database import Database

MEDIA_TYPE = "application/x-tar"
ONE_AT_A_TIME = {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)}


class BackupGiven(msgspec.Struct, frozen=True):
    """The code of one's authenticator, where one has one."""

    authorization_code: str | None = None


@post(
    "/backup", opt=ADMIN | SESSION | ONE_AT_A_TIME | STORES, status_code=200, media_type=MEDIA_TYPE
)
async def back_up(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    backups: NamedDependency[Backups],
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
    codes: NamedDependency[AuthorizationCodes],
    *,
    data: BackupGiven | None = None,
) -> Stream:
    """Return database, archive, models and keys as a tar; for admins of the installation's own.

    It holds every organization, and takes a code of who has an authenticator. Recordings of
    terminals and frames behind alerts are not in it.
    """
    if request.user.organization != auth.organization:
        message = f"a backup holds every organization: only admins of {auth.organization} make one"
        raise ForbiddenError(message)
    who = person(request).user
    await codes.step_up(who, (data or BackupGiven()).authorization_code)
    async with AsyncExitStack() as stack:
        pieces = await stack.enter_async_context(backups.everything(str(who.id)))
        now_ns = time.time_ns()
        await database.write(audit(who, "backup.take", auth.organization, now_ns=now_ns))
        return await _streamed(pieces, stack, "edgewarden-backup.tar")


@post("/export", opt=ADMIN | ONE_AT_A_TIME | STORES, status_code=200, media_type=MEDIA_TYPE)
async def export(
    request: ApiRequest, backups: NamedDependency[Backups], database: NamedDependency[Database]
) -> Stream:
    """Return what the organization sees as a tar of Parquet files, a folder for each view."""
    who = person(request).user
    async with AsyncExitStack() as stack:
        pieces = await stack.enter_async_context(backups.views(who.organization))
        now_ns = time.time_ns()
        await database.write(audit(who, "export.take", who.organization, now_ns=now_ns))
        return await _streamed(pieces, stack, "edgewarden-export.tar")


async def _streamed(pieces: list[Piece], stack: AsyncExitStack, name: str) -> Stream:
    chunks = _chunks(pieces, stack.pop_all())
    await anext(chunks)  # what has begun also ends where nobody reads on
    return Stream(
        chunks,
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(bundle_bytes(pieces)),
        },
    )


async def _chunks(pieces: list[Piece], stack: AsyncExitStack) -> AsyncIterator[bytes]:
    try:
        yield b""
        chunks = bundle(pieces)
        while chunk := await sync_to_thread(next, chunks, b""):
            yield chunk
    finally:
        # Where somebody breaks off, every wait is cancelled, not the first alone: what was made for
        # the answer would stay, and its place be taken for ever.
        with CancelScope(shield=True):
            await stack.aclose()


router = Router("/system", route_handlers=[back_up, export], tags=["system"])
