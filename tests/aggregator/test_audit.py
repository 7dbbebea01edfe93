"""The audit: who did what, from where, what was there before; and whether it is whole."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from aggregator.store.audit import Somebody, audit, verify_audit
from aggregator.store.database import FILE_NAME, Database
from aggregator.store.migrating import migrate
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert
from tests.aggregator.older import older

ADA, BOB = Somebody("default", "ada", 1, "10.0.0.1"), Somebody("elsewhere", "bob", 2)

REPEATED = """
    INSERT INTO store.audit SELECT * REPLACE (6 AS seq) FROM store.audit
    WHERE seq = 5 AND organization = 'default'
"""


def entries(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    return list(client.get(f"/audit?{query}").raise_for_status().json())


async def filled(folder: Path) -> None:
    async with Database(folder) as database:
        for number in range(1, 6):
            noted = audit(
                ADA, "user.change", f"u-{number}", now_ns=number, before={"n": 1}, after={"n": 2}
            )
            await database.write(noted, audit(BOB, "x.y", "z", now_ns=number))


async def broken_at(folder: Path) -> dict[str, int | None]:
    async with Database(folder) as database:
        return {chain.organization: chain.broken_at for chain in await verify_audit(database)}


def tamper(folder: Path, *statements: str) -> None:
    with duckdb.connect(str(folder / FILE_NAME)) as stored:
        for statement in statements:
            stored.execute(statement)


def test_an_entry_says_who_what_before_and_after_and_from_where(centre: Centre):
    centre.told("audit-pi", alert(800))
    with centre.client("analyst") as client:
        body = {"status": "acknowledged", "notes": "seen"}
        client.patch(f"/alerts/{800:032x}", json=body).raise_for_status()
    with centre.client() as client:
        (entry,) = entries(client, f"action=alert&target={800:032x}")
    assert (entry["username"], entry["address"]) == ("analyst", "127.0.0.1")
    assert entry["action"] == "alert.change"
    assert entry["before"] == {"status": "active", "notes": None}
    assert entry["after"] == body


def test_entries_are_found_by_what_they_say_and_come_in_pages(centre: Centre):
    with centre.client() as client:
        for number in range(3):
            client.post("/devices", json={"device_id": f"audit-{number}"}).raise_for_status()
        client.delete("/devices/audit-1").raise_for_status()
        of_one = entries(client, "target=audit-1&username=ADMIN")
        assert [entry["action"] for entry in of_one] == ["device.delete", "device.create"]
        assert of_one[0]["before"]["device_id"] == "audit-1"
        since = of_one[1]["at"]
        assert [e["target"] for e in entries(client, f"action=device.create&since={since}")] == [
            "audit-2",
            "audit-1",
        ]
        assert entries(client, f"until={since}&target=audit-1") == []
        assert entries(client, "address=203.0.113.9") == []
        everything = client.get("/audit?limit=1000")
        page = client.get("/audit?skip=1&limit=2")
        assert page.json() == everything.json()[1:3]
        assert page.headers["x-total-count"] == str(len(everything.json()))


def test_signing_in_failing_to_and_signing_out_are_in_it(centre: Centre):
    body = {"username": "audited", "password": PASSWORD}
    with centre.client() as client:
        client.post("/users", json=body).raise_for_status()
        client.post("/auth/login", json=body | {"password": "wrong"})
        signed_in = client.post("/auth/login", json=body).json()
        headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
        client.post("/auth/logout", headers=headers).raise_for_status()
        found = [entry["action"] for entry in entries(client, "username=audited&action=session")]
    assert found == ["session.end", "session.begin", "session.refuse"]


def test_no_password_and_no_token_is_in_it(centre: Centre):
    with centre.client() as client:
        user = client.post(
            "/users", json={"username": "audit-secret", "password": "a-secret-of-mine"}
        ).json()
        made_up = client.post(f"/users/{user['id']}/password", json={}).json()["password"]
        token = client.post("/auth/tokens", json={"name": "t"}).json()["token"]
        key = client.post("/devices", json={"device_id": "audit-key"}).json()["api_key"]
        text = client.get("/audit?limit=1000").text
    for secret in ("a-secret-of-mine", made_up, token, key, "argon2"):
        assert secret not in text


def test_the_audit_of_a_running_centre_is_whole(centre: Centre):
    with centre.client() as client:
        said = client.get("/audit/verify").json()
        (last,) = entries(client, "limit=1")
    assert said == {
        "entries": last["seq"],
        "intact": True,
        "broken_at": None,
        "head": last["hash"],
    }


@pytest.mark.parametrize(
    ("statements", "where"),
    [
        ([], None),
        (
            ["UPDATE store.audit SET username = 'eve' WHERE seq = 3 AND organization = 'default'"],
            3,
        ),
        (["UPDATE store.audit SET after = '' WHERE seq = 5 AND organization = 'default'"], 5),
        (["DELETE FROM store.audit WHERE seq = 2 AND organization = 'default'"], 3),
        (["DELETE FROM store.audit WHERE seq = 1 AND organization = 'default'"], 2),
        (
            [
                "DELETE FROM store.audit WHERE seq = 2 AND organization = 'default'",
                "UPDATE store.audit SET seq = seq - 1 WHERE seq > 2 AND organization = 'default'",
            ],
            2,
        ),
        ([REPEATED], 6),
    ],
)
async def test_what_was_changed_taken_out_or_put_in_later_is_found(
    tmp_path: Path, statements: Sequence[str], where: int | None
):
    await filled(tmp_path)
    await asyncio.to_thread(tamper, tmp_path, *statements)
    assert await broken_at(tmp_path) == {"default": where, "elsewhere": None}


def test_the_command_line_says_where_the_audit_breaks(tmp_path: Path):
    centre = Centre(tmp_path)
    assert centre.run("create-user", "ada").returncode == 0
    assert centre.run("reset-password", "ada").returncode == 0
    whole = centre.run("audit", "verify")
    assert whole.returncode == 0
    assert whole.stdout.startswith("default: 2 entries, whole, head ")
    tamper(centre.data, "UPDATE store.audit SET target = 'bob' WHERE seq = 2")
    broken = centre.run("audit", "verify")
    assert (broken.returncode, broken.stdout) == (1, "default: 2 entries, BROKEN at 2\n")


def test_an_audit_from_before_the_chain_is_chained_as_it_was(tmp_path: Path):
    with older(tmp_path, 3) as stored:
        for number in range(4):
            row = f"('default', {number}, 1, 'ada', 'alert.change', 'a-{number}', '')"
            stored.execute(f"INSERT INTO store.audit VALUES {row}")  # noqa: S608
        stored.execute("INSERT INTO store.audit VALUES ('elsewhere', 1, 2, 'bob', 'x', 'y', '')")
        migrate(stored, tmp_path / FILE_NAME)
        rows = stored.sql("SELECT seq, target FROM audit WHERE organization = 'default'")
        assert sorted(rows.fetchall()) == [(1, "a-0"), (2, "a-1"), (3, "a-2"), (4, "a-3")]
    asyncio.run(filled(tmp_path))
    assert asyncio.run(broken_at(tmp_path)) == {"default": None, "elsewhere": None}
