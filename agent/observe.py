"""Frames to observations: the one computation that live operation, replay and training share."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from agent.bindings import Bindings
from agent.decode import Status, decode
from agent.features import arp, fan_out, names, replay, services, tcp, timing, volume
from agent.features.routers import Routers
from agent.features.vector import Histories
from agent.features.view import View
from agent.flows import BLOCK_PACKETS, MAX_FLOWS, Ends, Flows, flows_of, folded, merged
from agent.grouping import Groups
from agent.homes import Homes
from agent.hosts import Hosts, HostTable
from agent.peers import Peers
from agent.records import I16, I32, I64, Bool, FrameBatch, Observations, PacketBatch, concatenate
from agent.windows import WINDOW_NS, Block, StreamClock, Windows
from contract.features import FEATURE_COUNT

DEFAULT_MAX_HOSTS: Final = 4096
DEFAULT_SEED: Final = 0  # of replay and training; live operation draws a secret one
_MAC_BITS: Final = np.uint64(48)


class Sampling:
    """The coarsest sampling of each bridge port while a window was open."""

    def __init__(self) -> None:
        self._now = self._window = np.ones(1, np.int32)  # the last stands for all further ports

    def feed(self, one_in: Sequence[int]) -> None:
        """Take in how the frames that follow were sampled."""
        self._now = np.array([*one_in, 1], np.int32)
        if len(self._window) < len(self._now):
            self._window = self._now
        self._window = np.maximum(self._window, self._now)

    @property
    def coarsest(self) -> int:
        """The coarsest of all bridge ports."""
        return int(self._window.max())

    def close(self, bridge_port: I16) -> I32:
        """Return it for some bridge ports, and begin anew with what holds now."""
        window, self._window = self._window, self._now
        return window[np.minimum(bridge_port, len(window) - 1)]


class Closed(msgspec.Struct, frozen=True, eq=False):
    """A closed window: its observations, and the flows that they were made of."""

    observations: Observations
    flows: Flows
    sender: I64  # number of the host that sent each flow, shape (flows,)
    host: I64  # number of each observation's host, shape (observations,)
    foreign: Bool  # the flow's source address is held by another MAC, shape (flows,)
    behind: Bool  # its destination is behind a router, shape (flows,)


class Observer:
    """Turns a stream of frames into observations, window by window, in bounded memory."""

    def __init__(self, max_hosts: int = DEFAULT_MAX_HOSTS, seed: int = DEFAULT_SEED) -> None:
        self._seed = seed
        self._windows = Windows(BLOCK_PACKETS)
        self._clock = StreamClock()
        self._bindings = Bindings(seed)
        self._homes = Homes(seed)
        self._hosts = HostTable(max_hosts, seed)
        self.peers = Peers(seed)
        self._fan_out = fan_out.FanOut()
        self._routers = Routers()
        self._claims = arp.AddressClaims(self._routers)
        self._payloads = replay.Payloads(seed)
        self._services = services.Services(seed)
        self._names = names.Names(self._routers, seed)
        self._timing = timing.Timing(self._hosts.table.capacity)
        self._histories = Histories(self._hosts.table.capacity)
        self._parts: list[Flows] = []
        self._sampling = Sampling()
        self._unreadable = np.zeros(len(Status), np.int64)
        self._folded = 0
        self.frames = 0
        self.windows = 0

    def feed(self, frames: FrameBatch) -> Observations:
        """Take in frames, all that there were; return the observations of all windows that they close."""
        return _together(self.take(frames))

    def flush(self) -> Observations:
        """Close the open window; return its observations."""
        return _together(self.close())

    def take(self, frames: FrameBatch, sampled_one_in: Sequence[int] = ()) -> list[Closed]:
        """Take in frames; return the windows that they close, oldest first.

        Args:
            frames: In the order of their capture.
            sampled_one_in: Of each bridge port: of how many flows one is among the frames; empty where
                all are.
        """
        packets = decode(frames)
        self._names.hear(frames, packets)
        self._sampling.feed(sampled_one_in)
        self.frames += len(packets)
        if np.count_nonzero(packets.status):
            self._unreadable += np.bincount(packets.status, minlength=len(Status))
            if (packets.status == Status.SHORT_FRAME).any():  # nobody sent them
                packets = packets.take(packets.status != Status.SHORT_FRAME)
        return self._closed(self._windows.cut(packets))

    def close_until(self, time_ns: int) -> list[Closed]:
        """Close the open window if it ended by then: no frame of it will come any more."""
        return self._closed(self._windows.close_until(time_ns))

    def close(self) -> list[Closed]:
        """Close the open window, if there is one: no frame will come any more."""
        return self._closed(self._windows.flush())

    @property
    def hosts_known(self) -> int:
        """How many hosts are remembered."""
        return self._hosts.table.used

    def counters(self) -> dict[str, int]:
        """Return everything that was not taken in as it came, by reason."""
        unreadable = {
            f"decode.{status.name.lower()}": int(self._unreadable[status])
            for status in Status
            if status is not Status.OK
        }
        tables = {
            "hosts": self._hosts.table,
            "bindings": self._bindings.table,
            "homes": self._homes.table,
            "peers": self.peers.table,
            "flows": self._fan_out.flow_table,
            "contacts": self._fan_out.contact_table,
            "searches": self._fan_out.search_table,
            "arp_requests": self._claims.request_table,
            "arp_targets": self._claims.asked_table,
            "payloads": self._payloads.table,
            "dns_answers": self._services.answer_table,
            "named": self._names.table,
            "unread_answers": self._names.unread_table,
            "sealed_dns": self._names.sealed_table,
            "dns_askers": self._names.asker_table,
            "routers": self._routers.table,
            "held_calls": self._names.held_table,
            "inward_calls": self._names.inward_table,
        }
        evicted = {f"evicted.{name}": table.evicted for name, table in tables.items()}
        refused = {f"refused.{name}": table.refused for name, table in tables.items()}
        return {
            **unreadable,
            **evicted,
            **refused,
            "windows.late_packets": self._windows.late,
            "windows.clock_steps": self._windows.clock_steps,
            "flows.folded": self._folded,
            "hosts.in_remainder": self._hosts.remainders,
        }

    def _closed(self, blocks: Iterator[Block]) -> list[Closed]:
        closed = []
        for block in blocks:
            now_ns = self._clock.at(block.window_start_ns)
            if block.packets is not None and len(block.packets):
                self._add(block.packets, now_ns)
            if block.closes and self._parts:
                closed.append(self._close(block.window_start_ns, now_ns))
        return closed

    def _add(self, packets: PacketBatch, now_ns: int) -> None:
        marks = self._payloads.marks(packets, now_ns) | self._services.marks(packets, now_ns)
        self._names.learn(packets, now_ns)
        self._parts.append(flows_of(packets, marks, self._seed))
        if sum(len(part) for part in self._parts) > MAX_FLOWS:
            self._parts = [self._bounded()]

    def _bounded(self) -> Flows:
        return folded(merged(self._parts), MAX_FLOWS, self._seed)

    def _close(self, start_ns: int, now_ns: int) -> Closed:
        flows = self._bounded()
        self._folded += int(flows.folded.sum())
        self.windows += 1
        ends = Ends.of(flows, self._seed)
        holders = self._bindings.learn(ends, now_ns)
        hosts = self._hosts.assign(flows, holders, self._homes.learn(flows, now_ns), now_ns)
        self.peers.learn(ends, now_ns)
        view = View(ends, hosts, holders, now_ns, self._seed)
        contacts, opened, called = self._fan_out.count(view)
        self._routers.learn(view, called)
        counts = {
            **volume.count(view),
            **contacts,
            **tcp.count(view),
            **self._claims.count(view),
            **replay.count(view),
            **self._timing.count(view, opened),
            **self._services.count(view),
            **self._names.count(view, called, missed=self._sampling.coarsest > 1),
        }
        rows = _in_order(hosts)
        observations = Observations(
            window_start_ns=np.full(hosts.senders, start_ns, np.int64),
            window_end_ns=np.full(hosts.senders, start_ns + WINDOW_NS, np.int64),
            is_ip_host=hosts.is_ip_host[rows],
            src_mac=hosts.src_mac[rows],
            src_ip_high=hosts.src_ip_high[rows],
            src_ip_low=hosts.src_ip_low[rows],
            dst_ip_high=hosts.dst_ip_high[rows],
            dst_ip_low=hosts.dst_ip_low[rows],
            bridge_port=hosts.bridge_port[rows],
            packets=counts["sent_packets"][rows].astype(np.int64),
            wire_bytes=counts["sent_bytes"][rows].astype(np.int64),
            sampled_one_in=self._sampling.close(hosts.bridge_port[rows]),
            shared_mac=hosts.shared_mac[rows],
            features=self._histories.vectors(counts, hosts, rows, now_ns),
        )
        return Closed(observations, flows, hosts.sender, rows, holders.foreign, holders.dst_behind)


def _in_order(hosts: Hosts) -> I64:
    """Return the senders by address: the tables' order would differ with every secret seed."""
    sent = slice(0, hosts.senders)
    groups = Groups.of(hosts.src_mac[sent] | hosts.is_ip_host[sent].astype(np.uint64) << _MAC_BITS)
    if len(groups) == hosts.senders:  # no two behind one router, nor one MAC at two bridge ports
        return groups.order
    names = ("bridge_port", "src_ip_low", "src_ip_high", "src_mac", "is_ip_host")
    return np.lexsort([getattr(hosts, name)[sent] for name in names])


def _together(closed: list[Closed]) -> Observations:
    return concatenate([window.observations for window in closed]) if closed else _NOTHING


def observe(
    batches: Iterable[FrameBatch],
    max_hosts: int = DEFAULT_MAX_HOSTS,
    seed: int = DEFAULT_SEED,
) -> Iterator[Observations]:
    """Yield the observations of a whole capture.

    Args:
        batches: Frames in the order of their capture.
        max_hosts: Hosts judged on their own in one window.
        seed: Of the hash tables.
    """
    observer = Observer(max_hosts, seed)
    for frames in batches:
        yield observer.feed(frames)
    yield observer.flush()


def _nothing() -> Observations:
    whole = np.zeros(0, np.int64)
    address = np.zeros(0, np.uint64)
    return Observations(
        window_start_ns=whole,
        window_end_ns=whole,
        is_ip_host=np.zeros(0, np.bool_),
        src_mac=address,
        src_ip_high=address,
        src_ip_low=address,
        dst_ip_high=address,
        dst_ip_low=address,
        bridge_port=np.zeros(0, np.int16),
        packets=whole,
        wire_bytes=whole,
        sampled_one_in=np.zeros(0, np.int32),
        shared_mac=np.zeros(0, np.bool_),
        features=np.zeros((0, FEATURE_COUNT), np.float32),
    )


_NOTHING: Final = _nothing()
