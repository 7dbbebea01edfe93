"""How a host opens, uses and ends TCP connections."""

from typing import Final

from agent.features.view import View
from agent.grouping import Groups
from agent.records import F64, Bool
from agent.tables import members, paired

LOGIN_PORTS: Final = (21, 22, 23, 110, 143, 445, 1433, 2222, 2323, 3306, 3389, 5432, 5900, 5901)
WORM_PORTS: Final = (23, 2323, 5555, 7547, 8291, 9527, 37215, 52869, 60001)
COMMON_PORTS: Final = (
    20, 21, 22, 23, 25, 37, 43, 53, 80, 88, 102, 110, 111, 119, 123, 135, 139, 143, 179, 389, 443,
    445, 465, 502, 514, 515, 548, 554, 587, 631, 636, 853, 873, 990, 993, 995, 1080, 1194, 1433, 1521,
    1723, 1883, 1900, 1935, 2049, 2222, 2323, 3000, 3128, 3306, 3389, 3478, 3479, 4840, 5000, 5001, 5060,
    5061, 5222, 5223, 5228, 5349, 5357, 5432, 5672, 5683, 5684, 5900, 6379, 6668, 7000, 7275, 8000, 8008,
    8009, 8080, 8081,
    8086, 8096, 8123, 8443, 8554, 8883, 8886, 8888, 9000, 9100, 9200, 9443, 9999, 20000, 27017, 32400,
    44818, 47808, 49152, 49153, 49154,
)  # fmt: skip
_LOGIN, _WORM = members(*LOGIN_PORTS), members(*WORM_PORTS)
ODD: Final = ~members(*COMMON_PORTS)


def count(view: View) -> dict[str, F64]:
    """Count TCP events of a window, by the names of the feature schema."""
    flows = view.flows
    opened = (flows.total("syn") > 0).nonzero()[0]
    port = flows.dst_port.take(opened)
    return {
        "sent_syn": view.sent("syn"),
        "sent_syn_ack": view.sent("syn_ack"),
        "sent_rst": view.sent("rst"),
        "sent_fin": view.sent("fin"),
        "sent_odd_flags": view.sent("odd_flags"),
        "received_syn": view.received("syn"),
        "received_syn_ack": view.received("syn_ack"),
        "received_rst": view.received("rst"),
        "sent_data": view.sent("data"),
        "received_data": view.received("data"),
        "sent_data_bytes": view.sent("data_bytes"),
        "received_data_bytes": view.received("data_bytes"),
        "login_syn": view.sent("syn", opened[_LOGIN[port]]),
        "telnet_syn": view.sent("syn", opened[_WORM[port]]),
        "odd_port_syn": view.sent("syn", opened[ODD[port]]),
        "login_attempts": view.sent("login_attempts", _flows_without(view, "login_welcomes")),
        "login_refusals": view.received("login_refusals", _of_guesses(view)),
    }


def _flows_without(view: View, name: str) -> Bool | None:
    """Return the rows of flows that have none of one of the flows' sums, None for all."""
    if name not in view.flows.sums:
        return None
    without: Bool = view.by_flow.spread(view.by_flow.sums(view.flows.sums[name])) == 0
    return without


def _of_guesses(view: View) -> Bool | None:
    """Return the rows whose refusals are of guesses, None for all.

    A program whose password was changed is refused for ever, in answer to the same words. Cameras
    refuse the first question of each visit, which is how they ask for a password (HTTP digest).
    """
    of_guesses = _flows_without(view, "repeated_logins")
    sums = view.flows.sums
    if "login_refusals" not in sums or "login_acceptances" not in sums:
        return of_guesses
    pairs = Groups.of(paired(view.source, view.dst_ip))  # a service and who asks it
    left = pairs.sums(sums["login_refusals"] - sums["login_acceptances"])
    refused: Bool = pairs.spread(left) > 0
    return refused if of_guesses is None else of_guesses & refused
