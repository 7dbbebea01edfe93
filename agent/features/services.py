"""How a host uses, and perhaps plays, the services that tell others where to go: DNS and DHCP."""

from typing import Final

import numpy as np

from agent.features.rivals import Rivals
from agent.features.view import UDP, View
from agent.grouping import Groups
from agent.records import F64, I64, U64, Bool, PacketBatch
from agent.tables import KeyTable, hashed

ANSWER_KEEP_NS: Final = 5_000_000_000
SERVER_KEEP_NS: Final = 3_600_000_000_000
CAPACITY: Final = 4_096

_RESPONSE, _RCODE, _NO_SUCH_NAME = np.uint16(0x8000), np.uint16(0x000F), np.uint16(3)
_DNS_PORT: Final = 53
_DHCP_CLIENT, _DHCP_SERVER = 1, 2


class Services:
    """Remembers which DNS questions were answered by whom, and who serves DHCP."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.answer_table = KeyTable(CAPACITY, ANSWER_KEEP_NS)
        self._answered_by = np.zeros(self.answer_table.capacity, np.uint64)
        self._servers = Rivals(SERVER_KEEP_NS)

    def marks(self, packets: PacketBatch, now_ns: int) -> dict[str, Bool]:
        """Return flags per packet for the DNS names in agent.flows.FLAGS."""
        flags = packets.dns_flags
        is_dns = (packets.protocol == UDP) & ((flags > 0) | (packets.dns_id > 0))
        response = is_dns & (flags & _RESPONSE > 0) & (packets.src_port == _DNS_PORT)
        return {
            "dns_queries": is_dns & (flags & _RESPONSE == 0) & (packets.dst_port == _DNS_PORT),
            "dns_responses": response,
            "dns_failures": response & (flags & _RCODE == _NO_SUCH_NAME),
            "dns_conflicts": self._conflicts(packets, response.nonzero()[0], now_ns),
        }

    def _conflicts(self, packets: PacketBatch, rows: I64, now_ns: int) -> Bool:
        """Return which packets answer a question that another MAC has answered."""
        conflicts = np.zeros(len(packets), np.bool_)
        if not len(rows):
            return conflicts
        ports = packets.dst_port[rows].astype(np.uint64) << np.uint64(16)
        question = hashed(
            self._seed,
            packets.dst_ip_high[rows],
            packets.dst_ip_low[rows],
            ports | packets.dns_id[rows],
        )
        groups = Groups.of(question)
        first = groups.first
        slots, fresh = self.answer_table.claim(question[first], now_ns)
        mac: U64 = packets.src_mac[rows]
        answerer = np.where(fresh, mac[first], self._answered_by[slots])
        conflicts[rows] = groups.spread(answerer) != mac
        self._answered_by[slots[slots >= 0]] = answerer[slots >= 0]
        return conflicts

    def count(self, view: View) -> dict[str, F64]:
        """Count DNS and DHCP messages of a window, by the names of the feature schema."""
        flows = view.flows
        dhcp = flows.dhcp_operation.nonzero()[0]  # few of a window's rows
        operation = flows.dhcp_operation.take(dhcp)
        client, server = dhcp[operation == _DHCP_CLIENT], dhcp[operation == _DHCP_SERVER]
        return {
            "dns_queries": view.sent("dns_queries"),
            "dns_responses": view.sent("dns_responses"),
            "dns_failures": view.received("dns_failures"),
            "dns_conflicts": view.sent("dns_conflicts"),
            "dhcp_requests": view.sent("packets", client),
            "dhcp_clients": view.distinct(flows.dhcp_client.take(client), client),
            "dhcp_serving": view.sent("packets", server),
            "dhcp_rivalry": view.sent("packets", self._servers.among(view, server)),
        }
