"""A whole agent beside the bridge, and a scan that it should answer."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from agent.isolation.lease_file import LeaseFile
from tests.agent.isolation.lab import Host, Lab

PATIENCE_S = 15.0
SECOND_NS = 1_000_000_000

# Connects to one port after the other, and says when it began.
SCAN = """
import socket, sys, time
print(time.time_ns(), flush=True)
until_s, port = time.monotonic() + float(sys.argv[2]), 1
while time.monotonic() < until_s:
    with socket.socket() as probe:
        probe.setblocking(False)
        probe.connect_ex((sys.argv[1], port % 60000 + 1))
    port += 1
    time.sleep(0.002)
"""
# Sends datagrams to one port, and says when it began.
FLOOD = """
import socket, sys, time
print(time.time_ns(), flush=True)
until_s = time.monotonic() + float(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
    while time.monotonic() < until_s:
        for _ in range(10):
            mouth.sendto(b"x" * 64, (sys.argv[1], 9))
        time.sleep(0.004)
"""
# Sends frames from MACs that nobody has (they begin with 06:66) to one MAC, and says when it began.
INVENT = """
import os, socket, sys, time
to = bytes.fromhex(sys.argv[1].replace(":", ""))
head = bytes.fromhex("4500002000010000401166300a4d00020a4d0001000900090010")
print(time.time_ns(), flush=True)
until_s = time.monotonic() + float(sys.argv[2])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as mouth:
    mouth.bind(("eth0", 0))
    while time.monotonic() < until_s:
        for _ in range(10):
            mouth.send(to + b"\\x06\\x66" + os.urandom(4) + b"\\x08\\x00" + head + bytes(20))
        time.sleep(0.004)
"""
# Says when a frame from a MAC, or from one that begins so, arrived last; one to all is no attack.
LISTEN = """
import socket, sys, time
mac, until_s, last = bytes.fromhex(sys.argv[1].replace(":", "")), time.monotonic() + float(sys.argv[2]), 0
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as ear:
    ear.settimeout(0.2)
    print("listening", flush=True)
    while time.monotonic() < until_s:
        try:
            frame = ear.recv(2048)
            if frame[6:12].startswith(mac) and not frame[0] & 1:
                last = time.time_ns()
        except TimeoutError:
            pass
print(last)
"""


class Agent:
    """A running agent, and what it logs."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]

    def until(self, name: str) -> dict[str, Any]:
        until_s = time.monotonic() + PATIENCE_S
        while not self.events(name):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until_s, self._log.read_text()
            time.sleep(0.02)
        return self.events(name)[0]


@contextmanager
def agent(
    built: Lab, folder: Path, *more: str, isolation_s: int = 60, isolation: str = ""
) -> Iterator[Agent]:
    settings = folder / "agent.toml"
    settings.write_text(
        "\n".join(
            [
                '[capture]\ninterfaces = ["lan1", "lan2"]\nring_slots = 4096',
                f'[spool]\npath = "{folder}/spool.sqlite"',
                f'[isolation]\nenforcer = "nft"\n{isolation}',
                '[policy]\nmode = "enforce"\nisolation_s = ' + str(isolation_s),
                *more,
            ]
        )
    )
    program = [*built.box, sys.executable, "-P", "-m", "agent", "run", "--config", str(settings)]
    log = folder / "log"
    with log.open("w") as told:
        process = subprocess.Popen(program, stderr=told, text=True)
    try:
        running = Agent(process, log)
        running.until("watching")
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
        built.on_box("nft", "flush", "ruleset")


def started(prefix: tuple[str, ...], program: str, *words: str) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-c", program, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def scanned(built: Lab, seconds: float) -> tuple[int, int]:
    """Scan the victim; return when the first frame left and when the last one arrived, in ns."""
    return attacked(built, seconds, SCAN, built.victim.ip, built.suspect.mac)


def flooded(built: Lab, seconds: float) -> tuple[int, int]:
    """Flood one port of the victim; return the same."""
    return attacked(built, seconds, FLOOD, built.victim.ip, built.suspect.mac)


def flooded_by_invented_macs(built: Lab, seconds: float) -> tuple[int, int]:
    """Flood the victim from a MAC for each frame; return the same."""
    return attacked(built, seconds, INVENT, built.victim.mac, "06:66")


def attacked(
    built: Lab, seconds: float, program: str, target: str, sender: str
) -> tuple[int, int]:
    """Let the suspect attack; return when the first frame left and when the last one arrived."""
    ear = started(built.victim.prefix, LISTEN, sender, str(seconds + 0.5))
    assert ear.stdout is not None
    assert ear.stdout.readline() == "listening\n"
    hand = started(built.suspect.prefix, program, target, str(seconds))
    began, _ = hand.communicate(timeout=PATIENCE_S)
    last, _ = ear.communicate(timeout=PATIENCE_S)
    return int(began), int(last)


def late_by_s(built: Lab, folder: Path) -> float:
    """Have a scanner cut off, kill every process of ours; return how late the kernel let it go.

    Both hosts know each other's MAC all the time: who has to ask anew asks once a second.
    """
    ends = (built.suspect, built.victim), (built.victim, built.suspect)
    for host, peer in ends:
        _neighbour(host, "replace", peer, "lladdr", peer.mac, "nud", "permanent")
    try:
        with agent(built, folder, isolation_s=5) as running:
            hand = started(built.suspect.prefix, SCAN, built.victim.ip, "30")
            running.until("alert")
            hand.kill()
            hand.communicate()
            assert not built.reachable()
            (kept,) = LeaseFile(folder).read().values()
            parts = psutil.Process(running.process.pid).children(recursive=True)
            assert any("enforce" in each.cmdline() for each in parts)
            for each in parts:
                each.kill()
            running.process.kill()
            running.process.wait()
            return (_answered_ns(built) - kept.isolation.expires_ns) / SECOND_NS
    finally:
        for host, peer in ends:
            _neighbour(host, "del", peer)


def _answered_ns(built: Lab) -> int:
    """Ping without end; return when an answer came."""
    asking = [*built.suspect.prefix, "ping", "-i", "0.01", built.victim.ip]
    with subprocess.Popen(asking, stdout=subprocess.PIPE, text=True) as ping:
        assert ping.stdout is not None
        for line in ping.stdout:
            if "bytes from" in line:
                break
        now_ns = time.time_ns()
        ping.kill()
    return now_ns


def _neighbour(host: Host, deed: str, peer: Host, *more: str) -> None:
    command = [*host.prefix, "ip", "neighbour", deed, peer.ip, *more, "dev", "eth0"]
    subprocess.run(command, check=True)
