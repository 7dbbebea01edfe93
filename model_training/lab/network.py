"""A small switched network out of Linux namespaces: one bridge, a veth pair per node, real stacks."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from model_training.lab.errors import LabError

NAMESPACE_DIR = Path("/run/netns")
BRIDGE = "br0"
SOURCE_ROOT = Path(__file__).resolve().parents[2]

APT_PACKAGES = {
    "arpspoof": "dsniff",
    "busybox": "busybox",
    "chronyd": "chrony",
    "dnsmasq": "dnsmasq-base",
    "dnsspoof": "dsniff",
    "ettercap": "ettercap-text-only",
    "hping3": "hping3",
    "hydra": "hydra",
    "ip": "iproute2",
    "lighttpd": "lighttpd",
    "masscan": "masscan",
    "medusa": "medusa",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "ncrack": "ncrack",
    "nft": "nftables",
    "nginx": "nginx-light",
    "nmap": "nmap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "slowhttptest": "slowhttptest",
    "tcpdump": "tcpdump",
    "tcpreplay": "tcpreplay",
    "zmap": "zmap",
}


class Node(msgspec.Struct, frozen=True):
    """A machine of the lab: a namespace with one interface, `eth0`, on the bridge."""

    name: str
    namespace: str
    mac: str
    ip: str


def check_ready(tools: Sequence[str] = tuple(APT_PACKAGES)) -> None:
    """Refuse to start where the lab cannot work.

    Raises:
        LabError: Not root, or a tool is missing; names the Debian package that has it.
    """
    if os.geteuid() != 0:
        message = "the lab needs root: it makes network namespaces (try sudo)"
        raise LabError(message)
    missing = sorted(tool for tool in tools if shutil.which(tool) is None)
    if missing:
        packages = " ".join(sorted({APT_PACKAGES[tool] for tool in missing}))
        message = f"missing {', '.join(missing)}: apt-get install {packages}"
        raise LabError(message)


def run(argv: Sequence[str], *, text: str = "", timeout_s: float = 30.0) -> str:
    """Run a command of the lab itself and return what it printed.

    Raises:
        LabError: It failed; the message holds its last words.
    """
    done = subprocess.run(  # noqa: S603  (argument lists of our own making)
        list(argv),
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=_environment(),
    )
    if done.returncode != 0:
        message = f"{argv[0]} failed: {(done.stderr or done.stdout).strip()[-400:]}"
        raise LabError(message)
    return done.stdout


def _environment() -> dict[str, str]:
    """Let the lab's own programs find their modules, whatever the working directory."""
    return os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}


class Network:
    """The namespaces of one lab; leaving the context ends its programs and removes them all."""

    def __init__(self, subnet: str) -> None:
        """`subnet` is the first three octets of a /24, such as "192.168.50"."""
        self.subnet = subnet
        self.prefix = f"ewlab-{os.getpid()}-{secrets.token_hex(2)}"
        self.switch = f"{self.prefix}-switch"
        self.work_dir = Path()
        self._cleanup = contextlib.ExitStack()
        self._programs: list[subprocess.Popen[bytes]] = []
        self._ports = 0

    def __enter__(self) -> Self:
        """Make the switch: a namespace that holds the bridge and nothing else."""
        with contextlib.ExitStack() as cleanup:
            work_dir = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ewlab-"))
            self.work_dir = Path(work_dir)
            self.work_dir.chmod(0o755)  # mosquitto and dnsmasq give up root and still read here
            cleanup.callback(self._remove_namespaces)
            cleanup.callback(self.stop_all)
            self._add_namespace(self.switch)
            for scope in ("all", "default"):
                self.sysctl(self.switch, f"net.ipv6.conf.{scope}.disable_ipv6", 1)
            self.ip(
                self.switch, f"link add {BRIDGE} type bridge stp_state 0", f"link set {BRIDGE} up"
            )
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave nothing behind."""
        self._cleanup.close()

    def add_nodes(self, wanted: Sequence[tuple[str, str, str]]) -> dict[str, Node]:
        """Plug nodes into the switch; `wanted` holds (name, mac, host octet or empty)."""
        nodes = {
            name: Node(name, f"{self.prefix}-{name}", mac, f"{self.subnet}.{octet}")
            for name, mac, octet in wanted
        }
        ports = {name: f"p{self._ports + index}" for index, name in enumerate(nodes)}
        self._ports += len(ports)
        self.ip(
            self.switch,
            *(
                f"link add {port} type veth peer name {port}n address {nodes[name].mac}"
                for name, port in ports.items()
            ),
            *(f"link set {port} master {BRIDGE} up" for port in ports.values()),
        )
        self._plain_frames([*ports.values(), *(f"{port}n" for port in ports.values())])
        for name, port in ports.items():
            self._plug(nodes[name], port)
        return nodes

    def _plug(self, node: Node, port: str) -> None:
        self._add_namespace(node.namespace)
        self.ip(self.switch, f"link set {port}n netns {node.namespace} name eth0")
        self.ip(
            node.namespace, "link set lo up", "link set eth0 up", f"addr add {node.ip}/24 dev eth0"
        )

    def _plain_frames(self, interfaces: Sequence[str]) -> None:
        """Switch offloads off, so that frames are captured as a wire would carry them."""
        argv = [sys.executable, "-m", "model_training.lab.offload", *interfaces]
        self.call(self.switch, argv)

    def add_namespace(self, name: str) -> str:
        """Make a namespace that is not on the switch and return its full name."""
        full_name = f"{self.prefix}-{name}"
        self._add_namespace(full_name)
        self.ip(full_name, "link set lo up")
        return full_name

    def _add_namespace(self, name: str) -> None:
        run(["ip", "netns", "add", name])
        self.sysctl(name, "net.ipv4.conf.all.rp_filter", 0)
        self.sysctl(name, "net.ipv4.conf.default.rp_filter", 0)

    def _remove_namespaces(self) -> None:
        for path in NAMESPACE_DIR.glob(f"{self.prefix}-*"):
            for pid in run(["ip", "netns", "pids", path.name]).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run(["ip", "netns", "del", path.name])

    def ip(self, namespace: str, *lines: str) -> None:
        """Run `ip` lines in a namespace, all or error."""
        run(["ip", "-n", namespace, "-batch", "-"], text="\n".join(lines) + "\n")

    def lose(self, share: float) -> None:
        """Let the switch lose a share of all frames from now on, after the capture has seen them."""
        drop = f"numgen random mod 10000 < {round(share * 10_000)} drop"
        chain = "chain lossy { type filter hook forward priority 0;\n" + drop + "\n}"
        self.call(self.switch, ["nft", "-f", "-"], text=f"table bridge lossy {{\n{chain}\n}}\n")

    def sysctl(self, namespace: str, key: str, value: int) -> None:
        """Set one kernel switch of a namespace."""
        self.call(namespace, ["sysctl", "-q", "-w", f"{key}={value}"])

    def call(
        self, namespace: str, argv: Sequence[str], *, text: str = "", timeout_s: float = 60.0
    ) -> str:
        """Run a program in a namespace to its end and return what it printed."""
        return run(self._inside(namespace, argv), text=text, timeout_s=timeout_s)

    def start(
        self, namespace: str, argv: Sequence[str], *, log_name: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start a program in a namespace; it dies with this process at the latest."""
        log_path = self.work_dir / f"{log_name or 'programs'}.log"
        with log_path.open("ab") as log:
            program = subprocess.Popen(  # noqa: S603  (argument lists of our own making)
                self._inside(namespace, argv),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.work_dir,
                env=_environment(),
            )
        self._programs.append(program)
        return program

    @staticmethod
    def _inside(namespace: str, argv: Sequence[str]) -> list[str]:
        enter = ["nsenter", f"--net={NAMESPACE_DIR / namespace}"]
        return [*enter, "setpriv", "--pdeathsig", "KILL", "--", *argv]

    def stop(self, program: subprocess.Popen[bytes], *, how: int = signal.SIGTERM) -> None:
        """End a program and its children, gently first."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, how)
        try:
            program.wait(timeout=12)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(timeout=5)
        if program.stdin:
            with contextlib.suppress(BrokenPipeError):
                program.stdin.close()
        if program in self._programs:
            self._programs.remove(program)

    def stop_all(self) -> None:
        """End every program that this network started."""
        for program in reversed(list(self._programs)):
            self.stop(program, how=signal.SIGKILL)

    @contextlib.contextmanager
    def running(
        self, namespace: str, argv: Sequence[str], *, log_name: str = ""
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a program running inside the block."""
        program = self.start(namespace, argv, log_name=log_name)
        try:
            yield program
        finally:
            self.stop(program)
