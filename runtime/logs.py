"""Logs: one JSON object a line on stderr, an event and its fields; journald adds the time."""

import json
import logging
import re
import sys
from itertools import islice

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
MAX_VALUE_CHARACTERS = 500
MAX_COUNTERS = 64

# What an address or a header shows of a secret, whoever logs it.
_SECRETS = re.compile(r"((?:[?&](?:token|ticket)=|\bbearer\s+))[^&\s\"'\\]+", re.IGNORECASE)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                line[name] = _plain(value)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _SECRETS.sub(r"\1[redacted]", json.dumps(line, ensure_ascii=False))


def _plain(value: object) -> object:
    """Return numbers and counters as they are, everything else as text of bounded length."""
    if isinstance(value, dict):
        return {_text(key): _plain(one) for key, one in islice(value.items(), MAX_COUNTERS)}
    return value if isinstance(value, int | float) else _text(value)


def _text(value: object) -> str:
    return str(value)[:MAX_VALUE_CHARACTERS]


def set_up_logs(level: str) -> None:
    """Send the logs of this process to stderr, from a level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
