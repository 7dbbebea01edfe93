"""What is taken in over HTTP: nothing with a full disk, and of one device no more than all can bear."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from aggregator.api.identity import Person
from aggregator.api.intake import BURST_S, LOG_EVERY_S, Intake
from aggregator.config import HttpConfig
from aggregator.errors import FullError, TooManyAttemptsError
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.database import Database
from aggregator.store.devices import KeyOwner
from aggregator.store.room import Room
from tests.aggregator.conftest import TLS, Centre
from tests.aggregator.people import ADA

ONE, OTHER = KeyOwner("default", "one"), KeyOwner("default", "other")
DEVICE = "intake-pi"
LINES = {"logs": [{"message": "x" * 900}] * 1000}
WRITES: list[tuple[str, str, dict[str, object] | None]] = [
    ("POST", "readings", {"readings": [{"sensor_type": "t", "value": 1.0}]}),
    ("POST", "logs", {"logs": [{"message": "x"}]}),
    ("PUT", "health", {"cpu_usage": 1.0, "memory_usage": 1.0, "uptime": 1}),
]


ALERT = {"attack_type": "Scan", "src_ip": "10.0.0.9"}
POSTS: list[tuple[str, dict[str, str]]] = [
    ("/alerts", ALERT),
    ("{}/alerts", {"message": "fire", "location": "hall"}),
    ("{}/message", {"sender": "J", "message": "hi"}),
    ("/models", {}),
    ("/system/backup", {}),
    ("/system/export", {}),
]
WHY = "the disk of the centre is full"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def intake(clock: Clock, tmp_path: Path) -> Intake:
    config = HttpConfig(device_requests_per_s=2, device_bytes_per_s=2000, max_body_bytes=5000)
    return Intake(Room(tmp_path, 0), config, clock)


def taken(intake: Intake, body_bytes: int | None, device: KeyOwner = ONE) -> int:
    """Return how many requests are taken until one is not, and what that one is told to wait."""
    for count in range(1000):
        try:
            intake.take_turn(device, body_bytes)
        except TooManyAttemptsError:
            return count
    pytest.fail("there is no end")


def test_a_person_asks_so_often_whatever_token_is_shown(clock: Clock, tmp_path: Path):
    intake = Intake(Room(tmp_path, 0), HttpConfig(person_requests_per_s=2), clock)
    other = msgspec.structs.replace(ADA, id=ADA.id + 1)
    for number in range(2 * BURST_S):
        intake.take_turn_of(Person(ADA, token_id=number))
    with pytest.raises(TooManyAttemptsError, match="wait a little"):
        intake.take_turn_of(Person(ADA, session_id="a session"))
    intake.take_turn_of(Person(other))
    clock.now_s += 1
    intake.take_turn_of(Person(ADA))
    assert (intake.refused.person_too_fast, intake.refused.too_fast) == (1, 0)


def test_a_person_who_asks_too_often_still_sees_who_is_cut_off(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_HTTP__PERSON_REQUESTS_PER_S"] = "1"
    centre.start()
    with centre.client() as client:
        answers = {client.get("/alerts").status_code for _ in range(3 * BURST_S)}
        assert answers == {200, 429}
        assert client.get("/ports/isolations").status_code == 200
    assert centre.stop() == 0


def test_a_device_asks_so_often_and_no_other_waits_for_it(intake: Intake, clock: Clock):
    assert taken(intake, 0) == taken(intake, 0, OTHER) == 2 * BURST_S
    clock.now_s += 1
    assert taken(intake, 0) == 2
    assert intake.refused.too_fast == 3


@pytest.mark.parametrize(("body_bytes", "count"), [(2000, BURST_S), (None, 4), (10**9, 4)])
def test_a_device_sends_so_many_bytes_and_a_body_of_unknown_length_counts_as_the_longest(
    intake: Intake, clock: Clock, body_bytes: int | None, count: int
):
    assert taken(intake, body_bytes) == count
    clock.now_s += 1
    with pytest.raises(TooManyAttemptsError) as refused:
        intake.take_turn(ONE, 5000)
    assert refused.value.retry_after_s == 2


def test_the_longest_body_is_taken_however_slowly_a_device_may_send(tmp_path: Path):
    config = HttpConfig(device_bytes_per_s=1024, max_body_bytes=2**20)
    assert taken(Intake(Room(tmp_path, 0), config), 2**20) == 1


def test_who_sends_too_fast_is_in_the_log_now_and_then(
    intake: Intake, clock: Clock, caplog: pytest.LogCaptureFixture
):
    for _ in range(3):
        taken(intake, None)
    assert caplog.messages == ["device_sends_too_fast"]
    clock.now_s += LOG_EVERY_S
    taken(intake, None)
    assert len(caplog.messages) == 2


def test_what_a_full_disk_refuses_is_counted(tmp_path: Path):
    full = Intake(Room(tmp_path, 2**62), HttpConfig())
    with pytest.raises(FullError):
        full.check_room()
    assert full.refused.without_room == 1


def enrol(centre: Centre, device_id: str) -> dict[str, str]:
    with centre.client() as admin:
        made = admin.post("/devices", json={"device_id": device_id}).raise_for_status().json()
    return {"Authorization": f"Bearer {made['api_key']}"}


class Full(Centre):
    """A centre whose disk is full by now, with a device and an alert from before."""

    def fill(self) -> None:
        self.start()
        self.key = enrol(self, DEVICE)
        with self.client() as admin:
            self.alert_id = admin.post("/alerts", json=ALERT).json()["alert_id"]
        self.stop()
        self.more["EDGEWARDEN_STORE__MIN_FREE_BYTES"] = str(2**62)
        self.start(ready=httpx.codes.SERVICE_UNAVAILABLE)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    centre = Full(tmp_path_factory.mktemp("full"))
    centre.fill()
    yield centre
    assert centre.stop() == 0


def refused(centre: Centre, why: str) -> int:
    with centre.client() as admin:
        lines = admin.get(f"{centre.url}/metrics").text.splitlines()
    (line,) = [line for line in lines if f'http_refused_total{{why="{why}"}}' in line]
    return int(line.split()[1])


def test_with_a_full_disk_nothing_that_is_sent_is_taken_in(full: Full):
    before = refused(full, "without_room")
    url = f"{full.url}/api/v1/devices/{DEVICE}"
    with httpx.Client(headers=full.key, verify=TLS) as device:
        answers = [
            device.request(method, f"{url}/{path}", json=body) for method, path, body in WRITES
        ]
    with full.client() as admin:
        answers += [admin.post(path.format(full.url), json=body) for path, body in POSTS]
    for answer in answers:
        assert answer.status_code == 503, answer.url
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["detail"].startswith(WHY)
    assert refused(full, "without_room") == before + len(answers)


def test_with_a_full_disk_people_and_commands_go_on(full: Full):
    with full.client() as admin:
        change = {"status": "acknowledged"}
        assert admin.patch(f"/alerts/{full.alert_id}", json=change).status_code == 200
        command = {"command": "reboot"}
        queued = admin.post(f"/devices/{DEVICE}/commands", json=command)
        assert queued.status_code == 201, queued.text
    path = f"{full.url}/api/v1/devices/{DEVICE}/commands"
    with httpx.Client(headers=full.key, verify=TLS) as device:
        (given,) = device.get(path).json()
        told = {"status": "executed"}
        beat = (
            f"{full.url}/api/v1/devices/{DEVICE}/heartbeat"  # who is there is noted, as over MQTT
        )
        assert device.post(beat).status_code == 200
        assert device.put(f"{path}/{given['command_id']}", json=told).status_code == 200


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ws", {"sender": "J", "message": "hi"}),
        ("/ws/device", {"device_id": DEVICE, "event_type": "connected"}),
    ],
)
async def test_with_a_full_disk_nothing_that_is_said_on_sockets_is_kept(
    full: Full, path: str, said: dict[str, str]
):
    headers = {"Authorization": f"Bearer {full.token()}"}
    url = f"ws://127.0.0.1:{full.port}{path}"
    async with asyncio.timeout(10), connect(url, additional_headers=headers) as socket:
        await socket.send(json.dumps(said))
        answer = json.loads(await socket.recv())
    assert answer["type"] == "error"
    assert answer["message"].startswith(WHY)


def posted(centre: Centre, device_id: str, key: dict[str, str]) -> int:
    """Send lines as a client does that asks for nothing else, and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", centre.port, timeout=30)
    path, body = f"/api/v1/devices/{device_id}/logs", json.dumps(LINES)
    with contextlib.closing(connection):
        connection.request("POST", path, body, key | {"Connection": "close"})
        return connection.getresponse().status


def test_who_sends_all_of_it_before_reading_reads_the_refusal(full: Full, centre: Centre):
    assert posted(full, DEVICE, full.key) == 503
    key = enrol(centre, "hasty-pi")
    assert {posted(centre, "hasty-pi", key) for _ in range(25)} == {201, 429}


def test_one_device_key_does_not_fill_the_centre(centre: Centre):
    flooding, honest = enrol(centre, "flooding-pi"), enrol(centre, "honest-pi")
    url = f"{centre.url}/api/v1/devices"
    with httpx.Client(headers=flooding, verify=TLS) as client:
        answers = [client.post(f"{url}/flooding-pi/logs", json=LINES) for _ in range(30)]
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {201, 429}
    assert codes.count(201) <= 20
    assert int(answers[codes.index(429)].headers["Retry-After"]) > 0
    assert (
        httpx.post(f"{url}/honest-pi/logs", json=LINES, headers=honest, verify=TLS).status_code
        == 201
    )
    assert refused(centre, "too_fast") >= codes.count(429)


async def test_a_backup_that_would_fill_the_disk_is_not_begun(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    needed = database.path.stat().st_size
    archive = Archive(database)
    await archive.open()
    backups = Backups(database, archive, Room(database.path.parent, 1000))
    free = {"bytes": 0}
    monkeypatch.setattr(
        "aggregator.store.room.shutil.disk_usage",
        lambda _: SimpleNamespace(free=free["bytes"]),
    )
    free["bytes"] = needed + 999
    with pytest.raises(FullError, match="a backup needs"):
        await backups.everything().__aenter__()
    free["bytes"] = needed + 1000
    async with backups.everything() as pieces:
        assert pieces
