"""How long to wait before the next attempt."""

import itertools
import secrets
from collections.abc import Iterator

_random = secrets.SystemRandom()
_MOST_DOUBLINGS = 32  # keeps 2**n small; every sensible bound is reached long before


def delays(first_s: float, most_s: float) -> Iterator[float]:
    """Yield waiting times for ever: a random part of a bound that doubles up to `most_s`.

    The whole bound is drawn from ("full jitter"), so that many devices which lost the same
    peer at the same moment do not come back at the same moment.

    Args:
        first_s: The first bound, in seconds.
        most_s: The bound that is not exceeded, in seconds.
    """
    for attempt in itertools.count():
        bound_s = min(most_s, first_s * 2 ** min(attempt, _MOST_DOUBLINGS))
        yield _random.uniform(0.0, bound_s)
