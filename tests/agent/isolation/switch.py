"""The lab's bridge as a managed switch: a real snmpd in front of it, on a loopback port of ours."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from agent.config import SwitchConfig
from tests.agent.isolation.lab import Lab
from tests.tools import require

ACCOUNTS = """
rwcommunity write-word 127.0.0.1
rocommunity read-word 127.0.0.1
rwcommunity6 write-word ::1
createUser cutter SHA cutter-auth AES cutter-privacy
rwuser cutter priv
createUser modern SHA-512 modern-auth AES-256 modern-privacy
rwuser modern priv
createUser middling SHA-256 middling-auth AES middling-privacy
rwuser middling priv
createUser cisco SHA cisco-auth AES-256-C cisco-privacy
rwuser cisco priv
createUser reader SHA reader-auth AES reader-privacy
rouser reader priv
pass_persist .1.3.6.1.2.1.17 {python} {mib} br0 {kind}
"""


def _user(name: str, **more: str) -> str:
    words = {
        "version": "3",
        "user": name,
        "auth_password": f"{name}-auth",
        "privacy_password": f"{name}-privacy",
    }
    return "".join(f'{key} = "{value}"\n' for key, value in (words | more).items())


LOGINS = {
    "v2c": 'version = "2c"\ncommunity = "write-word"\n',
    "v3": _user("cutter"),
    "v3 by sha512 and aes256": _user("modern", auth="sha512", privacy="aes256"),
    "v3 by sha256": _user("middling", auth="sha256"),
    "v3 by sha and aes256": _user("cisco", privacy="aes256"),
    "v2c that may only read": 'version = "2c"\ncommunity = "read-word"\n',
    "v3 that may only read": _user("reader"),
    "v2c of a stranger": 'version = "2c"\ncommunity = "wrong-word"\n',
    "v3 with a wrong password": _user("cutter", auth_password="wrong-auth"),
}
_FIRST = 3  # the descriptor at which a service finds its first socket


class Switch(msgspec.Struct, frozen=True):
    """A switch that answers on a port of ours."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def config(self, login: str = "v2c", **changes) -> SwitchConfig:
        """Return settings for it, with credentials in a private file."""
        path = self.folder / f"{login.replace(' ', '-')}.toml"
        path.write_text(LOGINS[login])
        path.chmod(0o600)
        defaults = {"timeout_s": 0.5, "retries": 1, "host": self.host, "port": self.port}
        return SwitchConfig(credentials_file=path, **{**defaults, **changes})

    def pause(self) -> None:
        """Let it answer nobody."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def managed(
    built: Lab, folder: Path, kind: str = "dot1d", *, inside: bool = False, host: str = "127.0.0.1"
) -> Iterator[Switch]:
    """Run snmpd where the bridge is, for the length of the block.

    Its socket is one of ours, handed over as the service manager would: so it answers here, and
    changes what is there.

    Args:
        built: The bridge.
        folder: For its settings.
        kind: Which of the two tables it fills.
        inside: It answers where the bridge is instead.
        host: A loopback address: where it answers.
    """
    program = require("snmpd", package="snmpd")
    mib = Path(__file__).with_name("bridge_mib.py")
    settings = folder / "snmpd.conf"
    settings.write_text(ACCOUNTS.format(python=sys.executable, mib=mib, kind=kind))
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours:
        ours.bind((host, 0))
        port = ours.getsockname()[1]
        here = f"exec {_FIRST}<&{ours.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$;"
        script = (
            f"{'ip link set lo up;' if inside else here}"
            f" exec {program} -f -LE 0 -C -c {settings} -p {folder}/snmpd.pid"
            f" {f'udp6:[{host}]' if is_ipv6 else f'udp:{host}'}:{port}"
        )
        environment = {**os.environ, "SNMP_PERSISTENT_DIR": str(folder / "snmp"), "MIBS": ""}
        process = subprocess.Popen(
            [*built.box, "bash", "-c", script], pass_fds=[ours.fileno()], env=environment
        )
    try:
        yield Switch(host, port, process, folder)
    finally:
        process.kill()
        process.wait()
