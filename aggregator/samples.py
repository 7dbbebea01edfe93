"""What the API and the live feed show of verdicts, readings and packets, and of detections as they happen."""

import msgspec

from aggregator.shapes import rfc3339
from aggregator.store.packets import PacketRow
from aggregator.store.reported import Reported
from aggregator.store.telemetry import ReadingRow
from aggregator.store.verdicts import VerdictRow
from contract.attacks import BENIGN
from contract.messages import PacketSample, Readings


class VerdictShape(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent concluded about one host in one window."""

    device_id: str
    window_start: str
    window_end: str
    host: str
    src_mac: str | None
    src_ip: str | None
    dst_ip: str | None
    label: str
    unsure: bool  # called benign, though an attack was likelier than that
    confidence: float
    scores: dict[str, float]
    packets: int
    wire_bytes: int
    sampled_one_in: int
    model_id: str


class ReadingShape(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one sensor."""

    device_id: str
    sensor_type: str
    value: float
    unit: str
    timestamp: str
    received_at: str


class PacketShape(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of one packet, kept as an example of what was seen."""

    packet_id: str | None  # None while it is only told, on the live feed
    src_ip: str | None
    dst_ip: str | None
    src_port: int
    dst_port: int
    src_mac: str
    dst_mac: str
    protocol: str
    packet_size: int
    ttl: int
    flags: str
    feature_vector: list[float] | None  # None: agents judge windows, not packets
    is_malicious: bool
    attack_type: str | None
    confidence: float
    captured_by_device_id: str
    captured_at: str
    processed_at: str


class Detection(msgspec.Struct, frozen=True):
    """One malicious verdict, as it happens."""

    device_id: str
    detected_at: str
    host: str
    src_ip: str | None
    dst_ip: str | None
    attack_type: str
    confidence: float
    packets: int


def verdict_shape(row: VerdictRow) -> VerdictShape:
    """Return a verdict."""
    scores = dict(zip(row.classes, row.scores, strict=True))
    return VerdictShape(
        device_id=row.device_id,
        window_start=rfc3339(row.window_start_ns),
        window_end=rfc3339(row.window_start_ns + row.window_ns),
        host=row.host,
        src_mac=row.src_mac,
        src_ip=row.src_ip,
        dst_ip=row.dst_ip,
        label=row.label,
        unsure=row.label == BENIGN and max(scores.values()) > scores.get(BENIGN, 0.0),
        confidence=row.confidence,
        scores=scores,
        packets=row.packets,
        wire_bytes=row.wire_bytes,
        sampled_one_in=row.sampled_one_in,
        model_id=row.model_id,
    )


def reading_shape(row: ReadingRow) -> ReadingShape:
    """Return one value of one sensor."""
    return ReadingShape(
        device_id=row.device_id,
        sensor_type=row.sensor_type,
        value=row.value,
        unit=row.unit,
        timestamp=rfc3339(row.read_ns),
        received_at=rfc3339(row.received_ns),
    )


def readings_told(told: Reported[Readings]) -> list[ReadingShape]:
    """Return the values of sensors that a device just told."""
    rows = [
        ReadingRow(
            told.device_id,
            reading.sensor_type,
            reading.value,
            reading.unit,
            reading.read_ns,
            told.received_ns,
        )
        for reading in told.message.readings
    ]
    return [reading_shape(row) for row in rows]


def packet_shape(row: PacketRow) -> PacketShape:
    """Return a sample that is kept."""
    sample = msgspec.convert(row, PacketSample, from_attributes=True)
    return _packet(sample, row.device_id, row.received_ns, str(row.id))


def packet_told(told: Reported[PacketSample]) -> PacketShape:
    """Return a sample that a device just told."""
    return _packet(told.message, told.device_id, told.received_ns, None)


def _packet(
    sample: PacketSample, device_id: str, received_ns: int, packet_id: str | None
) -> PacketShape:
    malicious = sample.label != BENIGN
    return PacketShape(
        packet_id=packet_id,
        src_ip=sample.src_ip,
        dst_ip=sample.dst_ip,
        src_port=sample.src_port,
        dst_port=sample.dst_port,
        src_mac=sample.src_mac,
        dst_mac=sample.dst_mac,
        protocol=sample.protocol,
        packet_size=sample.packet_bytes,
        ttl=sample.ttl,
        flags=sample.flags,
        feature_vector=None,
        is_malicious=malicious,
        attack_type=sample.label if malicious else None,
        confidence=sample.confidence,
        captured_by_device_id=device_id,
        captured_at=rfc3339(sample.captured_ns),
        processed_at=rfc3339(received_ns),
    )
