"""/api/v1/auth/sessions: where one is signed in oneself."""

import time

from litestar import Response, Router, delete, get
from litestar.di import NamedDependency

from aggregator.api.identity import EVEN_OVER_PLAN, SESSION, ApiRequest, person
from aggregator.api.paging import Limit, Skip
from aggregator.api.users import SessionShape, sessions_page
from aggregator.errors import NotFoundError
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Page
from aggregator.store.sessions import Used, revoke_one_session


@get("/")
async def list_own_sessions(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[SessionShape]]:
    """Return where one is signed in, newest first."""
    who = person(request)
    return await sessions_page(database, who, who.user.id, Page(limit, skip))


@delete("/{session_id:str}", opt=SESSION)
async def end_own_session(
    request: ApiRequest, session_id: str, database: NamedDependency[Database]
) -> None:
    """End one of one's own sessions."""
    user = person(request).user
    now_ns = time.time_ns()
    ended = await database.change(
        Used,
        revoke_one_session(user.organization, user.id, session_id=session_id, now_ns=now_ns),
        audit(user, "session.end", user.username, now_ns=now_ns, detail=session_id),
    )
    if not ended:
        message = "no such session"
        raise NotFoundError(message)


router = Router(
    "/auth/sessions",
    route_handlers=[list_own_sessions, end_own_session],
    tags=["auth"],
    opt=EVEN_OVER_PLAN,
)
