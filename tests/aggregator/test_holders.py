"""Who holds a session: asked once, and anew as soon as anything is written about sessions or users."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from aggregator.api.holders import Holders
from aggregator.shapes import NS_PER_S
from aggregator.store.database import Database, Statement
from aggregator.store.sessions import Holder, NewSession, holders_of, open_session, revoke_session
from aggregator.store.users import NewUser, UserChange, add_user, change_user

USER = NewUser(organization="default", username="ada", password_hash="-", role="viewer")
ROOT = NewUser(organization="default", username="root", password_hash="-", role="admin")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the database is asked."""
    found: list[str] = []
    read = Database.read

    async def noted(database: Database, query: str, *given: object, **named: object) -> object:
        found.append(query)
        return await read(database, query, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "read", noted)
    return found


async def signed_in(database: Database, name: str = "s", lasts_s: float = 60.0) -> int:
    """Begin a session of a user who is added if need be; return their number."""
    user_id = await add_user(database, USER, 1) or 1
    now_ns = time.time_ns()
    expires_ns = now_ns + round(lasts_s * NS_PER_S)
    new = NewSession(
        session_id=name, user_id=user_id, expires_ns=expires_ns, address="", program=""
    )
    await database.write(*open_session(new, name, now_ns))
    return user_id


async def test_the_database_is_asked_once_while_nothing_is_written_of_sessions_and_users(
    database: Database, reads: list[str]
):
    user_id = await signed_in(database)
    holders = Holders(database)
    reads.clear()
    for _ in range(3):
        held = await holders.get("s")
        assert held is not None
        assert held.id == user_id
        await database.write(Statement("forget_invites", {"now_ns": 1}))
    assert reads == ["holders"]


async def test_a_session_that_is_revoked_is_over_with_the_next_question(database: Database):
    await signed_in(database)
    holders = Holders(database)
    assert await holders.get("s") is not None
    await database.write(revoke_session("s", time.time_ns()))
    assert await holders.get("s") is None
    assert await holders.get("s") is None


async def deactivated(database: Database, user_id: int) -> None:
    await add_user(database, ROOT, 1)
    await database.write(change_user("default", user_id, UserChange(is_active=False)))


async def promoted(database: Database, user_id: int) -> None:
    await database.write(change_user("default", user_id, UserChange(role="admin")))


@pytest.mark.parametrize(("change", "role"), [(deactivated, None), (promoted, "admin")])
async def test_what_becomes_of_a_user_is_so_with_the_next_question(
    database: Database, change: Callable[[Database, int], Awaitable[None]], role: str | None
):
    user_id = await signed_in(database)
    holders = Holders(database)
    assert await holders.get("s") is not None
    await change(database, user_id)
    held = await holders.get("s")
    assert (held and held.role) == role


async def test_a_session_is_over_when_its_time_is_whether_or_not_the_database_is_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    await signed_in(database)
    holders = Holders(database)
    assert await holders.get("s") is not None
    later_ns = time.time_ns() + 61 * NS_PER_S
    monkeypatch.setattr("aggregator.api.holders.time.time_ns", lambda: later_ns)
    assert await holders.get("s") is None


async def test_what_was_read_before_a_change_is_not_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    await signed_in(database)
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(*given: object) -> dict[str, Holder]:
        found = await holders_of(*given)  # type: ignore[arg-type]
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr("aggregator.api.holders.holders_of", slow)
    holders = Holders(database)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        before = tasks.create_task(holders.get("s"))
        await has_read.wait()
        await database.write(revoke_session("s", time.time_ns()))
        after = tasks.create_task(holders.get("s"))
        await asyncio.sleep(0)  # it has noticed that there was a change
        may_go_on.set()
    assert before.result() is not None  # who had asked before
    assert after.result() is None
    assert await holders.get("s") is None


async def test_no_more_sessions_are_kept_than_may_be(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.api.holders.KEPT", 3)
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await signed_in(database, name)
    holders = Holders(database)
    for name in names:
        assert await holders.get(name) is not None
        assert len(holders._kept) <= 3
    assert await holders.get("nobody") is None
