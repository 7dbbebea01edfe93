"""Frames put together byte by byte, and the claims to judge them by."""

import socket
import struct
from typing import Any

from model_training.lab.frames import ICMP, TCP, UDP, Frame, parse

ATTACKER, VICTIM, ROUTER = "aa:00:00:00:00:66", "aa:00:00:00:00:10", "aa:00:00:00:00:01"
ATTACKER_IP, VICTIM_IP, ROUTER_IP, WORLD_IP = "10.0.0.66", "10.0.0.10", "10.0.0.1", "203.0.113.9"
EVERYONE = "ff:ff:ff:ff:ff:ff"
SECOND = 1_000_000_000


def about(attack_class: str, **more: Any) -> dict[str, Any]:
    """The facts of a run of the attacker against the victim, from second 10 to 20."""
    facts = {"attack_class": attack_class, "sub": "it", "tool": "tool", "victims": (VICTIM_IP,)}
    facts |= {"attacker": ATTACKER, "attacker_ip": ATTACKER_IP}
    return facts | {"start_ns": 10 * SECOND, "end_ns": 20 * SECOND} | more


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def arp(
    at_s: float, ends: tuple[str, str], opcode: int, says: tuple[str, str], asks: str
) -> Frame:
    (src, dst), (sender_mac, sender_ip) = ends, says
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, opcode) + mac(sender_mac)
    body += socket.inet_aton(sender_ip) + mac(dst) + socket.inet_aton(asks)
    return parse(int(at_s * SECOND), mac(dst) + mac(src) + b"\x08\x06" + body)


def ip_packet(protocol: int, src: str, dst: str, body: bytes) -> bytes:
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + ends + body


def tcp(
    at_s: float,
    src: tuple[str, str, int],
    dst: tuple[str, str, int],
    *,
    flags: int = 0x02,
    payload: bytes = b"",
) -> Frame:
    head = struct.pack(">HHIIBBHHH", src[2], dst[2], 1, 0, 0x50, flags, 1024, 0, 0)
    return _frame(at_s, src, dst, TCP, head + payload)


def udp(
    at_s: float, src: tuple[str, str, int], dst: tuple[str, str, int], payload: bytes
) -> Frame:
    head = struct.pack(">HHHH", src[2], dst[2], 8 + len(payload), 0)
    return _frame(at_s, src, dst, UDP, head + payload)


def icmp(at_s: float, src: tuple[str, str], dst: tuple[str, str], kind: int, body: bytes) -> Frame:
    head = struct.pack(">BBHI", kind, 3, 0, 0)
    return _frame(at_s, (*src, 0), (*dst, 0), ICMP, head + body)


def _frame(
    at_s: float, src: tuple[str, str, int], dst: tuple[str, str, int], protocol: int, body: bytes
) -> Frame:
    packet = ip_packet(protocol, src[1], dst[1], body)
    return parse(int(at_s * SECOND), mac(dst[0]) + mac(src[0]) + b"\x08\x00" + packet)


def attacker(port: int = 40_000, ip: str = ATTACKER_IP) -> tuple[str, str, int]:
    return (ATTACKER, ip, port)


def victim(port: int = 80) -> tuple[str, str, int]:
    return (VICTIM, VICTIM_IP, port)
