"""From a frame on the wire to an alert on a screen: the demo, as a person runs it."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import websockets

from tests.brokers import free_port

ROOT = Path(__file__).parents[2]
ROLES = json.loads((ROOT / "agent" / "demo" / "home-lan.json").read_text())
PASSWORD = "only-for-this-test"
RUN_S = 120
SHOWN_WITHIN_S = 60  # of the first attack frame

pytestmark = [pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(RUN_S + 120)]


class Demo:
    """A demo that runs, what it said, and what its live feed pushed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.invitation = ""
        self.said_at = 0.0
        self.pushed: list[tuple[float, dict[str, Any]]] = []
        self.alerts: list[dict[str, Any]] = []

    async def run(self) -> int:
        """Run to the end; return the exit code."""
        variables = {
            "DEMO_PORT": str(self.port),
            "DEMO_SECONDS": str(RUN_S),
            "EDGEWARDEN_ADMIN_PASSWORD": PASSWORD,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            ROOT / "scripts" / "demo.py",
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | variables,
        )
        assert process.stdout is not None
        self.invitation = (await process.stdout.readline()).decode()
        self.said_at = time.time()  # noqa: TID251 - compared with the frames' shifted times
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(self._watch())
            await asyncio.sleep(RUN_S - 5)
            self.alerts = await self._listed()
            watcher.cancel()
        return await process.wait()

    async def _sign_in(self, client: httpx.AsyncClient) -> str:
        answer = await client.post(
            "/api/v1/auth/login", json={"username": "admin", "password": PASSWORD}
        )
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["access_token"])

    async def _listed(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=self.url) as client:
            token = await self._sign_in(client)
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.get("/api/v1/alerts?limit=100", headers=headers)
            return list(answer.json())

    async def _watch(self) -> None:
        async with httpx.AsyncClient(base_url=self.url) as client:
            token = await self._sign_in(client)
        async with websockets.connect(
            f"ws://127.0.0.1:{self.port}/api/v1/ws",
            additional_headers={"Authorization": f"Bearer {token}"},
        ) as socket:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "new_alert":
                    self.pushed.append((time.time(), message["data"]))  # noqa: TID251


@pytest.fixture(scope="module")
def demo() -> Demo:
    running = Demo(free_port())
    assert asyncio.run(running.run()) == 0
    return running


def stored(port: int) -> list[tuple[str, str]]:
    database = ROOT / ".cache" / f"demo-{port}" / "data" / "edgewarden.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.sql("SELECT attack_type, src_mac FROM alerts").fetchall()


def test_one_line_says_where_and_how_to_sign_in(demo: Demo):
    assert f"http://localhost:{demo.port}" in demo.invitation
    assert f"admin / {PASSWORD}" in demo.invitation


@pytest.mark.parametrize("attack", ROLES["attacks"], ids=lambda attack: attack["class"])
def test_every_attack_is_pushed_listed_and_stored_in_time(demo: Demo, attack: dict[str, Any]):
    wanted = (attack["class"], attack["attacker"]["mac"])
    pushed = [
        at for at, alert in demo.pushed if (alert["attack_type"], alert["src_mac"]) == wanted
    ]
    assert pushed, (
        f"{wanted} was not among {[(a['attack_type'], a['src_mac']) for _, a in demo.pushed]}"
    )
    assert pushed[0] - (demo.said_at + attack["start_s"]) < SHOWN_WITHIN_S
    assert wanted in {(alert["attack_type"], alert["src_mac"]) for alert in demo.alerts}
    assert wanted in stored(demo.port)


def test_nobody_but_the_attackers_is_accused(demo: Demo):
    attackers = {attack["attacker"]["mac"] for attack in ROLES["attacks"]}
    accused = {(alert["attack_type"], alert["src_mac"]) for alert in demo.alerts}
    assert {entry for entry in accused if entry[1] not in attackers} == set()
