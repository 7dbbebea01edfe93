"""A bridge with two hosts, each in a network namespace of its own; this machine stays as it is."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from agent.isolation.nft import NftIsolator
from tests.agent.isolation.nft_there import NftThere
from tests.tools import require

SETTLE_S = 5.0


class Host(msgspec.Struct, frozen=True):
    """A host behind a port of the bridge."""

    mac: str
    ip: str
    port: str
    prefix: tuple[str, ...]  # in front of a program that is to run there


VICTIM = ("02:00:00:00:00:0a", "10.77.0.1", "lan1")
SUSPECT = ("02:00:00:00:00:0b", "10.77.0.2", "lan2")


class Lab:
    """What stands in the namespaces."""

    def __init__(
        self, box: tuple[str, ...], nftables: NftThere, victim: Host, suspect: Host
    ) -> None:
        self.box = box
        self.nftables = nftables  # of the box
        self.victim = victim
        self.suspect = suspect

    def isolator(self, now_ns: Callable[[], int] = time.time_ns) -> NftIsolator:
        """Return an isolator of the box that knows nothing of others before it."""
        return NftIsolator("br0", self.box, now_ns, self.nftables)

    def on_box(self, *command: str) -> str:
        """Run a program where the bridge is and return what it printed."""
        return _run(*self.box, *command)

    def on_suspect(self, *command: str) -> str:
        """Run a program where the suspect is and return what it printed."""
        return _run(*self.suspect.prefix, *command)

    def meets(self) -> bool:
        """Return whether the suspect reaches the victim within the time a network settles in."""
        until_s = time.monotonic() + SETTLE_S
        while not (met := self.reachable()) and time.monotonic() < until_s:
            pass  # each try waits by itself
        return met

    def reachable(self) -> bool:
        """Return whether the suspect reaches the victim now."""
        command = [*self.suspect.prefix, "ping", "-c", "1", "-W", "0.4", self.victim.ip]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def lab() -> Iterator[Lab]:
    """Build the bridge and its hosts; everything vanishes with the last process in it."""
    for program, package in (("ip", "iproute2"), ("ping", "iputils-ping"), ("nft", "nftables")):
        require(program, package=package)
    with _namespace(("unshare", "--user", "--map-root-user", "--net")) as box:
        _run(*box, "ip", "link", "add", "br0", "type", "bridge")
        _run(*box, "ip", "link", "set", "br0", "up")
        into_box = ("nsenter", "--preserve-credentials", "--user", "--net", "--target", box[-1])
        with (
            _namespace((*into_box[:3], *into_box[4:], "unshare", "--net")) as one,
            _namespace((*into_box[:3], *into_box[4:], "unshare", "--net")) as two,
            closing(NftThere(box)) as nftables,
        ):
            victim, suspect = Host(*VICTIM, one), Host(*SUSPECT, two)
            for host in (victim, suspect):
                _plug_in(box, host)
            built = Lab(box, nftables, victim, suspect)
            assert built.meets(), "the hosts never met"
            yield built


def _plug_in(box: tuple[str, ...], host: Host) -> None:
    pid = host.prefix[-1]
    _run(
        *box, "ip", "link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", pid
    )
    _run(*box, "ip", "link", "set", host.port, "master", "br0", "up")
    _run(*host.prefix, "ip", "link", "set", "eth0", "address", host.mac, "up")
    _run(*host.prefix, "ip", "address", "add", f"{host.ip}/24", "dev", "eth0")


@contextmanager
def _namespace(unshare: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Hold a namespace open; yields the prefix of programs that are to run in it."""
    until_we_end = ("sh", "-c", "echo in; exec cat")
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*unshare, *until_we_end], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if process.stdout.readline() != "in\n":
            pytest.skip(f"kernel: no namespaces here: {process.stderr.read().strip()}")
        yield (
            "nsenter",
            "--preserve-credentials",
            "--user",
            "--net",
            "--target",
            str(process.pid),
        )
    finally:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout, process.stderr):
            end.close()


def _run(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
