import json
import logging
import subprocess
import sys

import pytest

from runtime.logs import MAX_COUNTERS, MAX_VALUE_CHARACTERS, JsonFormatter


def line(record: logging.LogRecord) -> dict[str, object]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def record(event: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "agent.uplink", "levelname": "WARNING", "msg": event, **fields}
    )


def test_a_line_is_an_event_and_its_fields():
    assert line(record("broker_lost", waiting_s=4, why="refused")) == {
        "event": "broker_lost",
        "level": "warning",
        "logger": "agent.uplink",
        "waiting_s": 4,
        "why": "refused",
    }


@pytest.mark.parametrize("hostile", ["a\nb", '"}\n{"event":"forged"', "\x1b[2J", "\u2028"])
def test_nobody_can_forge_a_line_with_what_is_logged(hostile):
    found = line(record("login_failed", user=hostile))
    assert found["user"] == hostile
    assert found["event"] == "login_failed"


def test_a_value_is_bounded():
    assert len(str(line(record("x", why="w" * 10_000))["why"])) == MAX_VALUE_CHARACTERS


def test_counters_stay_counters_and_are_bounded():
    assert line(record("stopped", dropped={"ring_full": 3}))["dropped"] == {"ring_full": 3}
    many = line(record("x", many={f"{'k' * 1000}{number}": "v" * 1000 for number in range(1000)}))
    assert len(str(many)) < 1000 * MAX_COUNTERS * 2


def test_an_error_s_traceback_stays_on_the_line():
    try:
        json.loads("{")
    except ValueError:
        found = line(record("failed", exc_info=sys.exc_info()))
    assert "JSONDecodeError" in str(found["traceback"])


def test_logs_go_to_stderr_from_a_level_on_and_stdout_stays_free():
    program = (
        "import logging; from runtime.logs import set_up_logs; set_up_logs('warning');"
        "logging.info('quiet'); logging.warning('loud')"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == b""
    assert [json.loads(one)["event"] for one in ran.stderr.splitlines()] == ["loud"]
