"""All attacks by class: the loud, the slow, and those that need a place on the network."""

from collections.abc import Callable
from typing import Final

from model_training.synthetic.bots import calling_home, worm
from model_training.synthetic.floods import (
    broadcast_echo,
    connection_flood,
    icmp_flood,
    message_flood,
    odd_protocol_flood,
    reflection,
    request_flood,
    search_flood,
    slow_requests,
    syn_reflection,
    tcp_flood,
    udp_flood,
)
from model_training.synthetic.forgeries import (
    interception,
    name_forging,
    redirecting,
    replay,
    resent_frames,
    rogue_leases,
    rogue_router,
)
from model_training.synthetic.guesses import guessing, slow_guessing
from model_training.synthetic.plot import Plot
from model_training.synthetic.scans import port_scan, slow_scan, slow_sweep, sweep, version_scan

Attack = Callable[[Plot], None]


LOUD: Final[dict[str, tuple[Attack, ...]]] = {
    "DOS": (tcp_flood, tcp_flood, tcp_flood, tcp_flood, udp_flood, udp_flood, icmp_flood, icmp_flood,
            reflection, broadcast_echo, syn_reflection, odd_protocol_flood, request_flood, request_flood, request_flood,
            connection_flood, udp_flood, message_flood, message_flood, search_flood),
    "Scan": (port_scan, port_scan, port_scan, port_scan, sweep, sweep, sweep, version_scan),
    "BruteForce": (guessing,),
    "Botnet": (worm,),
    "MITM": (interception, interception, interception, interception, interception, name_forging,
             rogue_leases, rogue_leases, rogue_router, rogue_router, redirecting),
    "Replay": (replay, replay, resent_frames),
}  # fmt: skip


SLOW: Final[dict[str, tuple[Attack, ...]]] = {
    "DOS": (slow_requests,),
    "Scan": (slow_scan, slow_sweep),
    "BruteForce": (slow_guessing,),
    "Botnet": (calling_home,),
}


INSIDE: Final = frozenset({"MITM", "Replay", "Botnet"})  # who must stand on the local network
