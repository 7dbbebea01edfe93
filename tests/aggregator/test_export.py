"""What happens to alerts reaches files and receivers of syslog, in order, whatever happens to these."""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.config import AlertEvent, ExportConfig
from aggregator.export import exporter as exporter_module
from aggregator.export import syslog
from aggregator.export.exporter import Exporter, OutputState
from aggregator.export.files import FileSink
from aggregator.live import EventKind, LiveFeed
from aggregator.shapes import alert_shape, rfc3339
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from contract.messages import Alert
from runtime.errors import ConfigError
from tests.aggregator.agents import until
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import BOOT, alert, now_ns
from tests.aggregator.people import ADA
from tests.aggregator.receivers import certificate
from tests.aggregator.taking import save
from tests.brokers import free_port

EVERYTHING: tuple[AlertEvent, ...] = ("opened", "updated", "closed", "decided")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(exporter_module, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(exporter_module, "MOST_WAIT_S", 0.1)


class World:
    """A store whose alerts are announced, and the exporter that hears of them."""

    def __init__(self, database: Database, *configs: ExportConfig) -> None:
        self.database, self.live = database, LiveFeed()
        self.exporter = Exporter(database, self.live, configs)

    async def tell(self, *alerts: Alert, organization: str = "default", new: bool = True) -> None:
        told = [Reported(organization, "pi", BOOT, now_ns(), each) for each in alerts]
        await save(self.database, told)
        await self.announce([each.alert_id for each in alerts], organization, new=new)

    async def announce(self, ids: Sequence[str], organization: str, *, new: bool) -> None:
        wanted = AlertFilter(alert_ids=list(ids))
        rows = await find_alerts(self.database, organization, wanted, limit=1000)
        for row in sorted(rows, key=lambda row: row.id):
            kind: EventKind = "new_alert" if new else "alert_updated"
            self.live.publish(organization, kind, alert_shape(row))

    @property
    def state(self) -> OutputState:
        return self.exporter.states()[0]


@asynccontextmanager
async def exporting(database: Database, *configs: ExportConfig) -> AsyncIterator[World]:
    world = World(database, *configs)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.exporter.run())
        await until(lambda: world.live.watchers > 0)
        yield world
        running.cancel()


class Receiver:
    """A receiver of syslog over TCP or TLS that reads counted octets."""

    def __init__(self, port: int, pem: Path | None = None) -> None:
        self.port, self.messages = port, list[bytes]()
        self._pem = pem
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        tls = None
        if self._pem:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self._pem)
        self._server = await asyncio.start_server(self._read, "127.0.0.1", self.port, ssl=tls)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await self._server.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = await reader.readuntil(b" ")
                self.messages.append(await reader.readexactly(int(length)))


def names(messages: Sequence[bytes]) -> list[tuple[str, int]]:
    """Return event and number of the alerts in lines of EVE, with or without a head of syslog."""
    found = [json.loads(each[each.index(b"{") :])["edgewarden"] for each in messages]
    return [(each["event"], int(each["alert_id"], 16)) for each in found]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


async def test_what_happens_to_an_alert_is_told_in_its_order(database: Database, tmp_path: Path):
    file = tmp_path / "eve.json"
    async with exporting(database, ExportConfig(file=file, events=EVERYTHING)) as world:
        await world.tell(alert(1))
        await until(lambda: len(lines(file)) == 1)
        await world.tell(alert(1, windows=3), new=False)
        await until(lambda: len(lines(file)) == 2)
        (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
        change = AlertChange(status="acknowledged")
        await database.write(*change_alerts(ADA, "c" * 32, [row.id], change, now_ns()))
        await world.announce([row.alert_id], "default", new=False)
        await until(lambda: len(lines(file)) == 3)
        await world.tell(alert(1, state="closed"), new=False)
        await until(lambda: len(lines(file)) == 4)
    assert names(lines(file)) == [("opened", 1), ("updated", 1), ("decided", 1), ("closed", 1)]


async def test_an_output_gets_the_events_it_wants_of_its_organization(
    database: Database, tmp_path: Path
):
    files = [tmp_path / name for name in "abc"]
    outputs = (
        ExportConfig(file=files[0]),
        ExportConfig(file=files[1], events=("closed",), format="cef"),
        ExportConfig(file=files[2], organization="elsewhere"),
    )
    async with exporting(database, *outputs) as world:
        await until(lambda: world.live.watchers == 2)
        await world.tell(alert(1), alert(2, state="closed"))
        await world.tell(alert(3), organization="elsewhere")
        await until(lambda: len(lines(files[0])) == 3 and len(lines(files[2])) == 1)
        await until(lambda: len(lines(files[1])) == 1)
    assert names(lines(files[0])) == [("opened", 1), ("opened", 2), ("closed", 2)]
    assert names(lines(files[2])) == [("opened", 3)]
    assert f"externalId={2:032x}".encode() in lines(files[1])[0]


async def test_a_file_that_was_moved_away_is_begun_anew(database: Database, tmp_path: Path):
    file = tmp_path / "eve.json"
    async with exporting(database, ExportConfig(file=file)) as world:
        await world.tell(alert(1))
        await until(lambda: len(lines(file)) == 1)
        file.rename(tmp_path / "eve.json.old")
        await world.tell(alert(2))
        await until(lambda: len(lines(file)) == 1)
    assert names(lines(tmp_path / "eve.json.old")) == [("opened", 1)]
    assert names(lines(file)) == [("opened", 2)]
    assert file.stat().st_mode & 0o777 == 0o640


async def test_a_file_and_the_one_before_it_are_no_larger_than_they_may_be(tmp_path: Path):
    file, before = tmp_path / "eve.json", tmp_path / "eve.json.1"
    sink = FileSink(file, max_bytes=1000)
    told = [b"%d:" % number + b"x" * 90 for number in range(100)]
    for first in range(0, 100, 5):
        await sink.open()
        await sink.send(told[first : first + 5])
    await sink.close()
    assert file.stat().st_size <= 1000
    assert before.stat().st_size <= 1000
    kept = lines(before) + lines(file)
    assert kept == told[-len(kept) :]
    assert len(kept) > 10


async def test_a_file_that_cannot_be_written_is_tried_again_and_said(
    database: Database, tmp_path: Path
):
    file = tmp_path / "not there yet" / "eve.json"
    async with exporting(database, ExportConfig(file=file)) as world:
        await world.tell(alert(1))
        await until(lambda: world.state.last_error is not None)
        assert world.state.last_error == "No such file or directory"
        file.parent.mkdir()
        await until(lambda: world.state.last_error is None)
        assert len(lines(file)) == 1


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_receiver_gets_counted_octets_and_what_it_missed_when_it_is_back(
    database: Database, tmp_path: Path, transport: str
):
    pem = certificate(tmp_path) if transport == "tls" else None
    there = Receiver(free_port(), pem)
    config = ExportConfig(syslog=f"{transport}://127.0.0.1:{there.port}", ca_file=pem)
    async with exporting(database, config) as world:
        await world.tell(alert(1))
        await until(lambda: world.state.last_error is not None)
        await there.start()
        await until(lambda: len(there.messages) == 1)
        await there.stop()
        # What is sent into a connection that ends meanwhile may be lost: syslog has no receipts.
        await until(lambda: not world.exporter._outputs[0]._sink._is_connected())  # type: ignore[attr-defined]
        await world.tell(alert(2), alert(3))
        await until(lambda: world.state.last_error is not None)
        await there.start()
        await until(lambda: len(there.messages) == 3)
        await there.stop()
    assert names(there.messages) == [("opened", 1), ("opened", 2), ("opened", 3)]
    assert re.match(rb"<132>1 \S+ \S+ edgewarden \d+ alert - \{", there.messages[0])


async def test_a_receiver_with_a_certificate_of_somebody_else_gets_nothing(
    database: Database, tmp_path: Path
):
    there = Receiver(free_port(), certificate(tmp_path))
    await there.start()
    config = ExportConfig(syslog=f"tls://127.0.0.1:{there.port}")
    async with exporting(database, config) as world:
        await world.tell(alert(1))
        await until(lambda: world.state.last_error is not None)
        assert "certificate" in str(world.state.last_error).lower()
    await there.stop()
    assert there.messages == []


async def test_datagrams_hold_one_message_each(database: Database):
    received: list[bytes] = []

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: object) -> None:
            received.append(data)

    loop = asyncio.get_running_loop()
    there, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    port = there.get_extra_info("sockname")[1]
    config = ExportConfig(syslog=f"udp://127.0.0.1:{port}", format="cef", facility=4)
    async with exporting(database, config) as world:
        await world.tell(alert(1), alert(2))
        await until(lambda: len(received) == 2)
    there.close()
    assert [each.startswith(b"<36>1 ") for each in received] == [True, True]
    assert b" alert - CEF:0|Edgewarden|" in received[0]


async def test_a_full_queue_gives_the_oldest_up_and_counts_them(database: Database):
    there = Receiver(free_port())
    config = ExportConfig(syslog=f"tcp://127.0.0.1:{there.port}", max_queued=100)
    async with exporting(database, config) as world:
        await world.tell(*(alert(number) for number in range(1, 151)))
        await until(lambda: world.state.dropped == 50)
        assert world.state.queued == 100
        await there.start()
        await until(lambda: len(there.messages) == 100)
        assert world.state.queued == 0
        await there.stop()
    assert names(there.messages)[0] == ("opened", 51)


@pytest.fixture
def stuck() -> Iterator[int]:
    """The port of a receiver that lets us connect, and that is all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_receiver_that_reads_nothing_is_given_up(
    stuck: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(syslog, "SEND_S", 0.2)
    config = ExportConfig(syslog=f"tcp://127.0.0.1:{stuck}")
    sink = syslog.SyslogSink(config.target(), config)
    await sink.open()

    async def send_for_ever() -> None:
        while True:
            await sink.send([b"x" * 1_000_000])

    with pytest.raises(TimeoutError):
        await send_for_ever()
    await sink.close()


async def test_a_receiver_that_reads_nothing_holds_no_other_up(
    database: Database, tmp_path: Path, stuck: int
):
    file = tmp_path / "eve.json"
    outputs = (ExportConfig(syslog=f"tcp://127.0.0.1:{stuck}"), ExportConfig(file=file))
    async with exporting(database, *outputs) as world:
        for first in range(1, 801, 100):
            await world.tell(*(alert(number) for number in range(first, first + 100)))
        await until(lambda: len(lines(file)) == 800)


async def test_what_is_queued_at_the_end_is_still_sent(database: Database, tmp_path: Path):
    file = tmp_path / "eve.json"
    async with exporting(database, ExportConfig(file=file)) as world:
        await world.tell(*(alert(number) for number in range(1, 301)))
        await until(lambda: world.state.sent + world.state.queued == 300)
    assert len(lines(file)) == 300


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"file": "/tmp/x", "syslog": "udp://h:1"},
        {"syslog": "http://h:1"},
        {"syslog": "udp://h"},
        {"syslog": "udp://h:70000"},
        {"syslog": "udp://a b:1"},
    ],
)
def test_an_output_that_leads_nowhere_is_refused(settings: dict[str, Any]):
    with pytest.raises(msgspec.ValidationError, match="syslog"):
        msgspec.convert(settings, ExportConfig, dec_hook=lambda kind, value: kind(value))


def test_files_of_tls_that_cannot_be_used_are_told_at_the_start(tmp_path: Path):
    config = ExportConfig(syslog="tls://[::1]:6514", ca_file=tmp_path / "nix.pem")
    assert config.target().host == "::1"
    with pytest.raises(ConfigError, match=r"nix\.pem"):
        Exporter(Database(tmp_path), LiveFeed(), [config])


@pytest.fixture
def exporting_centre(tmp_path: Path) -> Centre:
    centre = Centre(tmp_path)
    centre.settings = tmp_path / "aggregator.toml"
    centre.settings.write_text(
        f'[[exports]]\nfile = "{tmp_path}/eve.json"\n'
        f'[[exports]]\nsyslog = "tcp://127.0.0.1:{free_port()}"\nformat = "cef"\n'
        f'[[exports]]\norganization = "elsewhere"\nfile = "{tmp_path}/other.json"\n'
    )
    return centre


@pytest.mark.slow
def test_the_service_exports_as_it_is_set_and_says_what_fails(
    exporting_centre: Centre, tmp_path: Path
):
    centre = exporting_centre
    centre.start()
    try:
        centre.told("pi", alert(1))
        with centre.client() as client:

            async def both() -> None:
                await until(lambda: len(lines(tmp_path / "eve.json")) == 1)
                await until(lambda: client.get(f"{centre.url}/readyz").json()["exports_failing"])

            asyncio.run(both())
            shown = client.get("/exports").json()
            metrics = client.get(f"{centre.url}/metrics").text
    finally:
        assert centre.stop() == 0
    assert [each["number"] for each in shown] == [0, 1]
    assert shown[1]["last_error"]
    assert 'edgewarden_export_events_total{export="0",outcome="sent"} 1' in metrics
    assert 'edgewarden_export_queued{export="1"} 1' in metrics
    assert 'edgewarden_export_failing{export="1"} 1' in metrics
    assert "Traceback" not in centre.log.read_text()


def test_the_history_is_given_in_both_formats(centre: Centre):
    old_ns = now_ns() - 40 * 86_400_000_000_000
    centre.told("export-pi", *(alert(40_000 + n, opened_ns=old_ns + n) for n in range(3)))
    ends = {"from": rfc3339(old_ns - 10**9), "to": rfc3339(old_ns + 10**9)}
    with centre.client("viewer") as client:
        eve = client.get("/alerts/export", params=ends)
        cef = client.get("/alerts/export", params=ends | {"format": "cef"})
        assert client.get("/alerts/export", params={"format": "x"}).status_code == 400
    assert (eve.headers["x-rows"], eve.headers["x-truncated"]) == ("3", "false")
    assert names(eve.content.splitlines()) == [("opened", 40_000 + n) for n in range(3)]
    assert eve.headers["content-disposition"] == 'attachment; filename="alerts.json"'
    assert [line.startswith("CEF:0|") for line in cef.text.splitlines()] == [True] * 3
    with centre.client("stranger") as client:
        assert client.get("/alerts/export", params=ends).content == b""
