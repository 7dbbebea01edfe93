"""The names and moments that every room shares, with the patterns that keep them bounded."""

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta


def whole(pattern: str) -> str:
    """Return a pattern for a whole text: `$` alone lets a newline stand behind it."""
    return f"^{pattern}$(?!\\n)"


def _lines(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern}\\n)*+")


# Written out: a repeated group takes three times as long, and there is one in every row.
_MAC = ":".join(["[0-9a-f]{2}"] * 6)
_IP = r"[0-9a-f:.]{2,45}"
MAC_PATTERN, IP_PATTERN = whole(_MAC), whole(_IP)
NAME_PATTERN = whole(r"[a-z0-9][a-z0-9_-]{0,62}")

OrganizationId = Annotated[str, Meta(pattern=NAME_PATTERN)]
DeviceId = Annotated[str, Meta(pattern=NAME_PATTERN)]

MacAddress = Annotated[str, Meta(pattern=MAC_PATTERN)]
IpAddress = Annotated[str, Meta(pattern=IP_PATTERN)]

# A MAC, or the IP of a host that is only seen behind a router; the pattern of IPs lets both pass.
HostId = Annotated[str, Meta(pattern=IP_PATTERN)]

# The same in a long column, which `fit` checks in one go: value by value takes ten times as long.
MacText = Annotated[str, Meta(extra={"pattern": MAC_PATTERN})]
IpText = Annotated[str, Meta(extra={"pattern": IP_PATTERN})]
_LINES = {MAC_PATTERN: _lines(_MAC), IP_PATTERN: _lines(_IP)}


def fit(pattern: str, texts: Sequence[str | None]) -> bool:
    """Return whether all texts of a column, None aside, are as MAC_PATTERN or IP_PATTERN says."""
    lines = [f"{text}\n" for text in {*texts} if text is not None]  # hosts come again and again
    joined = "".join(lines)
    # A text with a newline in it would pass for two.
    return joined.count("\n") == len(lines) and _LINES[pattern].fullmatch(joined) is not None


BridgePort = Annotated[str, Meta(pattern=whole(r"[\x21-\x7e]{1,15}"))]  # IFNAMSIZ - 1

AlertId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
IsolationId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
CommandId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
Sha256 = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{64}"))]
BootId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{16}"))]
ModelId = Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"))]
FeatureSchemaId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{16}"))]

# Nanoseconds since 1970-01-01 UTC; the upper bound is what an int64 column holds.
TimeNs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
ShortText = Annotated[str, Meta(max_length=200)]
LongText = Annotated[str, Meta(max_length=2000)]
