"""Which addresses a host asks for and claims, and whether they are its own."""

from typing import Final, Self

import msgspec
import numpy as np

from agent.features.rivals import Rivals
from agent.features.routers import Routers
from agent.features.view import ARP_REPLY, ARP_REQUEST, ICMPV6, View
from agent.grouping import Groups, distinct
from agent.records import F64, I64, U64, Bool
from agent.tables import KeyTable

ASKED_KEEP_NS: Final = 60_000_000_000  # who asks for an absent host again looks for nobody else
REQUEST_KEEP_NS: Final = 3_000_000_000  # an answer that comes later was not asked for
ROUTER_KEEP_NS: Final = 3_600_000_000_000  # routers speak up twice as often, at least
CAPACITY: Final = 8_192

_REDIRECT, _REDIRECT6, _ROUTER_ADVERTISEMENT = 5, 137, 134


class AddressClaims:
    """Remembers who asked for which address a moment ago, and which routers there are."""

    def __init__(self, routers: Routers) -> None:
        self._routers = routers
        self.request_table = KeyTable(CAPACITY, REQUEST_KEEP_NS)
        self.asked_table = KeyTable(CAPACITY, ASKED_KEEP_NS)
        self._ways_out = Rivals(ROUTER_KEEP_NS)

    def count(self, view: View) -> dict[str, F64]:
        """Count address claims of a window, by the names of the feature schema."""
        said = _Said.of(view)
        rows, asked, claimed = said.rows, said.asked, said.claimed
        unasked = self._unasked(view, said)
        foreign = view.holders.foreign.take(rows)
        others = view.holders.foreign & view.is_ip
        others[rows[said.claims]] = False
        # Who says where it is itself lies to nobody, though the question may have gone unseen: by a
        # mirror of one direction, or because flows are sampled.
        true = said.own | view.holders.own.take(rows)
        pushed = unasked & said.reply & ~view.to_group.take(rows) & ~true
        kind = view.flows.dst_port.take(view.icmp)
        is_new = view.flows.protocol.take(view.icmp) == ICMPV6
        redirect = view.icmp[kind == np.where(is_new, _REDIRECT6, _REDIRECT)]
        # Routers show shorter ways; who is none, or speaks in another's name, shows its own.
        honest = self._routers.among(view, view.flows.src_mac.take(redirect))
        redirect = redirect[~(honest & view.holders.own.take(redirect))]
        # Who gives its lifetime as 0 is no way out, such as a border router of Thread.
        leads_out = view.flows.router_lifetime.take(view.icmp) > 0
        advertisement = view.icmp[is_new & (kind == _ROUTER_ADVERTISEMENT) & leads_out]
        wanted = (said.request & (asked != claimed)).nonzero()[0]
        claims = said.claims.nonzero()[0]
        return {
            "arp_requests": view.sent("packets", rows[said.request]),
            "arp_replies": view.sent("packets", rows[said.reply]),
            "arp_targets": self._targets(view, asked.take(wanted), rows.take(wanted)),
            "unasked_claims": view.sent("packets", rows[unasked]),
            "pushed_replies": view.sent("packets", rows[pushed]),
            "claimed_addresses": view.distinct(claimed.take(claims), rows.take(claims)),
            "conflicting_claims": view.sent("packets", rows[said.claims & foreign]),
            "foreign_source": view.sent("packets", others),
            "misdirected": view.received("packets", view.holders.misdirected),
            "icmp_redirects": view.sent("packets", redirect),
            "router_advertisements": view.sent(
                "packets", self._ways_out.among(view, advertisement)
            ),
        }

    def _targets(self, view: View, asked: U64, rows: I64) -> F64:
        """Count the addresses that each host asks for and has not asked for lately."""
        asker = view.flows.src_mac.take(rows)
        keys = view.key(asker, asked)
        first = Groups.of(keys).first
        _, fresh = self.asked_table.claim(keys.take(first), view.now_ns)
        # A router asks for whoever is called through it, be it by a scan.
        fresh &= ~self._routers.among(view, asker.take(first))
        return view.number(view.hosts.sender.take(rows.take(first[fresh])))

    def _unasked(self, view: View, said: "_Said") -> Bool:
        """Return what claims an address without having been asked for it."""
        claim, ask = said.claim_ip_low, said.asked_ip_low
        asker = view.key(claim[said.request], ask[said.request])
        self.request_table.claim(distinct(asker), view.now_ns)
        answered = view.key(ask[said.reply], claim[said.reply])
        unasked = said.reply.copy()
        unasked[said.reply] = self.request_table.find(answered, view.now_ns) < 0
        to_group = view.to_group.take(said.rows)
        unasked |= said.claims & np.where(said.is_arp, said.own, to_group)
        return unasked


class _Said(msgspec.Struct, frozen=True, eq=False):
    """The rows of a window that speak of addresses, few of all; the columns have shape (rows,)."""

    rows: I64
    is_arp: Bool
    request: Bool
    reply: Bool
    claims: Bool  # that somebody holds an address
    own: Bool  # which is the one that it asks for
    claim_ip_low: U64
    asked_ip_low: U64
    asked: U64  # key of the address that is asked for
    claimed: U64  # key of the address that is claimed

    @classmethod
    def of(cls, view: View) -> Self:
        """Return what a window's rows say."""
        flows = view.flows
        rows = (view.is_arp | (flows.claim_ip_low > 0)).nonzero()[0]
        is_arp, operation = view.is_arp.take(rows), flows.protocol.take(rows)
        claim, ask = flows.claim_ip_low.take(rows), flows.asked_ip_low.take(rows)
        return cls(
            rows=rows,
            is_arp=is_arp,
            request=is_arp & (operation == ARP_REQUEST),
            reply=is_arp & (operation == ARP_REPLY),
            claims=claim > 0,
            own=claim == ask,
            claim_ip_low=claim,
            asked_ip_low=ask,
            asked=view.key(flows.asked_ip_high.take(rows), ask),
            claimed=view.key(flows.claim_ip_high.take(rows), claim),
        )
