"""What somebody on the network can claim at any moment is believed once it has held for long."""

from typing import Final

SECOND_NS: Final = 1_000_000_000
HOLD_NS: Final = 600 * SECOND_NS


class Pinned:
    """Keeps the value first seen of each key; another one counts when it has held for HOLD_NS.

    Who poisons a cache for a minute changes nothing, and a router that was replaced is known ten
    minutes later. Keys are the owner's to bound.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._others: dict[str, tuple[str, int]] = {}  # a value that is not believed yet, since

    def see(self, key: str, value: str, now_ns: int) -> None:
        """Take in what is claimed now, by a clock that only goes forward."""
        if self._values.setdefault(key, value) == value:
            self._others.pop(key, None)
            return
        other, since_ns = self._others.get(key, (value, now_ns))
        if other != value:
            since_ns = now_ns
        self._others[key] = (value, since_ns)
        if now_ns - since_ns >= HOLD_NS:
            self._values[key] = value
            del self._others[key]

    def get(self, key: str) -> str | None:
        """Return what is believed."""
        return self._values.get(key)
