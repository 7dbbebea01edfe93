"""Builders of messages with valid defaults."""

from contract.features import feature_schema_id
from contract.messages import Alert, Health, Isolation, VerdictBatch

NOW_NS = 1_790_000_000_000_000_000
MAC = "02:00:00:00:00:07"


def alert(number: int = 1) -> Alert:
    """Return an open alert; `number` makes its id."""
    return Alert(
        alert_id=f"{number:032x}",
        state="open",
        attack_type="Scan",
        severity="medium",
        host=MAC,
        src_mac=MAC,
        src_ip="192.168.1.7",
        dst_ip="192.168.1.1",
        first_seen_ns=NOW_NS,
        opened_ns=NOW_NS,
        last_seen_ns=NOW_NS,
        confidence=0.9,
        windows=2,
        top_features=[],
        model_id="test-1",
    )


def isolation(number: int = 1) -> Isolation:
    """Return a verified isolation; `number` makes its id."""
    return Isolation(
        isolation_id=f"{number:032x}",
        alert_id=None,
        host=MAC,
        isolated_mac=MAC,
        isolated_port=None,
        reason="test",
        enforcement="dry_run",
        state="verified",
        isolated_ns=NOW_NS,
        expires_ns=NOW_NS + 1,
    )


def health(number: int = 1) -> Health:
    """Return a health report; `number` is its frame count."""
    return Health(
        sent_ns=NOW_NS,
        uptime_s=1,
        cpu_usage_percent=1.0,
        memory_usage_percent=1.0,
        temperature_celsius=None,
        throttled=False,
        process_rss_bytes=1,
        frames=number,
        windows=0,
        hosts=0,
        alerts=0,
        dropped={},
        queued={},
        clock_synchronized=True,
        model_id="test-1",
        mode="observe",
        version="0.1.0",
    )


def verdicts(rows: int = 1, number: int = 1) -> VerdictBatch:
    """Return a batch of benign verdicts; `number` is its first row's packet count."""
    return VerdictBatch(
        model_id="test-1",
        feature_schema_id=feature_schema_id(),
        window_ns=1_000_000_000,
        classes=["benign", "Scan"],
        window_start_ns=[NOW_NS] * rows,
        host=[MAC] * rows,
        src_mac=[MAC] * rows,
        src_ip=[None] * rows,
        dst_ip=[None] * rows,
        label=["benign"] * rows,
        packets=[number] * rows,
        wire_bytes=[100] * rows,
        scores=bytes(8 * rows),
    )
