"""A real agent that plays the demo to a real centre and obeys it."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.aggregator.conftest import Centre

DEMO = Path(__file__).parents[2] / "agent" / "demo" / "home-lan.pcap.gz"
SETTINGS = """\
device_id = "{device_id}"

[spool]
path = "{folder}/spool.sqlite"

[broker]
host = "127.0.0.1"
port = {port}

[commands]
public_key_file = "{folder}/commands.pem"
"""


def settings(centre: Centre, folder: Path, device_id: str, more: str = "") -> Path:
    """Write what an agent needs, and what else is to stand in its settings; return the file."""
    (folder / "commands.pem").write_text(centre.run("command-key").stdout)
    text = SETTINGS.format(device_id=device_id, folder=folder, port=centre.broker_port)
    config = folder / "agent.toml"
    config.write_text(text + more)
    return config


@contextmanager
def playing(config: Path, speed: float, enforced_in: Sequence[str] = ()) -> Iterator[None]:
    """Run an agent; it ends as it should, or its log is shown.

    Args:
        config: Its settings; the log is written beside them.
        speed: How many times faster than recorded.
        enforced_in: What leads to the network of its enforcer; nothing: this one.
    """
    there = ("tests.e2e.enforced_there", *enforced_in, "--") if enforced_in else ("agent",)
    program = [sys.executable, "-m", *there, "run", "--config", str(config)]
    log = config.with_name("agent.log")
    with log.open("ab") as told:
        agent = subprocess.Popen(
            [*program, "--replay", str(DEMO), "--speed", str(speed)],
            stdout=told,
            stderr=told,
        )
    try:
        yield
    finally:
        agent.terminate()
        assert agent.wait(timeout=30) == 0, log.read_text()
