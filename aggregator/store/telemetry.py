"""What devices tell besides detection: log lines, readings, how far commands have come."""

from collections.abc import Sequence

from aggregator.store.database import Statement
from aggregator.store.reported import Reported, columns, json_text
from contract.messages import CommandAck, LogLines, Readings


def save_logs(reported: Reported[LogLines]) -> Statement:
    """Add lines of a device's log."""
    lines = reported.message.lines
    return Statement(
        "save_logs",
        {
            "organization": reported.organization,
            "device_id": reported.device_id,
            "received_ns": reported.received_ns,
            "logged_ns": [line.logged_ns for line in lines],
            "level": [line.level for line in lines],
            "component": [line.component for line in lines],
            "event": [line.event for line in lines],
            "fields": [json_text(line.fields) for line in lines],
        },
    )


def save_readings(reported: Reported[Readings]) -> Statement:
    """Add values of sensors."""
    readings = reported.message.readings
    return Statement(
        "save_readings",
        {
            "organization": reported.organization,
            "device_id": reported.device_id,
            "received_ns": reported.received_ns,
            "sensor_type": [reading.sensor_type for reading in readings],
            "value": [reading.value for reading in readings],
            "unit": [reading.unit for reading in readings],
            "read_ns": [reading.read_ns for reading in readings],
        },
    )


def save_command_acks(reported: Sequence[Reported[CommandAck]]) -> Statement:
    """Add what devices said of commands."""
    return Statement(
        "save_command_acks", columns(reported, "command_id", "state", "at_ns", "detail")
    )
