"""A household that is up and running in namespaces, with a tiny internet behind its router."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from model_training.lab.errors import LabError
from model_training.lab.frames import Frame, parse, read_pcap
from model_training.lab.household import FAR, INTERNET, NAMES, TIME, Household
from model_training.lab.network import BRIDGE, Network, Node
from model_training.lab.services import jpeg

PYTHON = sys.executable
CONTROL_PORTS = (23, 6667, 8886, 48_101)
SETTLE_S = 2.5  # until programs listen and duplicate address detection is over


class Stage:
    """What a scene works with: nodes by name, orders to devices, time since the capture began."""

    def __init__(self, network: Network, household: Household, nodes: dict[str, Node]) -> None:
        self.network = network
        self.household = household
        self.nodes = nodes
        self.rng = Random(f"{household.name}/{household.seed}/stage")  # noqa: S311
        self.pcap_path = network.work_dir / "scene.pcap"
        self.began_ns = 0
        self._devices: dict[str, subprocess.Popen[bytes]] = {}
        self._ordered = 0

    def order(self, name: str, do: str, /, **options: Any) -> None:  # noqa: ANN401  (passed on as JSON)
        """Tell a device to do one more thing."""
        self._ordered += 1
        seed = f"{self.household.seed}/{name}/{do}/{self._ordered}"
        line = json.dumps({"do": do, "seed": seed, "options": options}) + "\n"
        pipe = self._devices[name].stdin
        if pipe is None or self._devices[name].poll() is not None:
            message = f"the program of {name} has ended: {self._log(name)}"
            raise LabError(message)
        pipe.write(line.encode())
        pipe.flush()

    def boot(self, name: str) -> None:
        """Let a device come up as after a power cut."""
        options = {"script": str(self.network.work_dir / "udhcpc.sh"), "ip": self.nodes[name].ip}
        self.order(name, "boot", name=name, router=self.nodes["router"].ip, **options)

    def run(
        self, name: str, argv: Sequence[str], *, text: str = "", timeout_s: float = 90.0
    ) -> str:
        """Run a tool on a node to its end."""
        node = self.nodes[name]
        return self.network.call(node.namespace, argv, text=text, timeout_s=timeout_s)

    def run_for(
        self, name: str, argv: Sequence[str], seconds: float, *, how: int = signal.SIGINT
    ) -> None:
        """Run a tool on a node and end it after `seconds`."""
        program = self.network.start(self.nodes[name].namespace, argv, log_name=f"tool-{name}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(timeout=seconds)
        self.network.stop(program, how=how)

    def seen(self) -> list[Frame]:
        """Return what the capture holds so far, as a sniffer on the network would."""
        return [parse(time_ns, raw) for time_ns, raw in read_pcap(self.pcap_path)]

    def wait_until(self, second: float) -> None:
        """Sleep until `second` of the capture."""
        time.sleep(max(0.0, second - (time.time_ns() - self.began_ns) / 1e9))

    def start_devices(self) -> None:
        """Start every device's program and give it its tasks."""
        for device in self.household.devices:
            namespace = self.nodes[device.name].namespace
            argv = [PYTHON, "-m", "model_training.lab.device"]
            self._devices[device.name] = self.network.start(namespace, argv, log_name=device.name)
        servers_first = sorted(
            ((device.name, task) for device in self.household.devices for task in device.tasks),
            key=lambda pair: "period_s" in pair[1].options,
        )
        for name, task in servers_first:
            self.order(name, task.do, **task.options)

    def check_devices(self) -> None:
        """Refuse a recording in which a device had died.

        Raises:
            LabError: Names the device and its last words.
        """
        for name, program in self._devices.items():
            if program.poll() is not None:
                message = f"the program of {name} died during the scene: {self._log(name)}"
                raise LabError(message)

    def _log(self, name: str) -> str:
        path = self.network.work_dir / f"{name}.log"
        return path.read_text(errors="replace")[-600:] if path.exists() else ""


@contextlib.contextmanager
def on_stage(household: Household) -> Iterator[Stage]:
    """Bring a household up, and take everything down again afterwards."""
    with Network(household.subnet) as network:
        nodes = network.add_nodes([(d.name, d.mac, d.octet) for d in household.devices])
        stage = Stage(network, household, nodes)
        _connect_internet(stage)
        _start_infrastructure(stage)
        stage.start_devices()
        time.sleep(SETTLE_S)
        yield stage


def _connect_internet(stage: Stage) -> None:
    network, router = stage.network, stage.nodes["router"]
    internet = network.add_namespace("internet")
    network.ip(router.namespace, f"link add wan0 type veth peer name wan0 netns {internet}")
    network.ip(
        router.namespace, "link set wan0 up", "addr add 100.64.7.2/30 dev wan0",
        "route add default via 100.64.7.1",
    )  # fmt: skip
    network.ip(
        internet, "link set wan0 up", "addr add 100.64.7.1/30 dev wan0",
        *(f"addr add {ip}/32 dev lo" for ip in INTERNET),
        f"route add local {FAR} dev lo",
        "route add default via 100.64.7.2",
    )  # fmt: skip
    network.sysctl(router.namespace, "net.ipv4.ip_forward", 1)
    network.sysctl(router.namespace, "net.ipv4.conf.all.send_redirects", 0)
    nat = "add table ip nat\nadd chain ip nat out { type nat hook postrouting priority 100; }\n"
    nat += 'add rule ip nat out oifname "wan0" masquerade\n'
    network.call(router.namespace, ["nft", "-f", "-"], text=nat)
    for node in stage.nodes.values():
        if node.name != "router":
            network.ip(node.namespace, f"route add default via {router.ip}")
    program = network.start(
        internet, [PYTHON, "-m", "model_training.lab.device"], log_name="internet"
    )
    services: list[tuple[str, dict[str, Any]]] = [("web", {})]
    if shutil.which("chronyd"):
        network.start(internet, _chronyd(network.work_dir), log_name="chronyd")
    else:  # where its package would take the place of the machine's own
        services.append(("sntp", {"address": TIME}))
    services += [("control", {"port": port}) for port in CONTROL_PORTS]
    for do, options in services:
        line = json.dumps({"do": do, "seed": f"internet/{do}", "options": options}) + "\n"
        if program.stdin:
            program.stdin.write(line.encode())
            program.stdin.flush()


def _start_infrastructure(stage: Stage) -> None:
    network, nodes, work_dir = stage.network, stage.nodes, stage.network.work_dir
    _write_udhcpc_script(work_dir / "udhcpc.sh")
    (work_dir / "mosquitto.conf").write_text(
        f"listener 1883 {nodes['hub'].ip}\nallow_anonymous true\npersistence false\n"
        "log_type none\nuser root\n"
    )
    broker = ["mosquitto", "-c", str(work_dir / "mosquitto.conf")]
    network.start(nodes["hub"].namespace, broker, log_name="mosquitto")
    network.start(nodes["router"].namespace, _dnsmasq(stage), log_name="dnsmasq")
    host = nodes[stage.household.web_server_on]
    _write_pages(stage, work_dir / "www")
    web_server = {"lighttpd": _lighttpd, "nginx": _nginx}[stage.household.web_server]
    network.start(host.namespace, web_server(work_dir), log_name=stage.household.web_server)


def _dnsmasq(stage: Stage) -> list[str]:
    subnet, router = stage.network.subnet, stage.nodes["router"]
    argv = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
        "--local=/example/",
    ]
    argv += [
        "--user=root",
        "--pid-file=",
        "--interface=eth0",
        "--bind-interfaces",
        "--domain=home.arpa",
    ]
    argv += [f"--dhcp-range={subnet}.2,{subnet}.253,255.255.255.0,12h"]
    argv += [f"--dhcp-leasefile={stage.network.work_dir}/leases", f"--dhcp-option=42,{router.ip}"]
    argv += [f"--dhcp-host={node.mac},{node.ip}" for node in stage.nodes.values()]
    return argv + [
        f"--host-record={name},{ip}" for name, ip in (NAMES | {"ntp.example": TIME}).items()
    ]


def _chronyd(work_dir: Path) -> list[str]:
    """Tell the time to whoever asks, and leave the machine's own clock alone."""
    conf = work_dir / "chrony.conf"
    files = f"pidfile {work_dir}/chrony.pid\ndriftfile {work_dir}/chrony.drift\n"
    conf.write_text(f"local stratum 2\nallow all\nbindaddress {TIME}\ncmdport 0\n{files}")
    return ["chronyd", "-x", "-d", "-u", "root", "-f", str(conf)]


def _write_pages(stage: Stage, root: Path) -> None:
    root.mkdir()
    rng = Random(f"{stage.household.seed}/www")  # noqa: S311
    (root / "snapshot.jpg").write_bytes(jpeg(rng, stage.household.snapshot_bytes))
    (root / "index.html").write_text("<html><body>" + "all is well. " * 80 + "</body></html>")


def _nginx(work_dir: Path) -> list[str]:
    logs = f"access_log off; client_body_temp_path {work_dir}/nginx-body;"
    places = " ".join(
        f"{name}_temp_path {work_dir}/nginx-{name};" for name in ("proxy", "fastcgi")
    )
    server = f"server {{ listen 80; root {work_dir}/www; index index.html; }}"
    (work_dir / "nginx.conf").write_text(
        f"user root; daemon off; pid {work_dir}/nginx.pid; error_log stderr;\n"
        "events { worker_connections 512; }\n"
        f"http {{ {logs} {places} types {{ image/jpeg jpg; text/html html; }} {server} }}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(work_dir), "-c", str(work_dir / "nginx.conf")]


def _lighttpd(work_dir: Path) -> list[str]:
    root = work_dir / "www"
    (work_dir / "lighttpd.conf").write_text(
        f'server.document-root = "{root}"\nserver.port = 80\nserver.max-connections = 256\n'
        'index-file.names = ("index.html")\nmimetype.assign = (".jpg" => "image/jpeg")\n'
        'server.modules = ("mod_indexfile")\nserver.max-fds = 1024\n'
    )
    return ["lighttpd", "-D", "-f", str(work_dir / "lighttpd.conf")]


def _write_udhcpc_script(path: Path) -> None:
    path.write_text(
        "#!/bin/sh\n"
        '[ "$1" = bound ] || [ "$1" = renew ] || exit 0\n'
        'ip addr replace "$ip/${mask:-24}" dev "$interface"\n'
        '[ -n "$router" ] && ip route replace default via "${router%% *}"\n'
        "exit 0\n"
    )
    path.chmod(0o755)


def capture_command(stage: Stage) -> list[str]:
    """Return the tcpdump call that writes every frame of the bridge, whole, as it happens."""
    argv = ["tcpdump", "-i", BRIDGE, "-s", "0", "-U", "-n", "-Z", "root"]
    return [*argv, "-B", "16384", "-w", str(stage.pcap_path)]
