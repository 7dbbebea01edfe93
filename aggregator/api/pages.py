"""The page for browsers, and a word for programs that ask for the same address."""

from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.static_files import create_static_files_router

from aggregator.api.identity import PUBLIC
from aggregator.dashboard import STATIC


class Welcome(msgspec.Struct, frozen=True):
    """Who answers here."""

    message: str
    version: str


def version() -> str:
    """Return the version of this program."""
    return metadata.version("edgewarden")


@get("/", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def root(request: Request[Any, Any, Any]) -> Response[Any]:
    """Return the dashboard to browsers and a greeting to programs."""
    if "text/html" in request.headers.get("accept", ""):
        page = Path(STATIC / "index.html").read_bytes()
        return Response(page, media_type=MediaType.HTML, headers={"Vary": "Accept"})
    return Response(Welcome("Edgewarden aggregator", version()), headers={"Vary": "Accept"})


def static_files() -> Router:
    """Return the routes of what the page is made of."""
    return create_static_files_router(
        path="/static", directories=[STATIC], opt=PUBLIC, include_in_schema=False
    )
