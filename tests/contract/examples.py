"""One example of everything that travels, with every field filled."""

from collections.abc import Mapping

import msgspec

from contract.commands import (
    AnyCommand,
    CollectEvidence,
    InstallModel,
    Isolate,
    Order,
    Release,
    SetMode,
    SignedOrder,
    key_id,
)
from contract.cuts import Part
from contract.messages import (
    Alert,
    AnyMessage,
    Change,
    CommandAck,
    Envelope,
    EvidencePart,
    Flow,
    Health,
    Isolation,
    LogLine,
    LogLines,
    Loss,
    ModelsHave,
    PacketSample,
    Presence,
    Reading,
    Readings,
    Receipt,
    TopFeature,
    VerdictBatch,
)

NS = 1_790_000_000_123_456_789
MAC, OTHER_MAC = "02:00:00:00:00:0b", "02:00:00:00:00:0a"
IP, OTHER_IP = "192.168.1.11", "192.168.1.10"
BOOT, ID, OTHER_ID = "0123456789abcdef", "0123456789abcdef" * 2, "fedcba9876543210" * 2
SCHEMA = "00112233445566ff"  # of no real feature list, so that the files outlive it

MESSAGES: Mapping[str, AnyMessage] = {
    "verdict_batch": VerdictBatch(
        model_id="home-1",
        feature_schema_id=SCHEMA,
        window_ns=1_000_000_000,
        classes=["benign", "Scan"],
        window_start_ns=[NS, NS + 1],
        host=[MAC, "2001:db8::1"],
        src_mac=[MAC, None],
        src_ip=[IP, None],
        dst_ip=[OTHER_IP, None],
        label=["Scan", "benign"],
        packets=[1000, 1],
        wire_bytes=[64_000, 64],
        scores=bytes.fromhex("cdcccc3d6666663f0000803f00000000"),
    ),
    "alert": Alert(
        alert_id=ID,
        state="open",
        attack_type="MITM",
        severity="critical",
        host=MAC,
        src_mac=MAC,
        src_ip=IP,
        dst_ip=OTHER_IP,
        bridge_port="lan2",
        first_seen_ns=NS,
        opened_ns=NS + 1,
        last_seen_ns=NS + 2,
        confidence=0.75,
        windows=3,
        packets=42,
        top_features=[
            TopFeature(
                feature="conflicting_claims_1s",
                value=12.0,
                unit="packets",
                contribution=2.5,
                usual=0.0,
                words="claims an address that another MAC holds",
            )
        ],
        model_id="home-1",
        evidence_sha256="ab" * 32,
        counterfactual=[
            Change(
                feature="conflicting_claims_1s",
                value=0.5,
                unit="packets",
                words="claimed another host's address at most 0 times in 1 s",
            )
        ],
        flow=Flow(
            src_ip=IP, dst_ip=OTHER_IP, protocol=6, src_port=40_000, dst_port=502, packets=17
        ),
    ),
    "isolation": Isolation(
        isolation_id=ID,
        alert_id=OTHER_ID,
        host=MAC,
        isolated_mac=MAC,
        isolated_ip=IP,
        isolated_port="lan2",
        reason="MITM",
        enforcement="nft",
        state="lifted",
        isolated_ns=NS,
        expires_ns=NS + 600_000_000_000,
        lifted_ns=NS + 1,
        detail="false alarm",
        losses=[
            Loss(peer_mac=OTHER_MAC, peer_ip=OTHER_IP, protocol="tcp", port=502, serves=True),
        ],
        further_losses=3,
        host_group="cameras",
        part=Part(kind="flow", peer_mac=OTHER_MAC, protocol="tcp", port=502),
    ),
    "packet_sample": PacketSample(
        captured_ns=NS,
        src_mac=MAC,
        dst_mac=OTHER_MAC,
        src_ip=IP,
        dst_ip=None,
        src_port=65_535,
        dst_port=0,
        protocol="tcp",
        packet_bytes=1514,
        ttl=64,
        flags="SA",
        label="BruteForce",
        confidence=1.0,
    ),
    "health": Health(
        sent_ns=NS,
        uptime_s=86_400,
        cpu_usage_percent=12.5,
        memory_usage_percent=50.0,
        temperature_celsius=61.25,
        throttled=True,
        process_rss_bytes=128_000_000,
        frames=2**40,
        windows=1000,
        hosts=12,
        alerts=1,
        dropped={"ring_full": 7},
        queued={"spool": 3},
        clock_synchronized=True,
        model_id="home-1",
        mode="observe",
        version="0.1.0",
    ),
    "presence": Presence(
        online=True,
        since_ns=NS,
        boot=BOOT,
        version="0.1.0",
        model_id="home-1",
        device_type="feature_extraction",
        uptime_s=7,
    ),
    "log_lines": LogLines(
        lines=[
            LogLine(
                logged_ns=NS,
                level="warning",
                component="agent.uplink",
                event="broker_lost",
                fields={"why": "geschlossen · 接続断"},
            )
        ]
    ),
    "readings": Readings(
        readings=[Reading(sensor_type="temperature", value=-4.5, unit="celsius", read_ns=NS)]
    ),
    "models_have": ModelsHave(
        active="home-1", installed=["home-1", "home-2"], feature_schema_id=SCHEMA
    ),
    "command_ack": CommandAck(command_id=ID, state="applied", at_ns=NS, detail="done"),
    "evidence_part": EvidencePart(
        alert_id=ID, part=1, parts=2, sha256="ab" * 32, data=bytes(range(32))
    ),
}

COMMANDS: Mapping[str, AnyCommand] = {
    "isolate": Isolate(
        isolation_id=ID,
        mac=MAC,
        ip=IP,
        bridge_port="lan2",
        duration_s=600,
        reason="by hand",
        part=Part(kind="pair", peer_ip=OTHER_IP),
    ),
    "release": Release(isolation_id=ID, reason="false alarm"),
    "install_model": InstallModel(model_id="home-2", sha256="cd" * 32),
    "set_mode": SetMode(mode="enforce"),
    "collect_evidence": CollectEvidence(alert_id=ID),
}


def orders() -> dict[str, Order]:
    """Return an order for every command."""
    return {
        name: Order(
            organization="default",
            command_id=OTHER_ID,
            device_id="pi-1",
            nonce=ID,
            issued_ns=NS,
            expires_ns=NS + 60_000_000_000,
            command=command,
        )
        for name, command in COMMANDS.items()
    }


def everything() -> dict[str, Envelope | Order | SignedOrder | Receipt]:
    """Return one of each of what the codec encodes, by the name of its golden file."""
    envelopes = {
        name: Envelope(boot=BOOT, seq=2**33, floor=7, message=message)
        for name, message in MESSAGES.items()
    }
    ordered = {f"order_{name}": order for name, order in orders().items()}
    signed = SignedOrder(
        order=msgspec.msgpack.encode(orders()["release"]),
        key_id=key_id(bytes(range(32))),
        signature=bytes(range(64)),
    )
    return {**envelopes, **ordered, "signed_order": signed, "receipt": Receipt(boot=BOOT, upto=9)}
