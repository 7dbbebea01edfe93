"""All honest habits, by how common they are."""

from collections.abc import Callable
from typing import Final

from model_training.synthetic.habits_inside import (
    concentrating,
    controlling,
    conversing,
    descriptions,
    heartbeat,
    inventory,
    knocking_in_vain,
    monitoring,
    parallel_lines,
    poll,
    polling_many,
    reconnecting,
    report,
    shell,
    telemetry,
)
from model_training.synthetic.habits_link import (
    advertising,
    announcements,
    boot,
    discovery,
    failover,
    gratuitous,
    leases,
    neighbours,
    pings,
    sending_to_all,
    telling,
)
from model_training.synthetic.habits_outside import (
    browsing,
    bursts_of_questions,
    call,
    clock,
    first_contact,
    lookups,
    punching,
    same_pages,
    scattered_peers,
    stream,
    swarm,
    transfer,
)
from model_training.synthetic.home import Home
from model_training.synthetic.wire import Host

Habit = Callable[[Home, Host], None]


COMMON: Final[tuple[Habit, ...]] = (
    telemetry,
    report,
    heartbeat,
    lookups,
    clock,
    announcements,
    neighbours,
)


FREQUENT: Final[tuple[Habit, ...]] = (
    first_contact,
    poll,
    polling_many,
    parallel_lines,
    concentrating,
    discovery,
    browsing,
    bursts_of_questions,
    stream,
    pings,
    controlling,
    scattered_peers,
)


RARE: Final[tuple[Habit, ...]] = (
    call, descriptions, failover, transfer, inventory, conversing, advertising, same_pages, knocking_in_vain, reconnecting, shell, boot, leases, gratuitous, sending_to_all, punching, swarm, monitoring, telling,
)  # fmt: skip


def live(home: Home, who: Host, habits: int) -> None:
    """Give a device some habits."""
    for _ in range(habits):
        kind = home.rng.choices((COMMON, FREQUENT, RARE), (5, 3, 3))[0]
        home.rng.choice(kind)(home, who)
