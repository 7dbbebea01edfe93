"""Which frames belong to an attack: rules over addresses, flows and contents, never time alone."""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from model_training.lab.frames import TCP, UDP, Arp, Frame, Tuple5, both_ways

AttackClass = Literal["DOS", "Botnet", "Replay", "MITM", "Scan", "BruteForce"]
BENIGN = "benign"
IDLE_NS = 30_000_000_000  # a five-tuple silent for longer is another flow
_ECHO_REPLY, _ECHO_REQUEST, _REDIRECT = 0, 8, 5
_ARP_REQUEST, _ARP_REPLY = 1, 2
_DHCP_SERVER, _TRANSACTION = 67, slice(4, 8)


class Label(msgspec.Struct, frozen=True):
    """The class of a frame and what exactly it is."""

    attack_class: str = BENIGN
    sub: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True, tag_field="rule"):
    """What one run of an attack tool is known to have done, and when."""

    attack_class: AttackClass
    sub: str
    tool: str
    attacker: str  # MAC
    attacker_ip: str
    victims: tuple[str, ...]  # IPs
    start_ns: int
    end_ns: int

    def label(self, frame: Frame) -> Label:
        """Tell the attacker's own frames from the answers to them."""
        mine = frame.src_mac == self.attacker
        return Label(self.attack_class, self.sub if mine else f"{self.sub}_response")


class Flows(Claim, frozen=True, kw_only=True):
    """Flows that the attacker began within the span, to these peers and ports (empty: any)."""

    protocol: int
    peers: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    local_ports: tuple[int, ...] = ()
    contents: bytes = b""  # some frame of the attacker in the flow must hold this
    spared: tuple[
        tuple[str, int], ...
    ] = ()  # endpoints it also uses honestly: only flows without data


class SpoofedFlood(Claim, frozen=True, kw_only=True):
    """Packets from the attacker's MAC under foreign addresses to these victims."""

    protocol: int


class ArpSweep(Claim, frozen=True, kw_only=True):
    """Broadcast ARP requests of the attacker within the span, but for hosts it speaks to honestly."""

    spared: tuple[str, ...] = ()


class Interception(Claim, frozen=True, kw_only=True):
    """ARP poisoning and the traffic it leads through the attacker."""

    own_ips: tuple[str, ...]


class DhcpClaims(Claim, frozen=True, kw_only=True):
    """DHCP that the attacker speaks from this port within the span: 67 as a server, 68 as many clients."""

    port: int


class Echo(Claim, frozen=True, kw_only=True):
    """Frames of a recording put on the wire again, byte for byte."""

    digests: frozenset[bytes]
    flows: frozenset[Tuple5]


def digest(raw: bytes) -> bytes:
    """Return a short fingerprint of a whole frame."""
    return hashlib.blake2b(raw, digest_size=12).digest()


def label_frames(frames: Sequence[Frame], claims: Sequence[Claim]) -> list[Label]:
    """Label every frame; where claims overlap, the first one wins."""
    labels = [Label()] * len(frames)
    flows = _split_flows(frames)
    for claim in claims:
        for index, label in _judge(frames, flows, claim).items():
            if labels[index].attack_class == BENIGN:
                labels[index] = label
    return labels


def _judge(frames: Sequence[Frame], flows: list[list[int]], claim: Claim) -> dict[int, Label]:
    match claim:
        case Flows():
            return _flows(frames, flows, claim)
        case SpoofedFlood():
            return _spoofed(frames, claim)
        case ArpSweep():
            return {i: claim.label(f) for i, f in enumerate(frames) if _is_sweep(f, claim)}
        case Interception():
            return _intercepted(frames, claim)
        case DhcpClaims():
            return _dhcp(frames, claim)
        case Echo():
            return _echoed(frames, claim)
        case _:
            message = f"no rule for {type(claim).__name__}"
            raise TypeError(message)


def _split_flows(frames: Sequence[Frame]) -> list[list[int]]:
    """Return the frame indexes of each flow, in order of their first frame."""
    flows: list[list[int]] = []
    current: dict[Tuple5, list[int]] = {}
    for index, frame in enumerate(frames):
        if frame.protocol not in {TCP, UDP} and frame.icmp_type not in {
            _ECHO_REPLY,
            _ECHO_REQUEST,
        }:
            continue
        members = current.get(frame.flow)
        if members is None or frame.time_ns - frames[members[-1]].time_ns > IDLE_NS:
            members = current[frame.flow] = []
            flows.append(members)
        members.append(index)
    return flows


def _flows(frames: Sequence[Frame], flows: list[list[int]], claim: Flows) -> dict[int, Label]:
    found: dict[int, Label] = {}
    keys: set[Tuple5] = set()
    for members in flows:
        if _is_claimed([frames[index] for index in members], claim):
            found |= {index: claim.label(frames[index]) for index in members}
            keys.add(frames[members[0]].tuple5)
    for index, frame in enumerate(frames):  # ICMP errors about claimed flows
        if frame.quoted in keys and frame.time_ns >= claim.start_ns:
            found[index] = claim.label(frame)
    return found


def _is_claimed(flow: list[Frame], claim: Flows) -> bool:
    first = flow[0]
    mine = [frame for frame in flow if frame.src_mac == claim.attacker]
    if first.src_mac != claim.attacker or first.src_ip != claim.attacker_ip:
        return False
    return (
        claim.start_ns <= first.time_ns <= claim.end_ns
        and first.protocol == claim.protocol
        and (not claim.peers or first.dst_ip in claim.peers)
        and (not claim.ports or first.dst_port in claim.ports)
        and (not claim.local_ports or first.src_port in claim.local_ports)
        and any(claim.contents in frame.payload for frame in mine)
        and (
            (first.dst_ip, first.dst_port) not in claim.spared or not any(f.payload for f in mine)
        )
    )


def _spoofed(frames: Sequence[Frame], claim: SpoofedFlood) -> dict[int, Label]:
    found: dict[int, Label] = {}
    answers: set[Tuple5] = set()
    for index, frame in enumerate(frames):
        if not claim.start_ns <= frame.time_ns <= claim.end_ns + IDLE_NS:
            continue
        protocol, src_ip, src_port, dst_ip, dst_port = frame.tuple5
        foreign = frame.src_mac == claim.attacker and src_ip != claim.attacker_ip
        if foreign and protocol == claim.protocol and dst_ip in claim.victims:
            found[index] = claim.label(frame)
            answers.add((protocol, dst_ip, dst_port, src_ip, src_port))
        elif answers & {frame.tuple5, _reversed(frame.tuple5)} or (
            frame.quoted and answers & {frame.quoted, _reversed(frame.quoted)}
        ):
            found[index] = Label(claim.attack_class, "flood_backscatter_response")
    return found


def _reversed(seen: Tuple5) -> Tuple5:
    protocol, src_ip, src_port, dst_ip, dst_port = seen
    return (protocol, dst_ip, dst_port, src_ip, src_port)


def _is_sweep(frame: Frame, claim: ArpSweep) -> bool:
    return (
        frame.arp is not None
        and frame.arp.opcode == _ARP_REQUEST
        and frame.arp.target_ip not in claim.spared
        and frame.src_mac == claim.attacker
        and frame.dst_mac == "ff:ff:ff:ff:ff:ff"
        and claim.start_ns <= frame.time_ns <= claim.end_ns
    )


def _intercepted(frames: Sequence[Frame], claim: Interception) -> dict[int, Label]:
    found = {}
    for index, frame in enumerate(frames):
        if sub := _interception(frame, claim):
            found[index] = Label(claim.attack_class, sub)
    return found


def _interception(frame: Frame, claim: Interception) -> str:
    """Name the part that a frame plays in the interception, empty for none."""
    sent, honest = frame.src_mac == claim.attacker, {*claim.own_ips, "0.0.0.0"}  # noqa: S104
    if frame.arp:
        return _forgery(frame, frame.arp, claim, honest)
    if frame.protocol == 0:
        return ""
    if sent and frame.icmp_type == _REDIRECT:
        return "icmp_redirect_from_attacker"
    if sent and frame.src_ip not in honest:
        return "relayed_by_attacker"
    if frame.dst_mac == claim.attacker and frame.dst_ip not in claim.own_ips:
        return "intercepted_to_attacker"
    return ""


def _forgery(frame: Frame, arp: Arp, claim: Interception, honest: set[str]) -> str:
    if (
        frame.dst_mac == claim.attacker
        and arp.opcode == _ARP_REPLY
        and arp.target_ip not in honest
    ):
        return "forged_arp_request_response"
    if frame.src_mac != claim.attacker or arp.sender_ip in honest:
        return ""
    if arp.sender_mac != claim.attacker:  # arpspoof tells the truth for some seconds when it ends
        return "arp_repair_by_attacker"
    return "forged_arp_reply" if arp.opcode == _ARP_REPLY else "forged_arp_request"


def _dhcp(frames: Sequence[Frame], claim: DhcpClaims) -> dict[int, Label]:
    found: dict[int, Label] = {}
    asked: set[bytes] = set()
    for index, frame in enumerate(frames):
        if frame.protocol != UDP or not claim.start_ns <= frame.time_ns <= claim.end_ns:
            continue
        if frame.src_mac == claim.attacker and frame.src_port == claim.port:
            found[index] = claim.label(frame)
            asked.add(frame.payload[_TRANSACTION])
        elif frame.src_port == _DHCP_SERVER != claim.port and frame.payload[_TRANSACTION] in asked:
            found[index] = claim.label(frame)
    return found


def _echoed(frames: Sequence[Frame], claim: Echo) -> dict[int, Label]:
    found: dict[int, Label] = {}
    for index, frame in enumerate(frames):
        if not claim.start_ns <= frame.time_ns <= claim.end_ns + IDLE_NS:
            continue
        if digest(frame.raw) in claim.digests:
            found[index] = Label(claim.attack_class, claim.sub)
        elif frame.flow in claim.flows or (
            frame.quoted and both_ways(frame.quoted) in claim.flows
        ):
            found[index] = Label(claim.attack_class, f"{claim.sub}_response")
    return found


def write_labels(path: Path, labels: Sequence[Label]) -> None:
    """Write `frame,class,sub`, one row per frame, counted from 1."""
    with path.open("w", newline="", encoding="ascii") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("frame", "class", "sub"))
        rows.writerows((n, x.attack_class, x.sub) for n, x in enumerate(labels, start=1))


def count_classes(labels: Sequence[Label]) -> dict[str, int]:
    """Return how many frames each class has."""
    return dict(Counter(label.attack_class for label in labels))
