"""A real password guesser at a real login: what it is cut off from, and what it still reaches."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent.isolation.lease_file import LeaseFile
from contract.cuts import Part
from contract.messages import Isolation
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.response import agent
from tests.tools import require

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

LOGIN, OTHER_LOGIN = 80, 8080
BOX_IP = "10.77.0.254"
PATIENCE_S = 40.0
LONG_ENOUGH_S = 3.0  # hydra makes hundreds of guesses meanwhile, where it is let
SERVER = """
server.modules = ("mod_auth", "mod_authn_file")
server.document-root = "{folder}"
server.bind = "{ip}"
server.port = {port}
server.errorlog = "{folder}/{port}.log"
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("/admin" => ("method" => "basic", "realm" => "camera", "require" => "valid-user"))
"""
REFUSED = "password doesn't match"
ASK = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=1)
except urllib.error.HTTPError:
    print("answered")
except OSError:
    print("silence")
"""


class Logins:
    """A camera's two web servers, one of them behind another port, and who guesses there."""

    def __init__(self, built: Lab, folder: Path) -> None:
        self._built = built
        self._folder = folder
        words = "".join(f"pass{number}\n" for number in range(200_000))
        (folder / "words").write_text(words)
        (folder / "users").write_text("admin:nobody-guesses-that\n")
        self._leases = LeaseFile(folder)

    @contextmanager
    def serving(self) -> Iterator[None]:
        lighttpd = require("lighttpd", package="lighttpd")
        with ExitStack() as stack:
            for port in (LOGIN, OTHER_LOGIN):
                config = self._folder / f"{port}.conf"
                ip = self._built.victim.ip
                config.write_text(SERVER.format(folder=self._folder, ip=ip, port=port))
                command = [*self._built.victim.prefix, str(lighttpd), "-D", "-f", str(config)]
                stack.enter_context(_running(command))
            until(lambda: self.answers(LOGIN) and self.answers(OTHER_LOGIN))
            yield

    @contextmanager
    def guessed_at(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """Let hydra guess until it is told to stop."""
        hydra = require("hydra", package="hydra")
        guess = [str(hydra), "-I", "-l", "admin", "-P", str(self._folder / "words")]
        where = ["-s", str(port), self._built.victim.ip, "http-get", "/admin/"]
        with _running([*self._built.suspect.prefix, *guess, *where], self._folder) as process:
            yield process

    def guesses(self, port: int) -> int:
        """Return how many passwords the server itself has refused."""
        return (self._folder / f"{port}.log").read_text().count(REFUSED)

    def answers(self, port: int) -> bool:
        url = f"http://{self._built.victim.ip}:{port}/"
        return self._built.on_suspect(sys.executable, "-c", ASK, url) == "answered\n"

    def isolation(self) -> Isolation | None:
        """Return who is cut off, which is written down when the kernel was read back."""
        return next((each.isolation for each in self._leases.read().values()), None)

    def part(self) -> Part | None:
        held = self.isolation()
        return None if held is None else held.part

    def assert_it_is_over(self, port: int, guesser: subprocess.Popen[bytes]) -> None:
        time.sleep(0.5)  # what had arrived already is answered
        before = self.guesses(port)
        time.sleep(LONG_ENOUGH_S)
        assert guesser.poll() is None  # it goes on guessing
        assert self.guesses(port) == before > 0


@contextmanager
def _running(command: list[str], folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, stdout=nowhere, stderr=nowhere)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def until(is_so: Callable[[], object]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@pytest.fixture
def logins(built: Lab, tmp_path: Path) -> Iterator[Logins]:
    built.on_box("ip", "address", "add", f"{BOX_IP}/24", "dev", "br0")
    try:
        found = Logins(built, tmp_path)
        with found.serving():
            yield found
    finally:
        built.on_box("ip", "address", "flush", "dev", "br0")
        built.on_box("ip", "neighbour", "flush", "all")


def reaches_the_box(built: Lab) -> bool:
    ping = [*built.suspect.prefix, "ping", "-c", "1", "-W", "0.4", BOX_IP]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def test_a_guesser_loses_the_login_then_the_host_where_it_guesses_on_and_nothing_else(
    built: Lab, logins: Logins, tmp_path: Path
) -> None:
    with agent(built, tmp_path):
        with logins.guessed_at(LOGIN) as guesser:
            until(logins.isolation)
            peer = built.victim.mac
            assert logins.part() == Part(kind="flow", peer_mac=peer, protocol="tcp", port=LOGIN)
            logins.assert_it_is_over(LOGIN, guesser)
        assert not logins.answers(LOGIN)
        assert logins.answers(OTHER_LOGIN)
        assert built.reachable()
        assert reaches_the_box(built)
        with logins.guessed_at(OTHER_LOGIN) as guesser:
            until(lambda: logins.part() == Part(kind="pair", peer_mac=peer))
            logins.assert_it_is_over(OTHER_LOGIN, guesser)
        assert not logins.answers(OTHER_LOGIN)
        assert not built.reachable()
        assert reaches_the_box(built)


def test_a_guesser_that_is_only_slowed_down_guesses_on_and_is_cut_off_whole(
    built: Lab, logins: Logins, tmp_path: Path
) -> None:
    with agent(built, tmp_path, '[policy.first_cuts]\nBruteForce = ["rate"]'):
        with logins.guessed_at(LOGIN) as guesser:
            until(lambda: logins.isolation() and logins.part() is None)
            held = logins.isolation()
            assert held is not None
            assert held.isolated_mac == built.suspect.mac
            assert held.detail == "the attack went on when a rate was cut off"
            logins.assert_it_is_over(LOGIN, guesser)
        assert not reaches_the_box(built)


def test_a_guesser_may_be_kept_from_all_of_its_victim_at_once(
    built: Lab, logins: Logins, tmp_path: Path
) -> None:
    with agent(built, tmp_path, '[policy.first_cuts]\nBruteForce = ["pair"]'):
        with logins.guessed_at(LOGIN) as guesser:
            until(logins.isolation)
            assert logins.part() == Part(kind="pair", peer_mac=built.victim.mac)
            logins.assert_it_is_over(LOGIN, guesser)
        assert not logins.answers(OTHER_LOGIN)
        assert reaches_the_box(built)
