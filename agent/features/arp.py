"""Which addresses a host asks for and claims, and whether they are its own."""

from typing import Final

import numpy as np

from agent.features.rivals import Rivals
from agent.features.view import ARP_REPLY, ARP_REQUEST, ICMP, ICMPV6, View
from agent.grouping import distinct
from agent.records import F64, I64, U64, Bool
from agent.tables import KeyTable

REQUEST_KEEP_NS: Final = 3_000_000_000  # an answer that comes later was not asked for
ROUTER_KEEP_NS: Final = 3_600_000_000_000  # routers speak up twice as often, at least
CAPACITY: Final = 8_192

_REDIRECT, _REDIRECT6, _ROUTER_ADVERTISEMENT = 5, 137, 134


class AddressClaims:
    """Remembers who asked for which address a moment ago, and which routers there are."""

    def __init__(self) -> None:
        self.request_table = KeyTable(CAPACITY, REQUEST_KEEP_NS)
        self._routers = Rivals(ROUTER_KEEP_NS)

    def count(self, view: View) -> dict[str, F64]:
        """Count address claims of a window, by the names of the feature schema."""
        flows, holders = view.flows, view.holders
        request = view.is_arp & (flows.protocol == ARP_REQUEST)
        reply = view.is_arp & (flows.protocol == ARP_REPLY)
        claims = flows.claim_ip_low > 0
        speaking = (view.is_arp | claims).nonzero()[0]
        asked = _keys(view, speaking, flows.asked_ip_high, flows.asked_ip_low)
        claimed = _keys(view, speaking, flows.claim_ip_high, flows.claim_ip_low)
        redirect = (flows.protocol == ICMP) & (flows.dst_port == _REDIRECT)
        redirect |= (flows.protocol == ICMPV6) & (flows.dst_port == _REDIRECT6)
        advertisement = (flows.protocol == ICMPV6) & (flows.dst_port == _ROUTER_ADVERTISEMENT)
        unasked = self._unasked(view, request, reply)
        own = flows.claim_ip_low == flows.asked_ip_low
        return {
            "arp_requests": view.sent("packets", request),
            "arp_replies": view.sent("packets", reply),
            "arp_targets": view.distinct(asked, request & (asked != claimed)),
            "unasked_claims": view.sent("packets", unasked),
            "pushed_replies": view.sent("packets", unasked & reply & ~view.to_group & ~own),
            "claimed_addresses": view.distinct(claimed, claims),
            "conflicting_claims": view.sent("packets", claims & holders.foreign),
            "foreign_source": view.sent("packets", view.is_ip & ~claims & holders.foreign),
            "misdirected": view.received("packets", holders.misdirected),
            "icmp_redirects": view.sent("packets", redirect),
            "router_advertisements": view.sent(
                "packets", self._routers.among(view, advertisement)
            ),
        }

    def _unasked(self, view: View, request: Bool, reply: Bool) -> Bool:
        """Return which rows claim an address without having been asked for it."""
        flows = view.flows
        asking, answering = request.nonzero()[0], reply.nonzero()[0]
        asker = view.key(flows.claim_ip_low[asking], flows.asked_ip_low[asking])
        self.request_table.claim(distinct(asker), view.now_ns)
        answered = view.key(flows.asked_ip_low[answering], flows.claim_ip_low[answering])
        wanted = np.zeros(len(flows), np.bool_)
        wanted[answering] = self.request_table.find(answered, view.now_ns) >= 0
        unasked: Bool = reply & ~wanted
        claims = flows.claim_ip_low.nonzero()[0]
        gratuitous = flows.claim_ip_low.take(claims) == flows.asked_ip_low.take(claims)
        unasked[claims] |= np.where(
            view.is_arp.take(claims), gratuitous, view.to_group.take(claims)
        )
        return unasked


def _keys(view: View, rows: I64, *columns: U64) -> U64:
    """Return keys of some rows, 0 for the others: of a window's rows few speak of addresses."""
    keys = np.zeros(len(view.flows), np.uint64)
    keys[rows] = view.key(*(column[rows] for column in columns))
    return keys
