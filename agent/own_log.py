"""What the agent logs, told to the centre as well: kept until the next report, and bounded."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from contract.messages import LogLine, LogLines
from runtime.logs import JsonFormatter

MOST_LINES: Final = 100  # between two reports; what comes behind them is counted
MOST_FIELDS: Final = 32
MOST_CHARACTERS: Final = 200  # of a field
MOST_NAME: Final = 64
MOST_EVENT: Final = 2000
_NS: Final = 1_000_000_000
_FORMAT: Final = JsonFormatter()  # which also takes secrets out

Level = Literal["info", "warning", "error"]


class OwnLog(logging.Handler):
    """Keeps lines from `info` on, whichever thread logs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.dropped = 0
        self._lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if there is room."""
        if len(self._lines) >= MOST_LINES:
            self.dropped += 1
            return
        try:
            self._lines.append(_line(record))
        except (TypeError, ValueError):  # a log call that is wrong must not end the agent
            self.handleError(record)

    def take(self) -> list[LogLines]:
        """Return what was logged since the last time as a message, none if nothing was."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
        finally:
            self.release()
        return [LogLines(lines=lines)] if lines else []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear all that this process logs, for the length of the block."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)


def _line(record: logging.LogRecord) -> LogLine:
    told: dict[str, object] = json.loads(_FORMAT.format(record))
    event, component = str(told.pop("event")), str(told.pop("logger"))
    del told["level"]
    fields = list(told.items())[:MOST_FIELDS]
    return LogLine(
        logged_ns=int(record.created * _NS),
        level=_level(record.levelno),
        component=_sendable(component, MOST_NAME),
        event=_sendable(event, MOST_EVENT),
        fields={_sendable(name, MOST_NAME): _text(value) for name, value in fields},
    )


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    return "warning" if number >= logging.WARNING else "info"


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _sendable(text, MOST_CHARACTERS)


def _sendable(text: str, most: int) -> str:
    """Return a text as the wire takes it: names of files may hold what is no character."""
    return text[:most].encode(errors="replace").decode()
