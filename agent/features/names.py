"""Calls to outside addresses that no DNS answer named: few programs do that, and bots again and again."""

from typing import Final

import numpy as np

from agent.addresses import halves, network_columns
from agent.answers import Answers, read_answers
from agent.features.routers import Routers
from agent.features.tcp import ODD
from agent.features.view import View
from agent.grouping import Groups, distinct
from agent.records import F64, I64, U64, Bool, FrameBatch, PacketBatch
from agent.tables import KeyTable, hashed

KEEP_NS: Final = 86_400_000_000_000  # devices keep what they were told for as long as a day
UNREAD_KEEP_NS: Final = 60_000_000_000  # one address after another is tried, as one fails
YOUNG_NS: Final = 10_000_000_000
DEAF_NS: Final = 600_000_000_000
HELD_KEEP_NS: Final = 600_000_000_000  # without a word, until a connection is forgotten
PAUSE_NS: Final = 4_000_000_000  # who speaks in a held connection after it calls again
# Servers in another network of the house are called by number, every minute or so, by honest devices.
HASTE_NS: Final = 30_000_000_000
CAPACITY: Final = 32_768
HELD_CAPACITY: Final = 2_048
INWARD_CAPACITY: Final = 2_048
UNREAD_CAPACITY: Final = 2_048
SEALED_CAPACITY: Final = 2_048
ASKER_CAPACITY: Final = 8_192

_DNS_OVER_TLS: Final = 853
_INWARD: Final = [
    tuple(map(halves, network_columns(text)))
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
]  # networks that are nobody's in the world: address and mask


class Names:
    """Remembers which addresses DNS has named on this network, to whomever.

    What may have been named unheard counts as named from its first call on: what is called in our
    first YOUNG_NS, by who has not been answered since (it was resolved before us), by who asks DNS
    over TLS, within UNREAD_KEEP_NS of an answer to its caller that cannot be read to its end, or within DEAF_NS
    of answers that were missed or forgotten: sampled out, or too many for a table.

    A server in a private network counts only where it was called, or spoken to, HASTE_NS ago at most.

    Only DNS by UDP is read: not by TCP, TLS or HTTPS, nor what neighbours tell each other (mDNS).
    """

    def __init__(self, routers: Routers, seed: int) -> None:
        self._routers = routers
        self._seed = seed
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self.unread_table = KeyTable(UNREAD_CAPACITY, UNREAD_KEEP_NS)
        self.sealed_table = KeyTable(SEALED_CAPACITY, KEEP_NS)
        self.asker_table = KeyTable(ASKER_CAPACITY, KEEP_NS)
        self.held_table = KeyTable(HELD_CAPACITY, HELD_KEEP_NS)
        self._spoke_ns = np.zeros(self.held_table.capacity, np.int64)
        self.inward_table = KeyTable(INWARD_CAPACITY, HASTE_NS)
        self._heard: list[Answers] = []  # in the order of their packets, whose windows come later
        self._young_until_ns: int | None = None
        self._deaf_until_ns = 0
        self._lost = 0

    def hear(self, frames: FrameBatch, packets: PacketBatch) -> None:
        """Read the answers of a batch; `learn` takes them in when their packets have their window."""
        if packets.dns_at.any():
            self._heard.append(read_answers(frames, packets, self._seed))

    def learn(self, packets: PacketBatch, now_ns: int) -> None:
        """Take in what the answers among some packets of a window name.

        Args:
            packets: Those that `hear` has had, in the same order, none left out that is an answer.
            now_ns: The window's start.
        """
        rows = (packets.dns_at > 0).nonzero()[0]
        if not len(rows):
            return
        named, unread = self._taken(len(rows))
        self._remember(named[named > 0], now_ns)
        # By MAC: who is answered by IPv6 may call by IPv4.
        self.asker_table.claim(distinct(hashed(self._seed, packets.dst_mac[rows])), now_ns)
        if unread.any():
            told = rows[unread]
            receivers = hashed(self._seed, packets.dst_ip_high[told], packets.dst_ip_low[told])
            self.unread_table.claim(distinct(receivers), now_ns)

    def _taken(self, count: int) -> tuple[U64, Bool]:
        """Return what the next answers name, (count, MOST_ADDRESSES), and which name more."""
        named = np.concatenate([each.named for each in self._heard])
        unread = np.concatenate([each.unread for each in self._heard])
        rest = Answers(named[count:], unread[count:])
        self._heard = [rest] if len(rest) else []
        return named[:count], unread[:count]

    def _remember(self, keys: U64, now_ns: int) -> None:
        self.table.claim(distinct(keys), now_ns)

    def count(self, view: View, called: Bool, *, missed: bool) -> dict[str, F64]:
        """Count calls of a window to what nobody named, by the names of the feature schema.

        Each service counts once a window: who wants one thing may open several connections.

        Args:
            view: The window.
            called: Which rows opened a TCP flow.
            missed: Not all frames of the window were taken.
        """
        rows = called.nonzero()[0]
        sealed = rows[view.flows.dst_port.take(rows) == _DNS_OVER_TLS]
        self.sealed_table.claim(distinct(view.src_ip.take(sealed)), view.now_ns)
        rows = self._outside(view, rows)
        deaf = self._is_deaf(view.now_ns, missed=missed)
        asker = hashed(self._seed, view.flows.src_mac.take(rows))
        new = self.asker_table.find(asker, view.now_ns) < 0
        new |= self._is_young(view.now_ns)
        keys = view.dst_ip.take(rows)
        odd = ODD[view.flows.dst_port.take(rows)]
        named = self.table.find(keys, view.now_ns) >= 0
        maybe = self.unread_table.find(view.src_ip.take(rows), view.now_ns) >= 0
        maybe |= self.sealed_table.find(view.src_ip.take(rows), view.now_ns) >= 0
        maybe |= deaf | (new & ~odd)
        self._remember(keys[named | maybe], view.now_ns)
        unnamed = ~named & ~maybe
        rows, new, odd = rows[unnamed], new[unnamed], odd[unnamed]
        again = self._spoken_again(view)
        self._hold(view, rows[odd])
        hasty = self._hasty(view, rows)
        strange, stranger = rows[hasty & ~new], rows[hasty & odd]
        return {
            "unnamed_opens": view.distinct(view.service.take(strange), strange),
            "unnamed_odd_opens": view.distinct(view.service.take(stranger), stranger),
            "unnamed_talks": view.distinct(view.service.take(again), again),
        }

    def _hasty(self, view: View, rows: I64) -> Bool:
        """Tell which of some calls go out to the world, or to where their caller called a moment ago."""
        hasty = ~_inward(view, rows)
        inward = rows[~hasty]
        calls = view.key(view.flows.src_mac.take(inward), view.service.take(inward))
        hasty[~hasty] = self.inward_table.find(calls, view.now_ns) >= 0
        self.inward_table.claim(distinct(calls), view.now_ns)
        return hasty

    def _hold(self, view: View, rows: I64) -> None:
        """Remember connections that their callers may hold, from now on."""
        if not len(rows):
            return
        slots, _ = self.held_table.claim(distinct(_directions(view, rows)), view.now_ns)
        self._spoke_ns[slots[slots >= 0]] = view.now_ns

    def _spoken_again(self, view: View) -> I64:
        """Return the rows that say something in a held connection after a pause."""
        said = view.flows.sums.get("data")
        if said is None or not self._spoke_ns.any():  # nobody ever held one
            return np.zeros(0, np.int64)
        rows = said.nonzero()[0]
        keys = _directions(view, rows)
        first = Groups.of(keys).first  # behind two bridge ports a flow has two rows
        rows, keys = rows.take(first), keys.take(first)
        held = (self.held_table.find(keys, view.now_ns) >= 0).nonzero()[0]
        if not len(held):
            return held
        rows = rows.take(held)
        slots, _ = self.held_table.claim(keys.take(held), view.now_ns)
        pause_ns = view.now_ns - self._spoke_ns[slots]
        paused = (pause_ns >= PAUSE_NS) & ((pause_ns <= HASTE_NS) | ~_inward(view, rows))
        self._spoke_ns[slots] = view.now_ns
        return rows[paused]

    def _outside(self, view: View, rows: I64) -> I64:
        """Return which of some calls go out through a router, whether anybody answers or not."""
        behind = view.holders.dst_behind.take(rows)
        mac = view.flows.dst_mac.take(rows)
        unseen = view.holders.dst_unseen.take(rows)
        unseen[unseen] = self._routers.among(view, mac[unseen])
        return rows[behind | unseen]

    def _is_young(self, now_ns: int) -> bool:
        if self._young_until_ns is None:
            self._young_until_ns = now_ns + YOUNG_NS
        return now_ns < self._young_until_ns

    def _is_deaf(self, now_ns: int, *, missed: bool) -> bool:
        lost = sum(
            t.evicted + t.refused for t in (self.table, self.unread_table, self.sealed_table)
        )
        if missed or lost > self._lost:
            self._deaf_until_ns, self._lost = now_ns + DEAF_NS, lost
        return now_ns < self._deaf_until_ns


def _directions(view: View, rows: I64) -> U64:
    """Return keys of the flows of some rows, each direction its own."""
    return view.key(view.flow.take(rows), view.turned.take(rows).astype(np.uint64))


def _inward(view: View, rows: I64) -> Bool:
    """Return which of some rows go to a private network."""
    high, low = view.flows.dst_ip_high.take(rows), view.flows.dst_ip_low.take(rows)
    inward = np.zeros(len(rows), np.bool_)
    for (high_part, low_part), (high_mask, low_mask) in _INWARD:
        inward |= (high & high_mask == high_part) & (low & low_mask == low_part)
    return inward
