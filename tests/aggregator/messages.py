"""Builders of what devices tell, with valid defaults."""

import struct
import time

from contract import codec, topics
from contract.attacks import AttackType, Label
from contract.features import feature_schema_id
from contract.messages import (
    Alert,
    AlertState,
    AnyMessage,
    Change,
    Envelope,
    Flow,
    Health,
    Isolation,
    IsolationState,
    PacketSample,
    Presence,
    TopFeature,
    VerdictBatch,
)

MAC = "02:00:00:00:00:07"
BOOT = "00000000000000b1"
FLOW = Flow(
    src_ip="192.168.1.7",
    dst_ip="192.168.1.1",
    protocol=6,
    src_port=40_000,
    dst_port=80,
    packets=1,
)
SECOND_NS = 1_000_000_000


def now_ns() -> int:
    return time.time_ns()


def alert(
    number: int = 1,
    *,
    attack_type: AttackType = "Scan",
    state: AlertState = "open",
    opened_ns: int | None = None,
    windows: int = 2,
) -> Alert:
    opened_ns = now_ns() if opened_ns is None else opened_ns
    return Alert(
        alert_id=f"{number:032x}",
        state=state,
        attack_type=attack_type,
        severity="critical" if attack_type == "MITM" else "medium",
        host=MAC,
        src_mac=MAC,
        src_ip="192.168.1.7",
        dst_ip="192.168.1.1",
        first_seen_ns=opened_ns - SECOND_NS,
        opened_ns=opened_ns,
        last_seen_ns=opened_ns + windows * SECOND_NS,
        confidence=0.97,
        windows=windows,
        packets=420,
        top_features=[
            TopFeature(
                feature="ports_of_one_host_1s",
                value=240.0,
                unit="ports",
                contribution=2.5,
                usual=1.0,
                words="tried 240 ports on one host; usually 1",
            ),
            TopFeature(
                feature="sent_rst_1s",
                value=0.0,
                unit="packets",
                contribution=-0.25,
                words="sent no TCP resets",
            ),
        ],
        model_id="test-1",
        counterfactual=[
            Change(
                feature="ports_of_one_host_1s",
                value=12.0,
                unit="ports",
                words="tried at most 12 ports of one host in 1 s",
            )
        ],
        flow=FLOW,
    )


def isolation(
    number: int = 1, *, alert_id: str | None = None, state: IsolationState = "verified"
) -> Isolation:
    return Isolation(
        isolation_id=f"{number:032x}",
        alert_id=alert_id,
        host=MAC,
        isolated_mac=MAC,
        isolated_port="lan2",
        reason="Scan",
        enforcement="nft",
        state=state,
        isolated_ns=now_ns(),
        expires_ns=now_ns() + 600 * SECOND_NS,
    )


def health(
    *, frames: int = 0, cpu: float = 12.5, memory: float = 30.0, temperature: float | None = 51.0
) -> Health:
    return Health(
        sent_ns=now_ns(),
        uptime_s=60,
        cpu_usage_percent=cpu,
        memory_usage_percent=memory,
        temperature_celsius=temperature,
        throttled=False,
        process_rss_bytes=90_000_000,
        frames=frames,
        windows=10,
        hosts=3,
        alerts=1,
        dropped={"kernel": 7},
        queued={"spool": 2},
        clock_synchronized=True,
        model_id="test-1",
        mode="observe",
        version="0.1.0",
    )


def verdicts(labels: tuple[Label, ...] = ("benign", "Scan"), number: int = 1) -> VerdictBatch:
    rows = len(labels)
    scores = [(0.9, 0.1) if label == "benign" else (0.125, 0.875) for label in labels]
    return VerdictBatch(
        model_id="test-1",
        feature_schema_id=feature_schema_id(),
        window_ns=SECOND_NS,
        classes=["benign", "Scan"],
        window_start_ns=[number * SECOND_NS] * rows,
        host=[MAC] * rows,
        src_mac=[MAC] * rows,
        src_ip=["192.168.1.7"] * rows,
        dst_ip=[None] * rows,
        label=list(labels),
        packets=[number] * rows,
        wire_bytes=[100] * rows,
        scores=b"".join(struct.pack("<2f", *row) for row in scores),
    )


def packet() -> PacketSample:
    return PacketSample(
        captured_ns=now_ns(),
        src_mac=MAC,
        dst_mac="02:00:00:00:00:01",
        src_ip="192.168.1.7",
        dst_ip="192.168.1.1",
        src_port=40_000,
        dst_port=23,
        protocol="tcp",
        packet_bytes=60,
        ttl=64,
        flags="S",
        label="Scan",
        confidence=0.9,
    )


def presence(*, online: bool = True) -> Presence:
    return Presence(
        online=online, since_ns=now_ns(), boot=BOOT, version="0.1.0", model_id="test-1"
    )


def envelope(message: AnyMessage, seq: int = 1, *, floor: int = 1, boot: str = BOOT) -> bytes:
    return codec.encode(Envelope(boot=boot, seq=seq, floor=floor, message=message))


def topic(message: AnyMessage, device_id: str = "edge-1", organization: str = "default") -> str:
    return topics.topic_for(message, organization, device_id)
