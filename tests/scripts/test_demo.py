"""The demo says one line, ends when it should, and leaves nothing running."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.brokers import free_port

ROOT = Path(__file__).parent.parent.parent
READY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 15.0
LINE = re.compile(
    r"Edgewarden demo: http://localhost:(\d+)  sign in as admin / (\S+)  \(broker: .+; Ctrl-C ends\)"
)


@contextmanager
def demo(port: int, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo; afterwards nothing is left of it, whatever happened."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("EDGEW")}
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        env=given | {"DEMO_PORT": str(port)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(ROOT / ".cache" / f"demo-{port}", ignore_errors=True)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running():
    with demo(free_port()) as process:
        assert process.stdout
        assert LINE.match(process.stdout.readline())
        children = family(process)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=END_TIMEOUT_S)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert len(children) >= 2  # aggregator and agent; mosquitto too, where it is installed
    assert not [child for child in children if child.is_running()]


@pytest.mark.slow
def test_the_demo_ends_by_itself_after_its_seconds():
    chosen = {"DEMO_SECONDS": "2", "EDGEWARDEN_ADMIN_PASSWORD": "chosen-by-a-person"}
    with demo(free_port(), **chosen) as process:
        told, errors = process.communicate(timeout=READY_TIMEOUT_S)
    line = LINE.fullmatch(told.rstrip("\n"))
    assert line
    assert line[2] == "chosen-by-a-person"
    assert (process.returncode, errors) == (0, "")


@pytest.mark.slow
def test_killing_the_demo_takes_its_programs_along():
    with demo(free_port()) as process:
        assert process.stdout
        assert LINE.match(process.stdout.readline())
        children = family(process)
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=END_TIMEOUT_S)
    assert not alive


def test_a_port_in_use_is_told_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken, demo(taken.getsockname()[1]) as process:
        told, errors = process.communicate(timeout=END_TIMEOUT_S)
    assert (process.returncode, told) == (1, "")
    assert "DEMO_PORT=8001 make demo" in errors
    assert len(errors.splitlines()) == 1


def test_a_number_that_is_none_is_told():
    with demo(free_port(), DEMO_SECONDS="soon") as process:
        _, errors = process.communicate(timeout=END_TIMEOUT_S)
    assert process.returncode == 1
    assert errors == "demo: DEMO_SECONDS=soon is not a number\n"
