"""Values of a result as JSON that a browser reads without losing any."""

import datetime
from collections.abc import Sequence

import msgspec

MAX_SAFE_INTEGER = 2**53  # JavaScript rounds what lies beyond

_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def encode_rows(rows: Sequence[Sequence[object]]) -> bytes:
    """Return rows as a JSON array of arrays.

    Moments are RFC 3339 in UTC, integers that JavaScript cannot hold are text, bytes are base64, what
    is no number is null.
    """
    return _encoder.encode([[_plain(value) for value in row] for row in rows])


def _plain(value: object) -> object:
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= MAX_SAFE_INTEGER else str(value)
        case datetime.datetime():
            return value.isoformat(timespec="microseconds") + "Z"
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case _:
            return value
