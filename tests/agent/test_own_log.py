"""The agent's log at the centre: every line once, bounded, without secrets."""

import asyncio
import logging
from contextlib import closing
from pathlib import Path

import pytest

from agent.app import run as agent_run
from agent.capture.player import Player
from agent.config import AgentConfig, SpoolConfig
from agent.isolation.enforcer import guarded
from agent.own_log import MOST_LINES, OwnLog
from agent.uplink.spool import Spool, new_boot
from contract.codec import decode_envelope, encode
from contract.messages import Envelope, LogLines

DEMO = Path(__file__).parent.parent.parent / "agent" / "demo" / "home-lan.pcap.gz"
log = logging.getLogger("agent.test")


def test_a_line_is_told_once_with_its_fields_and_fits_the_wire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    own = OwnLog()
    with own.listening():
        log.error("it broke", extra={"why": "x" * 9999, "counts": {"a": 1}, "url": "?token=abc"})
        log.info("fine")
        log.debug("too much")
    log.error("nobody listens")
    (told,) = own.take()
    first, second = told.lines
    assert (first.level, first.component, first.event) == ("error", "agent.test", "it broke")
    assert (first.fields["counts"], first.fields["url"]) == ('{"a": 1}', "?token=[redacted]")
    assert len(first.fields["why"]) == 200
    assert second.event == "fine"
    payload = encode(Envelope(boot="0" * 16, seq=1, floor=1, message=told))
    assert decode_envelope(payload).message == told
    assert own.take() == []


def test_no_line_is_too_strange_to_be_sent_or_ends_who_logs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's report takes UTF-8 alone
    own = OwnLog()
    own.handle(logging.makeLogRecord({"msg": "%d", "args": ("x",), "levelno": logging.ERROR}))
    with own.listening():
        log.warning("file \udc80", extra={"path": "a\udcffb", "nothing": None, "far": 1e400})
    (told,) = own.take()
    (line,) = told.lines
    assert (line.event, line.fields["path"]) == ("file ?", "a?b")
    payload = encode(Envelope(boot="0" * 16, seq=1, floor=1, message=told))
    assert decode_envelope(payload).message == told


def test_a_storm_of_lines_is_cut_and_what_is_left_out_is_counted() -> None:
    own = OwnLog()
    with own.listening():
        for number in range(MOST_LINES + 7):
            log.warning("storm", extra={"number": number})
    (told,) = own.take()
    assert [line.fields["number"] for line in told.lines] == [str(n) for n in range(MOST_LINES)]
    assert own.dropped == 7


def test_an_agent_tells_what_it_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = AgentConfig(spool=SpoolConfig(path=tmp_path / "spool.sqlite"))
    with Player(DEMO, 1000.0) as source:
        asyncio.run(agent_run(config, source, guarded(config), plays=True))
    with closing(Spool(config.spool.path, config.spool.max_bytes, new_boot())) as spool:
        told = [decode_envelope(row.payload).message for row in spool.pending(10_000)]
    events = [line.event for each in told if isinstance(each, LogLines) for line in each.lines]
    assert "watching" in events
    assert events.count("stopped") == 1
