"""What scapy says of a frame, in the words of PacketBatch."""

import ipaddress
from collections.abc import Iterator

from scapy.layers.dhcp import BOOTP
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    IPv6,
    IPv6ExtHdrFragment,
    _ICMPv6,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Dot3
from scapy.layers.vrrp import VRRP
from scapy.packet import NoPayload, Packet, Padding

from agent.records import NO_VLAN
from tests.agent.slow_decode import COLUMNS

Fields = dict[str, int]


def halves(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    number = int(parsed) | (0xFFFF_0000_0000 if parsed.version == 4 else 0)
    return number >> 64, number & (2**64 - 1)


def by_scapy(packet: Packet) -> Fields:
    """Return every column of PacketBatch but time and digest; the frame must be whole."""
    found = dict.fromkeys(COLUMNS, 0) | {"vlan_id": NO_VLAN, "wire_bytes": len(bytes(packet))}
    found["src_mac"], found["dst_mac"] = number(packet.src), number(packet.dst)
    tags = [layer for layer in layers(packet) if isinstance(layer, Dot1Q | Dot1AD)]
    last = (tags or [packet])[-1]
    found["ethertype"] = last.len if isinstance(last, Dot3) else last.type
    if tags:
        found["vlan_id"] = tags[0].vlan
    if ARP in packet:
        return found | arp_by_scapy(packet[ARP])
    if IP in packet:
        found |= ipv4_by_scapy(packet[IP])
    if IPv6 in packet:
        found |= ipv6_by_scapy(packet[IPv6])
    transport = transport_by_scapy(packet)
    if Padding in packet and "payload_bytes" in transport:
        transport["payload_bytes"] -= len(packet[Padding].load)
    if IP in packet and "payload_bytes" in transport:  # of an error, padding may be what it quotes
        header = 4 * packet[TCP].dataofs if TCP in packet else 8 if UDP in packet else 4
        transport["payload_bytes"] = packet[IP].len - 4 * packet[IP].ihl - header
    return found | transport


def layers(packet: Packet) -> Iterator[Packet]:
    while not isinstance(packet, NoPayload):
        yield packet
        packet = packet.payload


def number(mac: str) -> int:
    return int(mac.replace(":", ""), 16)


def arp_by_scapy(arp: Packet) -> Fields:
    return {
        "arp_operation": arp.op,
        "claim_mac": number(arp.hwsrc),
        "claim_ip_low": halves(arp.psrc)[1],
        "asked_ip_low": halves(arp.pdst)[1],
    }


def ipv4_by_scapy(ip: Packet) -> Fields:
    fragment = 2 if ip.frag else int("MF" in ip.flags)
    found = {"ip_version": 4, "hop_limit": ip.ttl, "protocol": ip.proto, "fragment": fragment}
    found |= {"src_ip_low": halves(ip.src)[1], "dst_ip_low": halves(ip.dst)[1]}
    found["ip_identification"] = ip.id
    if ip.frag:
        found["payload_bytes"] = ip.len - 4 * ip.ihl
    return found


def ipv6_by_scapy(ip: Packet) -> Fields:
    found = {"ip_version": 6, "hop_limit": ip.hlim, "protocol": ip.nh}
    found["src_ip_high"], found["src_ip_low"] = halves(ip.src)
    found["dst_ip_high"], found["dst_ip_low"] = halves(ip.dst)
    for layer in layers(ip.payload):
        if not hasattr(layer, "nh"):
            break
        found["protocol"] = layer.nh
        if isinstance(layer, IPv6ExtHdrFragment):
            found["fragment"] = 2 if layer.offset else layer.m
            if layer.offset:
                found["payload_bytes"] = len(bytes(layer.payload))
                break
    return found


def transport_by_scapy(packet: Packet) -> Fields:
    if TCP in packet:
        tcp = packet[TCP]
        return {
            "src_port": tcp.sport,
            "dst_port": tcp.dport,
            "tcp_flags": int(tcp.flags) & 255,
            "tcp_sequence": tcp.seq,
            "payload_bytes": len(tcp.payload),
        }
    if UDP in packet:
        return udp_by_scapy(packet[UDP]) | answer_by_scapy(packet)
    if VRRP in packet:
        return {"dst_port": packet[VRRP].priority}
    for layer in layers(packet):
        if isinstance(layer, ICMP | _ICMPv6):
            message = bytes(layer)
            found = {"icmp_type": message[0], "icmp_code": message[1]}
            found["payload_bytes"] = len(message) - 4
            return found | neighbour_by_scapy(packet, layer)
    return {}


def udp_by_scapy(udp: Packet) -> Fields:
    found = {"src_port": udp.sport, "dst_port": udp.dport, "payload_bytes": len(udp.payload)}
    if DNS in udp:
        flags = int.from_bytes(bytes(udp[DNS])[2:4], "big")
        found |= {"dns_id": udp[DNS].id, "dns_flags": flags}
    if BOOTP in udp:
        client = int.from_bytes(udp[BOOTP].chaddr[:6], "big")
        found |= {"dhcp_operation": udp[BOOTP].op, "dhcp_client": client}
    return found


def answer_by_scapy(packet: Packet) -> Fields:
    """Return where a DNS answer starts; nothing may stand behind it."""
    if DNS not in packet or packet[UDP].sport != 53:
        return {}
    dns = packet[DNS]
    tells = dns.qr == 1 and dns.rcode == 0 and (dns.ancount or dns.tc)
    return {"dns_at": len(bytes(packet)) - len(bytes(dns))} if tells else {}


def neighbour_by_scapy(packet: Packet, layer: Packet) -> Fields:
    if isinstance(layer, ICMPv6ND_NA):
        high, low = halves(layer.tgt)
        return {"claim_ip_high": high, "claim_ip_low": low, "claim_mac": number(packet.src)}
    if isinstance(layer, ICMPv6ND_RA):
        return {"router_lifetime": layer.routerlifetime} if packet[IPv6].hlim == 255 else {}
    if isinstance(layer, ICMPv6ND_NS):
        high, low = halves(layer.tgt)
        return {"asked_ip_high": high, "asked_ip_low": low}
    return {}
