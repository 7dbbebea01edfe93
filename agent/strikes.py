"""What it takes until verdicts are an alert; the policy and training count by the same."""

from typing import Final

from contract.attacks import CLASSES, Label

MEMORY_NS: Final = 10_000_000_000
# A bot calls home now and then, and a host that says nothing else is judged only then.
BOTNET_MEMORY_NS: Final = 25_000_000_000
# A window that saw so many packets, or is beyond doubt, proves as much as two others.
OVERWHELMING_PACKETS: Final = 200
# Lower, single windows of DOS, MITM and Replay open false alerts, held out, and of Botnet and Scan they
# find nothing. Guessers come in bursts, with seconds of silence between them.
BEYOND_DOUBT: Final[dict[Label, float]] = dict.fromkeys(CLASSES[1:], 0.99) | {
    "DOS": 0.95,
    "Scan": 0.95,
    "BruteForce": 0.85,
}
ANOMALOUS_WINDOWS: Final = 5  # within the memory, however many packets they saw
