"""What a device tells the centre. Each message is idempotent by (device, boot, seq)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.attacks import AttackType, Label, Severity
from contract.cuts import Part
from contract.identifiers import (
    AlertId,
    BootId,
    BridgePort,
    CommandId,
    Count,
    FeatureSchemaId,
    HostId,
    IpAddress,
    IpText,
    IsolationId,
    LongText,
    MacAddress,
    MacText,
    ModelId,
    Probability,
    Sha256,
    ShortText,
    TimeNs,
)

MAX_ROWS = 1000  # rows of one batch
EVIDENCE_PART_BYTES = 128 * 1024  # of every part but the last
MAX_EVIDENCE_PARTS = 32
MAX_EVIDENCE_BYTES = MAX_EVIDENCE_PARTS * EVIDENCE_PART_BYTES
MAX_LOSSES = 16  # named in one isolation
MAX_REASONS = 256  # names of counters, sensors or scores in one message
ICMP, ICMPV6 = 1, 58  # IP protocol numbers

Name = Annotated[str, Meta(max_length=64)]
# Under overload the agent takes one in so many flows of a bridge port; 1: it took all.
SampledOneIn = Annotated[int, Meta(ge=1, le=1 << 16)]
Names = Annotated[dict[Name, Count], Meta(max_length=MAX_REASONS)]
Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything a device tells the centre."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent concluded about one host in one window."""

    window_start_ns: TimeNs
    window_end_ns: TimeNs
    host: HostId
    src_mac: MacAddress | None
    src_ip: IpAddress | None
    dst_ip: IpAddress | None = None  # whom it turned to most
    bridge_port: BridgePort | None = None
    label: Label
    scores: Annotated[dict[Label, Probability], Meta(max_length=16)]
    packets: Count
    wire_bytes: Count
    sampled_one_in: SampledOneIn = 1
    shared_mac: bool = False  # its MAC was seen behind another bridge port too
    aimed_at: Part | None = None  # the pair or flow that nearly all of it was, if there is one


class VerdictBatch(Message, frozen=True, kw_only=True, tag="verdict_batch"):
    """Verdicts as columns: row i of every column belongs to verdict i."""

    model_id: ModelId
    feature_schema_id: FeatureSchemaId
    window_ns: Annotated[int, Meta(gt=0)]
    classes: Annotated[list[Label], Meta(min_length=2, max_length=16)]
    window_start_ns: Annotated[list[TimeNs], Meta(max_length=MAX_ROWS)]
    host: Annotated[list[IpText], Meta(max_length=MAX_ROWS)]  # a HostId
    src_mac: Annotated[list[MacText | None], Meta(max_length=MAX_ROWS)]
    src_ip: Annotated[list[IpText | None], Meta(max_length=MAX_ROWS)]
    dst_ip: Annotated[list[IpText | None], Meta(max_length=MAX_ROWS)]
    label: Annotated[list[Label], Meta(max_length=MAX_ROWS)]
    packets: Annotated[list[Count], Meta(max_length=MAX_ROWS)]
    wire_bytes: Annotated[list[Count], Meta(max_length=MAX_ROWS)]
    scores: Annotated[bytes, Meta(max_length=MAX_ROWS * 16 * 4)]  # float32 LE, rows x classes
    sampled_one_in: Annotated[list[SampledOneIn], Meta(max_length=MAX_ROWS)] = []  # empty: all 1


class TopFeature(msgspec.Struct, frozen=True, kw_only=True):
    """One feature that decided, for people."""

    feature: Name
    value: Number
    unit: Name
    contribution: Number
    usual: Number | None = None  # what this host usually shows, where known
    words: ShortText


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that would have to have another value for the verdict to be benign, for people."""

    feature: Name
    value: Number
    unit: Name
    words: ShortText


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow, in the direction in which its host sent it.

    Of ICMP `src_port` is the type and `dst_port` the code; both are 0 where a protocol has none.
    """

    src_ip: IpAddress
    dst_ip: IpAddress
    protocol: Annotated[int, Meta(ge=0, le=255)]  # IANA's number: 6 is TCP, 17 UDP
    src_port: Port
    dst_port: Port
    packets: Count  # in the window that opened the alert


AlertState = Literal["open", "closed"]


class Alert(Message, frozen=True, kw_only=True, tag="alert"):
    """What a person should look at; sent when it opens, changes and closes, with one `opened_ns`."""

    alert_id: AlertId
    state: AlertState
    attack_type: AttackType
    severity: Severity
    host: HostId
    src_mac: MacAddress | None
    src_ip: IpAddress | None
    dst_ip: IpAddress | None
    bridge_port: BridgePort | None = None
    first_seen_ns: TimeNs
    opened_ns: TimeNs
    last_seen_ns: TimeNs
    confidence: Probability
    windows: Count
    packets: Count = 0
    top_features: Annotated[list[TopFeature], Meta(max_length=10)]
    model_id: ModelId
    evidence_sha256: Sha256 | None = None
    counterfactual: Annotated[
        list[Change], Meta(max_length=10)
    ] = []  # all of them; empty: unknown
    flow: Flow | None = None  # the one that shows the attack best; None where no single one does


IsolationState = Literal[
    "simulated", "suggested", "applied", "verified", "lifted", "expired", "failed"
]


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A service that an isolation takes away, and from whom."""

    peer_mac: MacAddress
    peer_ip: IpAddress | None = None
    protocol: Literal["tcp", "udp"]
    port: Port  # 0: none that names a service
    serves: bool  # the isolated host is the server, the peer its client; else the other way round


class Isolation(Message, frozen=True, kw_only=True, tag="isolation"):
    """A host or bridge port cut off until a moment in time, as read back from the kernel."""

    isolation_id: IsolationId
    alert_id: AlertId | None
    host: HostId
    isolated_mac: MacAddress | None
    isolated_ip: IpAddress | None = None
    isolated_port: BridgePort | None
    reason: ShortText
    enforcement: Name  # dry_run, nft, bridge_port, ...
    state: IsolationState
    isolated_ns: TimeNs
    expires_ns: TimeNs
    lifted_ns: TimeNs | None = None
    detail: LongText = ""
    losses: Annotated[list[Loss], Meta(max_length=MAX_LOSSES)] = []  # the most usual first
    further_losses: Count = 0  # beyond these
    host_group: Name | None = None  # of the device's settings, whose mode counted
    part: Part | None = None  # of the host's traffic; None: all of it


class PacketSample(Message, frozen=True, kw_only=True, tag="packet_sample"):
    """Headers of one packet, kept as an example of what was seen."""

    captured_ns: TimeNs
    src_mac: MacAddress
    dst_mac: MacAddress
    src_ip: IpAddress | None
    dst_ip: IpAddress | None
    src_port: Port
    dst_port: Port
    protocol: Name
    packet_bytes: Count
    ttl: Annotated[int, Meta(ge=0, le=255)]
    flags: Name
    label: Label
    confidence: Probability


class Health(Message, frozen=True, kw_only=True, tag="health"):
    """How the device is, and everything it dropped, by reason."""

    sent_ns: TimeNs
    uptime_s: Count
    cpu_usage_percent: Annotated[float, Meta(ge=0.0, le=100.0)]
    memory_usage_percent: Annotated[float, Meta(ge=0.0, le=100.0)]
    temperature_celsius: Annotated[float, Meta(ge=-100.0, le=200.0)] | None
    throttled: bool
    process_rss_bytes: Count
    frames: Count
    windows: Count
    hosts: Count
    alerts: Count
    dropped: Names  # reason -> count since boot
    queued: Names  # queue -> depth
    clock_synchronized: bool
    model_id: ModelId
    mode: Literal["observe", "suggest", "enforce"]
    version: Name


class Presence(Message, frozen=True, kw_only=True, tag="presence"):
    """Online or not; retained, with a will."""

    online: bool
    since_ns: TimeNs
    boot: BootId
    version: Name
    model_id: ModelId
    device_type: Literal["feature_extraction", "edge_ml"] = "edge_ml"
    uptime_s: Count | None = None  # of the agent, whatever its clock says; None: an older agent


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a device's log."""

    logged_ns: TimeNs
    level: Literal["debug", "info", "warning", "error"]
    component: Name
    event: LongText
    fields: Annotated[dict[Name, ShortText], Meta(max_length=32)] = {}


class LogLines(Message, frozen=True, kw_only=True, tag="log_lines"):
    """Lines of a device's log, oldest first."""

    lines: Annotated[list[LogLine], Meta(max_length=MAX_ROWS)]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one sensor."""

    sensor_type: Name
    value: Number
    unit: Name
    read_ns: TimeNs


class Readings(Message, frozen=True, kw_only=True, tag="readings"):
    """Values of sensors."""

    readings: Annotated[list[Reading], Meta(max_length=MAX_ROWS)]


class ModelsHave(Message, frozen=True, kw_only=True, tag="models_have"):
    """Which model bundles the device holds and which one judges."""

    active: ModelId
    installed: Annotated[list[ModelId], Meta(max_length=32)]
    feature_schema_id: FeatureSchemaId


class EvidencePart(Message, frozen=True, kw_only=True, tag="evidence_part"):
    """A piece of the pcap behind an alert; sent only when the centre has asked for it."""

    alert_id: AlertId
    part: Annotated[int, Meta(ge=0, lt=MAX_EVIDENCE_PARTS)]
    parts: Annotated[int, Meta(ge=1, le=MAX_EVIDENCE_PARTS)]
    sha256: Sha256  # of the whole
    data: Annotated[bytes, Meta(max_length=EVIDENCE_PART_BYTES)]


CommandState = Literal["queued", "sent", "received", "applied", "verified", "failed", "expired"]


class CommandAck(Message, frozen=True, kw_only=True, tag="command_ack"):
    """How far a command has come, by the device's own word."""

    command_id: CommandId
    state: CommandState
    at_ns: TimeNs
    detail: LongText = ""
    # Of the signed order as it came, where the device cannot believe it; None: it was believed.
    declined: Sha256 | None = None


AnyMessage = (
    VerdictBatch
    | Alert
    | Isolation
    | PacketSample
    | Health
    | Presence
    | LogLines
    | Readings
    | ModelsHave
    | CommandAck
    | EvidencePart
)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How a message travels: numbered per boot, so that it is stored exactly once.

    `floor` is the lowest number of this boot that the device still holds: what lies below and did
    not arrive is lost, and the centre counts it as lost instead of waiting for it.
    """

    boot: BootId
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    floor: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    message: AnyMessage


class Header(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An envelope whose message is left unread: one we cannot read still has its number."""

    boot: BootId
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    floor: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    message: msgspec.Raw


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The centre's word that everything of a boot up to a number is stored for good."""

    boot: BootId
    upto: Annotated[int, Meta(ge=0, le=2**63 - 1)]
