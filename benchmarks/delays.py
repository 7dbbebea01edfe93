"""How long things took, in a few figures."""

from collections.abc import Sequence

import msgspec
import numpy as np


class Delays(msgspec.Struct, frozen=True):
    """Milliseconds, over all that was measured."""

    count: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    most_ms: float = 0.0


def delays(seconds: Sequence[float]) -> Delays:
    """Return what delays come to; nothing of none."""
    if not seconds:
        return Delays()
    p50, p99, most = (1000 * float(each) for each in np.percentile(seconds, [50, 99, 100]))
    return Delays(len(seconds), p50, p99, most)
