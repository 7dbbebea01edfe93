"""Which packets are told as examples of what was seen: a few headers of judged hosts, never a stream."""

from typing import Final

import numpy as np

from agent.addresses import ip_text, mac_text
from agent.decode import ARP, ICMP, ICMPV6, TCP, UDP, decode
from agent.effects import Effect, Publish
from agent.evidence import Evidence
from agent.pipeline import Outcome, Pipeline
from agent.records import PacketBatch
from agent.verdicts import Judged
from contract.attacks import BENIGN
from contract.messages import PacketSample, Verdict, VerdictBatch

SECOND_NS: Final = 1_000_000_000
# Of hosts that attack, in one window: a flood must not become one on the uplink.
A_WINDOW: Final = 2
SEEN: Final = 64  # newest packets of a host among which one is chosen
_NAMES: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
_FLAGS: Final = "FSRPAUEC"


class Samples:
    """Takes packets out of the frames that are kept as evidence; where these are gone, none.

    Args:
        evidence: The frames of the last moments.
        pipeline: Who judges.
    """

    def __init__(self, evidence: Evidence, pipeline: Pipeline) -> None:
        self._evidence = evidence
        self._pipeline = pipeline
        self._window_ns = -1
        self._chosen = 0  # of that window
        self._waiting: list[Effect] = []

    def of(self, outcome: Outcome) -> list[Effect]:
        """Return what is told together with verdicts, since a transaction of its own wears a disk.

        Packets of hosts that attacked since, and one of whatever host.
        """
        reports = any(_is_report(effect) for effect in outcome.effects)
        for judged in filter(len, outcome.judged):
            verdicts = self._attacking(judged)
            if reports:
                row = _second(judged) % len(judged)
                verdicts.append(self._pipeline.verdict(judged, row))
            samples = map(self._sample, verdicts)
            self._waiting += [Publish(sample) for sample in samples if sample is not None]
        if not reports:
            return []
        told, self._waiting = self._waiting, []
        return told

    def _attacking(self, judged: Judged) -> list[Verdict]:
        """Return hosts that attack, of each window as many as may still be told of, in turns."""
        start_ns = int(judged.observations.window_start_ns[0])
        if start_ns != self._window_ns:
            self._window_ns, self._chosen = start_ns, 0
        benign = self._pipeline.model.classes.index(BENIGN)
        rows = np.roll(np.flatnonzero(judged.labels != benign), -_second(judged))
        rows = rows[: A_WINDOW - self._chosen]
        self._chosen += len(rows)
        return [self._pipeline.verdict(judged, row) for row in rows.tolist()]

    def _sample(self, found: Verdict) -> PacketSample | None:
        """Return the newest packet that a host sent in the window."""
        mac = int((found.src_mac or "0").replace(":", ""), 16)
        frames = self._evidence.latest(mac, found.window_start_ns, found.window_end_ns, SEEN)
        packets = decode(frames)
        own = packets.src_mac == mac
        if found.host == found.src_ip:  # behind a router, whose MAC many hosts share
            own &= np.array(
                [
                    ip_text(high, low) == found.src_ip
                    for high, low in zip(
                        packets.src_ip_high.tolist(), packets.src_ip_low.tolist(), strict=True
                    )
                ],
                bool,
            )
        rows = np.flatnonzero(own)
        return _sample(packets, int(rows[-1]), found) if len(rows) else None


def _is_report(effect: Effect) -> bool:
    return isinstance(effect, Publish) and isinstance(effect.message, VerdictBatch)


def _second(judged: Judged) -> int:
    return int(judged.observations.window_start_ns[0]) // SECOND_NS


def _sample(packets: PacketBatch, row: int, found: Verdict) -> PacketSample:
    protocol = int(packets.protocol[row])
    bits = int(packets.tcp_flags[row])
    return PacketSample(
        captured_ns=int(packets.time_ns[row]),
        src_mac=mac_text(int(packets.src_mac[row])),
        dst_mac=mac_text(int(packets.dst_mac[row])),
        src_ip=ip_text(int(packets.src_ip_high[row]), int(packets.src_ip_low[row])),
        dst_ip=ip_text(int(packets.dst_ip_high[row]), int(packets.dst_ip_low[row])),
        src_port=int(packets.src_port[row]),
        dst_port=int(packets.dst_port[row]),
        protocol=_protocol(int(packets.ethertype[row]), protocol, int(packets.ip_version[row])),
        packet_bytes=int(packets.wire_bytes[row]),
        ttl=int(packets.hop_limit[row]),
        flags="".join(name for at, name in enumerate(_FLAGS) if bits >> at & 1),
        label=found.label,
        confidence=found.scores.get(found.label, 0.0),
    )


def _protocol(ethertype: int, protocol: int, ip_version: int) -> str:
    """Return what a packet speaks, by name where it has one that people use."""
    if ip_version:
        return _NAMES.get(protocol, f"ip-{protocol}")
    return "arp" if ethertype == ARP else f"ethertype-{ethertype:04x}"
