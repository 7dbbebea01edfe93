import ctypes
import time
from pathlib import Path

import pytest

from agent.health import (
    HealthReporter,
    Seen,
    is_clock_synchronized,
    is_throttled,
    temperature_celsius,
)
from contract.codec import decode_envelope, encode
from contract.messages import Envelope


def test_a_report_travels_as_it_is():
    reporter = HealthReporter("home-1")
    report = reporter.report(
        time.time_ns(),
        "observe",
        Seen(1, 2, 3, 4),
        {"ring_full": 7},
        {"spool": 0},
    )
    envelope = Envelope(boot="0" * 16, seq=1, floor=1, message=report)
    assert decode_envelope(encode(envelope)).message == report
    assert report.dropped == {"ring_full": 7}
    assert report.process_rss_bytes > 1_000_000
    assert (report.frames, report.windows, report.hosts, report.alerts) == (1, 2, 3, 4)


@pytest.mark.parametrize("now_ns", [0, 2**62])
def test_how_long_the_agent_runs_does_not_depend_on_what_the_clock_says(now_ns: int):
    report = HealthReporter("home-1").report(now_ns, "observe", Seen(0, 0, 0, 0), {}, {})
    assert 0 <= report.uptime_s < 60


@pytest.mark.parametrize(
    ("text", "celsius"),
    [("48312\n", 48.312), ("-5000\n", -5.0), ("", None), ("warm\n", None), (None, None)],
)
def test_the_temperature_is_what_the_kernel_tells_or_unknown(tmp_path, text, celsius):
    path = tmp_path / "temp"
    if text is not None:
        path.write_text(text)
    assert temperature_celsius(path) == celsius


@pytest.mark.parametrize(
    ("text", "throttled"),
    [
        ("0\n", False),
        ("1\n", True),  # under-voltage now
        ("50005\n", True),
        ("50000\n", False),  # it was, since boot
        ("no number\n", False),
        (None, False),
    ],
)
def test_a_pi_is_throttled_only_while_it_is(tmp_path, text, throttled):
    path = tmp_path / "get_throttled"
    if text is not None:
        path.write_text(text)
    assert is_throttled(path) == throttled


class Refusing:
    """A C library whose kernel forbids the question, as under ProtectClock=."""

    @staticmethod
    def adjtimex(_: object) -> int:
        return -1


def test_where_the_kernel_may_not_be_asked_systemd_s_word_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Refusing)
    path = tmp_path / "synchronized"
    assert not is_clock_synchronized(path)
    path.touch()
    assert is_clock_synchronized(path)


def test_the_kernel_s_word_is_the_one_that_other_programs_hear():
    kernel = ctypes.CDLL(None)
    buffer = ctypes.create_string_buffer(512)
    state = kernel.adjtimex(buffer)  # 5 is TIME_ERROR: the clock is not synchronized
    if state < 0:
        pytest.skip("kernel: adjtimex is forbidden here")
    assert is_clock_synchronized(Path("/nonexistent")) == (state != 5)
