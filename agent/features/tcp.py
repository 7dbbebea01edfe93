"""How a host opens, uses and ends TCP connections."""

from typing import Final

from agent.features.view import View
from agent.records import F64
from agent.tables import members

LOGIN_PORTS: Final = (21, 22, 23, 110, 143, 445, 1433, 2222, 2323, 3306, 3389, 5432, 5900, 5901)
WORM_PORTS: Final = (23, 2323, 5555, 7547, 8291, 9527, 37215, 52869, 60001)
_LOGIN, _WORM = members(*LOGIN_PORTS), members(*WORM_PORTS)


def count(view: View) -> dict[str, F64]:
    """Count TCP events of a window, by the names of the feature schema."""
    flows = view.flows
    syn, syn_ack, rst = flows.total("syn"), flows.total("syn_ack"), flows.total("rst")
    data, data_bytes = flows.total("data"), flows.total("data_bytes")
    return {
        "sent_syn": view.sent(syn),
        "sent_syn_ack": view.sent(syn_ack),
        "sent_rst": view.sent(rst),
        "sent_fin": view.sent(flows.total("fin")),
        "sent_odd_flags": view.sent(flows.total("odd_flags")),
        "received_syn": view.received(syn),
        "received_syn_ack": view.received(syn_ack),
        "received_rst": view.received(rst),
        "sent_data": view.sent(data),
        "received_data": view.received(data),
        "sent_data_bytes": view.sent(data_bytes),
        "received_data_bytes": view.received(data_bytes),
        "login_syn": view.sent(syn, _LOGIN[flows.dst_port]),
        "telnet_syn": view.sent(syn, _WORM[flows.dst_port]),
    }
