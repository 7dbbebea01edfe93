"""The frames behind alerts: asked for, sent in parts, put together, bounded, given to analysts."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from agent.evidence import Evidence
from aggregator.config import StoreConfig
from aggregator.store.commands import NewCommand, Queued, add_command
from aggregator.store.database import Database
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.reported import Reported
from contract.commands import CollectEvidence
from contract.messages import EVIDENCE_PART_BYTES, EvidencePart
from tests.aggregator.agents import Agent, agent
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert, now_ns

DEVICE = "evidence-pi"
MIB = 2**20
FIRST = 57_000  # number of the alerts of these tests


def pcap(size: int = 1000, fill: int = 7) -> bytes:
    return b"\xd4\xc3\xb2\xa1" + bytes([fill]) * (size - 4)


def parts_of(data: bytes, folder: Path, name: str) -> list[EvidencePart]:
    """Return a pcap as an agent sends it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.pcap").write_bytes(data)
    return Evidence(folder).parts(name)


def name(number: int) -> str:
    return f"{number:032x}"


class Desk:
    """A place for evidence, and what was asked for."""

    def __init__(self, database: Database, folder: Path, config: StoreConfig) -> None:
        self._database = database
        self._folder = folder
        self.files = EvidenceFiles(database, config)

    async def ask(self, alert_id: str) -> None:
        new = NewCommand(
            organization="default",
            device_id=DEVICE,
            command_id=alert_id,
            kind="collect_evidence",
            isolation_id=None,
            body=msgspec.json.encode(CollectEvidence(alert_id=alert_id)).decode(),
            payload=b"",
            user_id=1,
            username="ann",
            expires_ns=now_ns() + 10**11,
        )
        assert await self._database.change(Queued, add_command(new, now_ns()))

    async def tell(self, *parts: EvidencePart, device_id: str = DEVICE) -> None:
        told = [Reported("default", device_id, "0" * 16, now_ns(), part) for part in parts]
        await self.files.take(told)

    async def send(self, number: int, data: bytes) -> None:
        """Ask for a pcap and have it sent."""
        await self.ask(name(number))
        await self.tell(*parts_of(data, self._folder, name(number)))

    async def read(self, number: int) -> bytes | None:
        return await self.files.read("default", DEVICE, name(number))


@pytest_asyncio.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    config = StoreConfig(path=tmp_path / "data", max_evidence_bytes=8 * MIB)
    yield Desk(database, tmp_path / "agent", config)


async def test_a_pcap_is_put_together_from_its_parts_and_private(desk, tmp_path):
    data = pcap(2 * EVIDENCE_PART_BYTES + 5)
    await desk.send(1, data)
    assert await desk.read(1) == data
    (path,) = (tmp_path / "data" / "evidence" / "default").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_parts_that_come_again_or_begin_anew_change_nothing(desk, tmp_path):
    data = pcap(2 * EVIDENCE_PART_BYTES + 5)
    await desk.ask(name(1))
    one, two, three = parts_of(data, tmp_path / "agent", name(1))
    await desk.tell(one, two, two, one, two, three)
    assert await desk.read(1) == data
    await desk.tell(one, two, *parts_of(pcap(50), tmp_path / "agent", name(1)))
    assert await desk.read(1) == pcap(50)


async def test_of_a_pcap_with_a_part_missing_nothing_is_kept(desk, tmp_path):
    await desk.ask(name(1))
    one, _, three = parts_of(pcap(2 * EVIDENCE_PART_BYTES + 5), tmp_path / "agent", name(1))
    await desk.tell(one, three)
    assert await desk.read(1) is None
    assert list((tmp_path / "data" / "evidence" / "default").iterdir()) == []
    assert desk.files.counters.evidence_broken == 1


async def test_what_nobody_asked_a_device_for_is_dropped_and_counted(desk, tmp_path):
    await desk.ask(name(1))
    await desk.tell(*parts_of(pcap(), tmp_path / "agent", name(2)))
    await desk.tell(*parts_of(pcap(), tmp_path / "agent", name(1)), device_id="another-pi")
    assert desk.files.counters.evidence_unasked == 2
    assert not (tmp_path / "data" / "evidence").exists()


async def test_beyond_what_an_organization_may_keep_the_oldest_give_way(desk):
    for number in range(1, 6):
        await desk.send(number, pcap(2 * MIB, fill=number))
    kept = [number for number in range(1, 6) if await desk.read(number)]
    assert kept == [3, 4, 5]


async def test_evidence_is_forgotten_with_its_alert(desk, tmp_path):
    await desk.send(1, pcap())
    await desk.send(2, pcap())
    old_s = time.time() - 401 * 86_400  # noqa: TID251 as files have it
    os.utime(tmp_path / "data" / "evidence" / "default" / f"{DEVICE}.{name(1)}.pcap", (0, old_s))
    desk.files.forget(now_ns())
    assert await desk.read(1) is None
    assert await desk.read(2) is not None


async def test_a_full_disk_loses_no_more_than_the_evidence(desk, tmp_path):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "evidence").write_text("in the way")
    await desk.send(1, pcap())
    assert desk.files.counters.evidence_unwritable == 1


@pytest_asyncio.fixture
async def analyst(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.async_client("analyst") as client:
        yield client


@pytest_asyncio.fixture
async def device(centre: Centre, tmp_path: Path) -> AsyncIterator[Agent]:
    async with agent(centre, tmp_path, DEVICE) as running:
        yield running


async def alerted(device: Agent, analyst: httpx.AsyncClient, number: int, data: bytes) -> str:
    """Let a device tell an alert behind which there are frames; return the path to them."""
    told = alert(number)
    digest = hashlib.sha256(data).hexdigest()
    await device.publisher.put([msgspec.structs.replace(told, evidence_sha256=digest)])
    path = f"/alerts/{told.alert_id}"
    async with asyncio.timeout(10):
        while (await analyst.get(path)).status_code != httpx.codes.OK:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return f"{path}/pcap"


async def settled(analyst: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask until the answer is another than: wait."""
    async with asyncio.timeout(10):
        while (answer := await analyst.get(path)).status_code == httpx.codes.ACCEPTED:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.broker
async def test_an_analyst_gets_the_frames_that_the_device_kept(device, analyst):
    data = pcap(3 * EVIDENCE_PART_BYTES)
    path = await alerted(device, analyst, FIRST, data)
    parts_of(data, device.evidence._folder, alert(FIRST).alert_id)
    device.late_s = 0.3
    asked = [await analyst.get(path) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert int(asked[0].headers["Retry-After"]) >= 1
    assert f"waiting for {DEVICE}" in asked[0].json()["message"]
    assert asked[0].json()["command_id"] == asked[1].json()["command_id"]
    answer = await settled(analyst, path)
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["Content-Type"] == "application/vnd.tcpdump.pcap"
    assert answer.headers["Content-Disposition"].endswith(f'{alert(FIRST).alert_id}.pcap"')
    assert answer.headers["X-Community-ID"] == "1:mvqHfhSipAGit6HNW97eDo7UdVM="
    assert len(device.told) == 1


@pytest.mark.broker
async def test_a_device_that_has_the_frames_no_more_is_quoted(device, analyst):
    path = await alerted(device, analyst, FIRST + 1, pcap())
    answer = await settled(analyst, path)
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"{DEVICE} did not send them: not kept any more"


@pytest.mark.broker
async def test_frames_that_are_not_those_of_the_alert_are_not_given_out(device, analyst):
    path = await alerted(device, analyst, FIRST + 2, pcap(fill=1))
    parts_of(pcap(fill=2), device.evidence._folder, alert(FIRST + 2).alert_id)
    answer = await settled(analyst, path)
    assert answer.status_code == 409
    assert "are not those that the alert names" in answer.json()["detail"]


async def test_an_alert_without_frames_has_none(centre: Centre):
    with centre.client("analyst") as client:
        answer = client.get(f"/alerts/{'9' * 32}/pcap")
    assert answer.status_code == 404
