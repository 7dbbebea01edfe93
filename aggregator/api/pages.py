"""The page for browsers, and a word for programs that ask for the same address."""

from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, Router, route
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.static_files import create_static_files_router

from aggregator.api.health import READ
from aggregator.api.identity import PUBLIC
from aggregator.dashboard import STATIC
from aggregator.reference import PAGES

MOST_NAME_BYTES: Final = 255


class Welcome(msgspec.Struct, frozen=True):
    """Who answers here."""

    message: str
    version: str


def version() -> str:
    """Return the version of this program."""
    return metadata.version("edgewarden")


@route("/", http_method=READ, opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def root(request: Request[Any, Any, Any]) -> Response[Any]:
    """Return the dashboard to browsers and a greeting to programs."""
    if "text/html" in request.headers.get("accept", ""):
        page = Path(STATIC / "index.html").read_bytes()
        return Response(page, media_type=MediaType.HTML, headers={"Vary": "Accept"})
    return Response(Welcome("Edgewarden aggregator", version()), headers={"Vary": "Accept"})


@route(
    ["/docs", "/api/docs", "/redoc", "/api/redoc"],
    http_method=READ,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=False,
)
def reference() -> Response[bytes]:
    """Return the description of the API for people: to try under /docs, to read under /redoc."""
    return Response((PAGES / "page.html").read_bytes(), media_type=MediaType.HTML)


def static_files() -> list[Router]:
    """Return the routes of what the pages are made of."""
    return [
        create_static_files_router(
            path=path,
            directories=[folder],
            guards=[_may_be_a_file],
            opt=PUBLIC,
            include_in_schema=False,
        )
        for path, folder in (("/static", STATIC), ("/reference", PAGES))
    ]


def _may_be_a_file(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    # The kernel refuses such names with errors of their own, not as what is not there.
    path = connection.scope["path"]
    if "\0" in path or len(path.encode()) > MOST_NAME_BYTES:
        raise NotFoundException
