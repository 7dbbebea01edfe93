"""/api/v1/system/backup and /export: the installation, or what one organization sees, to carry away."""

import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus

import msgspec
from anyio.to_thread import run_sync
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.response import Stream

from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.envelope import afterwards, allow
from aggregator.api.identity import ADMIN, SESSION, STORES, ApiRequest, person
from aggregator.config import AuthConfig
from aggregator.errors import ForbiddenError
from aggregator.store.audit import audit
from aggregator.store.backups import Backups
from aggregator.store.bundle import Piece, bundle, bundle_bytes
from aggregator.store.database import Database

MEDIA_TYPE = "application/x-tar"
COPY_S = 3600.0  # for the copy of a large database on a slow disk, before the answer begins
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
    allow(request.scope, COPY_S)
    pieces = await afterwards(request.scope).enter_async_context(backups.everything(str(who.id)))
    now_ns = time.time_ns()
    await database.write(audit(who, "backup.take", auth.organization, now_ns=now_ns))
    return _streamed(request, pieces, "edgewarden-backup.tar")


@post("/export", opt=ADMIN | ONE_AT_A_TIME | STORES, status_code=200, media_type=MEDIA_TYPE)
async def export(
    request: ApiRequest, backups: NamedDependency[Backups], database: NamedDependency[Database]
) -> Stream:
    """Return what the organization sees as a tar of Parquet files, a folder for each view.

    Its first file, manifest.json, names the others and their sizes.
    """
    who = person(request).user
    pieces = await afterwards(request.scope).enter_async_context(backups.views(who.organization))
    now_ns = time.time_ns()
    await database.write(audit(who, "export.take", who.organization, now_ns=now_ns))
    return _streamed(request, pieces, "edgewarden-export.tar")


def _streamed(request: ApiRequest, pieces: list[Piece], name: str) -> Stream:
    chunks = bundle(pieces)
    afterwards(request.scope).callback(chunks.close)
    return Stream(
        _off_the_loop(chunks),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(bundle_bytes(pieces)),
        },
    )


async def _off_the_loop(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := await run_sync(next, chunks, b""):  # waits for the thread, also where cancelled
        yield chunk


router = Router("/system", route_handlers=[back_up, export], tags=["system"])
