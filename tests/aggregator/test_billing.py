"""What organizations use is counted as it is stored, and plans bound what they may add."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import httpx
import pytest

from aggregator.api.calls import Calls
from aggregator.errors import TooManyAttemptsError
from aggregator.store.counts import fold
from aggregator.store.database import Database
from aggregator.store.organizations import add_organization
from aggregator.store.usage import (
    Plan,
    Told,
    add_calls,
    add_usage,
    find_calls,
    find_usage,
    month_of,
    set_plan,
)
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert, health


def usage(client: httpx.Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/billing/usage{query}").raise_for_status()
    return dict(answer.json())


def test_messages_are_counted_once_however_often_they_are_told(centre: Centre):
    async def tell_twice() -> None:
        async with centre.device(f"metered-{secrets.token_hex(4)}") as device:
            await device.tell(health())
            await device.tell(alert(secrets.randbelow(2**60)))
            device.seq = 0
            await device.publish(health(), 1)
            device.seq = 2
            await device.tell(health())

    with centre.client() as client:
        before = usage(client)["usage"]
        asyncio.run(tell_twice())
        after = usage(client)["usage"]
        assert after["messages"] == before["messages"] + 3
        assert after["message_bytes"] > before["message_bytes"] + 300
        assert after["devices"] == before["devices"] + 1
        assert usage(client, "?month=2020-02")["usage"]["messages"] == 0
        assert client.get("/billing/usage?month=2026-13").status_code == 400


def test_a_plan_bounds_devices_and_users_and_warns_before(centre: Centre):
    name = f"small-{secrets.token_hex(4)}"
    given = {"organization": name, "admin": {"username": f"{name}-admin", "password": PASSWORD}}
    with centre.client() as runner:
        runner.post("/organizations", json=given).raise_for_status()
        plan = dict.fromkeys(("api_calls", "keep_days", "keep_alerts_days"))
        plan |= {"devices": 2, "users": 2, "messages": 10}
        changed = runner.put(f"/organizations/{name}/plan", json=plan).raise_for_status()
        assert changed.json() == plan
        assert runner.put("/organizations/nowhere/plan", json=plan).status_code == 404
    with centre.client(f"{name}-admin") as admin:
        assert usage(admin)["plan"] == plan
        assert usage(admin)["warnings"] == []
        for number in range(2):
            admin.post("/devices", json={"device_id": f"d{number}"}).raise_for_status()
        refused = admin.post("/devices", json={"device_id": "d2"})
        assert refused.status_code == 402
        assert refused.json()["detail"] == "the plan allows 2 devices, and there are 2"
        assert [enrolled(centre, admin, device) for device in ("d2", "d1")] == [402, 201]
        user = {"username": f"{name}-2", "password": PASSWORD}
        admin.post("/users", json=user).raise_for_status()
        assert admin.post("/users", json=user | {"username": f"{name}-3"}).status_code == 402
        assert usage(admin)["warnings"] == ["devices: 2 of 2", "users: 2 of 2"]
        assert admin.put(f"/organizations/{name}/plan", json={}).status_code == 403
    asyncio.run(_tell(centre, name))
    with centre.client(f"{name}-admin") as admin:
        assert usage(admin)["usage"]["messages"] == 8
        assert usage(admin)["warnings"][-1] == "messages: 8 of 10"


def test_a_plan_bounds_what_is_asked_for_at_once(centre: Centre):
    def race(path: str, bodies: list[dict[str, Any]]) -> list[int]:
        with ThreadPoolExecutor(len(bodies)) as threads:
            answers = threads.map(lambda body: admin.post(path, json=body).status_code, bodies)
        return sorted(answers)

    with centre.client() as runner:
        name = made(runner, {"devices": 2, "users": 2})
    with centre.client(f"{name}-admin") as admin:
        users = [{"username": f"{name}-{n}", "password": PASSWORD} for n in range(4)]
        assert race("/users", users) == [201, 402, 402, 402]
        assert (
            race("/devices", [{"device_id": f"r{n}"} for n in range(6)]) == [201] * 2 + [402] * 4
        )
        one = admin.get(f"/users?q={name}-&role=viewer").json()[0]
        admin.patch(f"/users/{one['id']}", json={"is_active": False}).raise_for_status()
        new = {"username": f"{name}-new", "password": PASSWORD}
        admin.post("/users", json=new).raise_for_status()
        assert admin.patch(f"/users/{one['id']}", json={"is_active": True}).status_code == 402
        used = usage(admin)["usage"]
    assert (used["users"], used["devices"]) == (2, 2)


def enrolled(centre: Centre, admin: httpx.Client, device_id: str) -> int:
    made = admin.post("/enrollments", json={"device_id": device_id}).raise_for_status().json()
    shown = httpx.post(f"{centre.url}/api/v1/enroll", json={"code": made["code"]})
    return shown.status_code


async def _tell(centre: Centre, organization: str) -> None:
    async with centre.device("d0", organization) as device:
        for _ in range(8):
            await device.tell(health())


def test_a_month_begins_at_midnight_utc():
    day_ns = 24 * 3600 * 10**9
    assert month_of(1_798_761_600 * 10**9 - 1).isoformat() == "2026-12-01"
    assert month_of(1_798_761_600 * 10**9).isoformat() == "2027-01-01"
    assert month_of(1_798_761_600 * 10**9 + 31 * day_ns).isoformat() == "2027-02-01"


def made(runner: httpx.Client, plan: dict[str, Any]) -> str:
    name = f"bounded-{secrets.token_hex(4)}"
    given = {"organization": name, "admin": {"username": f"{name}-admin", "password": PASSWORD}}
    runner.post("/organizations", json=given).raise_for_status()
    runner.put(f"/organizations/{name}/plan", json=plan).raise_for_status()
    return name


def test_calls_are_counted_and_bounded_but_for_what_lets_somebody_go(centre: Centre):
    with centre.client() as runner:
        name = made(runner, {"api_calls": 5})
        with centre.client(f"{name}-admin") as admin:
            made_device = admin.post("/devices", json={"device_id": "d"}).raise_for_status().json()
            for _ in range(3):
                admin.get("/alerts").raise_for_status()
            assert usage(admin)["usage"]["api_calls"] == 5  # with this one
            assert usage(admin)["warnings"] == ["api_calls: 6 of 5"]
            refused = admin.get("/alerts")
            assert refused.status_code == 429
            assert refused.json()["detail"].startswith("the plan allows 5 API calls a month")
            assert 0 < int(refused.headers["retry-after"]) <= 31 * 24 * 3600
            lift = admin.post(f"/ports/lift-isolation/{'f' * 32}", json={})
            assert lift.status_code == 404
            assert admin.get("/ports/isolations").status_code == 200
            assert admin.get("/auth/me").status_code == 200
            assert admin.get("/devices/d/desired").status_code == 200
            key = {"Authorization": f"Bearer {made_device['api_key']}"}
            beat = httpx.post(f"{centre.url}/api/v1/devices/d/heartbeat", headers=key)
            assert beat.status_code == 200
            counted = usage(admin)["usage"]["api_calls"]
            assert counted == 12  # the refused one is none
            runner.put(f"/organizations/{name}/plan", json={}).raise_for_status()
            assert admin.get("/alerts").status_code == 200
        with centre.client("stranger") as stranger:
            assert usage(stranger)["organization"] == "elsewhere"


async def test_what_devices_told_is_counted_the_same_before_and_after_it_is_folded(
    database: Database,
):
    await database.write(add_organization("acme", "Acme", 1))
    now_ns = 1_798_761_600 * 10**9
    months = [month_of(now_ns - 1), month_of(now_ns)]

    async def used() -> list[tuple[int, int]]:
        found = [await find_usage(database, "acme", month) for month in months]
        return [(row.messages, row.payload_bytes) for row in found if row]

    assert await used() == [(0, 0), (0, 0)]
    for folds in (0, 1, 2):
        told = {"acme": Told(3, 500), "other": Told(7, 9)}
        await database.write(add_usage(told, now_ns - 1), add_usage(told, now_ns))
        await database.write(add_usage({"acme": Told(1, 100)}, now_ns))
        expected = [(3 * (folds + 1), 500 * (folds + 1)), (4 * (folds + 1), 600 * (folds + 1))]
        assert await used() == expected
        await database.write(*fold())
        assert await used() == expected
        await database.write(add_calls({"acme": 1}, months[1]))
        assert await used() == expected


async def test_calls_are_written_now_and_then_and_at_the_end_and_counted_on_after_a_restart(
    database: Database,
):
    await database.write(add_organization("acme", "Acme", 1))
    now_ns = [1_798_761_600 * 10**9 - 5 * 10**9]  # the last seconds of 2026
    calls = Calls(database, lambda: now_ns[0])
    month = month_of(now_ns[0])

    async def stored(in_month: date) -> int:
        return (await find_calls(database, "acme", in_month)).api_calls

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(calls.run())
        await asyncio.sleep(0)
        for _ in range(3):
            await calls.count("acme", bounded=True)
        assert (await stored(month), calls.unwritten("acme", month)) == (0, 3)
        running.cancel()
    assert (await stored(month), calls.unwritten("acme", month)) == (3, 0)
    await database.write(set_plan("acme", Plan(max_api_calls=4)))
    again = Calls(database, lambda: now_ns[0])
    await again.count("acme", bounded=True)
    with pytest.raises(TooManyAttemptsError) as refusal:
        await again.count("acme", bounded=True)
    assert refusal.value.retry_after_s == 5
    await again.count("acme", bounded=False)
    now_ns[0] += 5 * 10**9
    await again.count("acme", bounded=True)  # a new month
    await again.write()
    await again.write()
    assert (await stored(month), await stored(month_of(now_ns[0]))) == (5, 1)
