"""What it takes until verdicts are an alert; the policy and training count by the same."""

from typing import Final

MEMORY_NS: Final = 10_000_000_000
# A bot calls home now and then, and a host that says nothing else is judged only then.
BOTNET_MEMORY_NS: Final = 25_000_000_000
# A window that saw so many packets, or is beyond doubt, proves as much as two others.
OVERWHELMING_PACKETS: Final = 200
BEYOND_DOUBT: Final = 0.99
ANOMALOUS_WINDOWS: Final = 5  # within the memory, however many packets they saw
