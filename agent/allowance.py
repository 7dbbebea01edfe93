"""How far an isolation may go, and for how long: modes, budgets, repeat offenders, grace."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from agent.config import Mode, PolicyConfig
from agent.exempt import Exempt, configured, written_down
from agent.peers import Critical, Peers, Radius
from contract.attacks import AttackType
from contract.cuts import Part
from contract.messages import Alert

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * SECOND_NS
OFFENCE_NS: Final = 7 * 24 * HOUR_NS  # how long an isolation counts against a host
MAX_REMEMBERED: Final = 1024  # of each kind
BOLDNESS: Final[dict[Mode, int]] = {"observe": 0, "suggest": 1, "enforce": 2}

State = Literal["simulated", "suggested", "applied"]


REMAINDER: Final = "00:00:00:00:00:00"  # many hosts judged together


class Cut(msgspec.Struct, frozen=True):
    """The smallest cut that stops a host: by MAC, by IP behind a router, by a MAC at one port.

    Of these a part, or all; or a bridge port alone, where hosts are invented by the thousand.
    """

    mac: str | None = None
    ip: str | None = None
    bridge_port: str | None = (
        None  # the only one at which the MAC is cut: it is not this host's alone
    )
    part: Part | None = None

    @property
    def is_port(self) -> bool:
        """Whether it is a bridge port alone."""
        return self.bridge_port is not None and self.mac is None

    def whole(self) -> "Cut":
        """Return the cut of all of the host."""
        return msgspec.structs.replace(self, part=None)


_NOBODY: Final = Cut()


class Allowed(msgspec.Struct, frozen=True):
    """What an isolation may be."""

    cut: Cut
    state: State
    duration_s: int
    radius: Radius
    host_group: str | None
    detail: str = ""


class Begun(msgspec.Struct, frozen=True):
    """An isolation that was allowed."""

    isolation_id: str
    cut: Cut
    attack: AttackType
    begun_ns: int
    until_ns: int


class Grace(msgspec.Struct, frozen=True):
    """A cut that a person lifted, and until when the same class makes it no more."""

    cut: Cut
    attack: AttackType
    since_ns: int


class Memory(msgspec.Struct):
    """What has to outlive a restart."""

    begun: list[Begun] = msgspec.field(default_factory=list)
    graces: list[Grace] = msgspec.field(default_factory=list)


class Allowance:
    """Decides by the time of the data; bounded.

    Where the data's clock was set back, what is older than can be counts as long ago.

    Raises:
        ConfigError: A host is written down that is neither a MAC nor an IP nor a network.
    """

    def __init__(self, config: PolicyConfig) -> None:
        self._config = config
        self._mode: Mode = config.mode
        self._boldest: Mode = "enforce"
        self._groups = [
            (name, Exempt(configured(group.hosts, name, f"policy.groups.{name}")), group.mode)
            for name, group in config.groups.items()
        ]
        self._critical = [Critical.of(text) for text in config.critical]
        self._critical_hosts = Exempt(
            exemption
            for each in self._critical
            if each.service is None
            for exemption in configured([each.text], each.text, "policy.critical")
        )
        self.peers = Peers(0)  # the observer's, once there is one
        self.ports: Sequence[str] = ()  # names of the bridge ports that peers know by number
        self._durations_s = [config.isolation_s, *config.repeat_isolation_s]
        self.exempt = Exempt(written_down(config.exempt))
        self.hosts_known = 0  # by what is usual for them
        self.memory = Memory()
        self.over_budget = 0

    @property
    def mode(self) -> Mode:
        """The mode of hosts and classes that have none of their own."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        # A person's word now: what the settings allow to classes and groups is no bolder than it.
        self._mode = self._boldest = mode

    def decide(
        self,
        alert: Alert,
        isolation_id: str,
        now_ns: int,
        *,
        shared_mac: bool = False,
        part: Part | None = None,
    ) -> Allowed:
        """Return how far an isolation may go; what is `applied` counts from now on.

        Args:
            alert: Names the host.
            isolation_id: Of the isolation; of one that was allowed already, to be widened.
            now_ns: The data's time.
            shared_mac: The host's MAC was seen behind another bridge port too.
            part: Of the host, where a part may do.
        """
        self._forget(now_ns)
        cut = _cut(alert, shared_mac=shared_mac, part=part)
        narrower = [each for each in self.memory.begun if each.isolation_id == isolation_id]
        earlier = [each for each in self.memory.begun if each.isolation_id != isolation_id]
        times = sum(each.cut.whole() == cut.whole() for each in earlier)
        duration_s = self._durations_s[min(times, len(self._durations_s) - 1)]
        attack_ns = abs(alert.last_seen_ns - alert.first_seen_ns)
        radius = self._radius(cut, attack_ns)
        group = self._group_of(self._hit(alert, cut, attack_ns))
        asked = _Asked(alert, cut, radius, group, attack_ns)
        state, detail = self._state(asked, now_ns, earlier)
        if state == "applied":
            until_ns = now_ns + duration_s * SECOND_NS
            begun = Begun(isolation_id, cut, alert.attack_type, now_ns, until_ns)
            # Widening is another cut of the hour.
            before = [*earlier, *map(_of_nobody, narrower)]
            self.memory.begun = [*before, begun][-MAX_REMEMBERED:]
            detail = f"isolated {times + 1} times within a week" if times else ""
        return Allowed(cut, state, duration_s, radius, group, detail)

    def stands(self, isolation_id: str) -> bool:
        """Return whether an isolation was allowed, and neither failed nor was lifted since."""
        return any(each.isolation_id == isolation_id for each in self.memory.begun)

    def lifted(self, isolation_id: str, now_ns: int) -> None:
        """Take in that a person ended an isolation: it was none of the host's offences."""
        forgiven = self._forgive(isolation_id)
        graces = [Grace(each.cut, each.attack, now_ns) for each in forgiven]
        self.memory.graces = [*self.memory.graces, *graces][-MAX_REMEMBERED:]

    def failed(self, isolation_id: str) -> None:
        """Take in that an isolation was not carried out: it counts as none, nor against the hour."""
        self.memory.begun = [e for e in self.memory.begun if e.isolation_id != isolation_id]

    def _forgive(self, isolation_id: str) -> list[Begun]:
        """Count an isolation no more among a host's offences; return it, nothing if it is unknown."""
        found = [each for each in self.memory.begun if each.isolation_id == isolation_id]
        others = [each for each in self.memory.begun if each.isolation_id != isolation_id]
        self.memory.begun = [*others, *map(_of_nobody, found)]
        return found

    def _radius(self, cut: Cut, attack_ns: int) -> Radius:
        """Return what a cut takes away; of a borrowed MAC at one port nothing is known."""
        if cut.is_port and cut.bridge_port in self.ports:
            number = self.ports.index(cut.bridge_port)
            return self.peers.radius_of_port(number, attack_ns, self._critical)
        if cut == _NOBODY or cut.bridge_port is not None:
            return Radius([], 0, 0, None)
        if cut.part is not None and cut.part.kind == "rate":
            # Nobody is cut off from it, but it serves everybody slowly: the same questions.
            whole = self.peers.radius(cut.mac, cut.ip, attack_ns, self._critical)
            return msgspec.structs.replace(whole, losses=[], further=0)
        return self.peers.radius(cut.mac, cut.ip, attack_ns, self._critical, cut.part)

    def _hit(self, alert: Alert, cut: Cut, attack_ns: int) -> list[tuple[str | None, str | None]]:
        """Return MAC and IP of whom a cut is known to hit."""
        if not cut.is_port or cut.bridge_port not in self.ports:
            return [(cut.mac, alert.src_ip)]
        return list(self.peers.behind(self.ports.index(cut.bridge_port), attack_ns))

    def _state(self, asked: "_Asked", now_ns: int, begun: list[Begun]) -> tuple[State, str]:
        alert, cut = asked.alert, asked.cut
        if cut == _NOBODY:
            return "suggested", "its MAC is not its alone, and the bridge port cannot be named"
        who = self._exempt_hit(asked)
        if who is not None:
            return "simulated", f"would have isolated, but it is {who}"
        mode = self._mode_of(alert, asked.group)
        critical = self._critical_hosts.why(cut.mac, asked.ip, cut.bridge_port)
        question = self._question(asked, critical)
        if mode == "observe":
            return "simulated", f"would have asked: {question}" if question else ""
        if any(
            each.cut.whole() == cut.whole() and each.attack == alert.attack_type
            for each in self.memory.graces
        ):
            return "suggested", "a person lifted this isolation a short while ago"
        if question or mode == "suggest":
            return "suggested", question
        return self._within_budget(asked, now_ns, begun)

    def _exempt_hit(self, asked: "_Asked") -> str | None:
        """Return who exempt would be hit, None if nobody is."""
        alert, cut = asked.alert, asked.cut
        if cut.is_port:
            behind = (
                self.exempt.why(mac, ip) for mac, ip in self._hit(alert, cut, asked.attack_ns)
            )
            who = next((f"the way to {who}" for who in behind if who), None)
            return who or self.exempt.why(None, None, cut.bridge_port)
        return self.exempt.why(cut.mac, asked.ip, cut.bridge_port)

    def _question(self, asked: "_Asked", critical: str | None) -> str:
        """Return why a person has to decide whatever the mode, nothing if none has to."""
        radius = asked.radius
        critical = critical or radius.critical
        if critical is not None:
            return f"it takes away what is critical: {critical}"
        if radius.clients > self._config.most_clients:
            live = "hosts live behind it" if asked.cut.is_port else "hosts use its services"
            return f"{radius.clients} {live}"
        if asked.cut.is_port and not self.exempt.ways:
            return "it may be the uplink: none is known, so name it in [isolation] uplinks"
        return ""

    def _group_of(self, hit: Iterable[tuple[str | None, str | None]]) -> str | None:
        """Return the group whose mode counts, None where nobody who is hit is in any."""
        found = [
            (BOLDNESS[mode], name)
            for mac, ip in hit
            for name, hosts, mode in self._groups
            if hosts.why(mac, ip)
        ]
        return min(found)[1] if found else None

    def _mode_of(self, alert: Alert, group: str | None) -> Mode:
        said = [] if group is None else [self._config.groups[group].mode]
        if alert.attack_type in self._config.modes:
            said.append(self._config.modes[alert.attack_type])
        # Of several the most careful.
        return min([*(said or [self._mode]), self._boldest], key=BOLDNESS.__getitem__)

    def _within_budget(
        self, asked: "_Asked", now_ns: int, begun: list[Begun]
    ) -> tuple[State, str]:
        """Return whether one more cut is allowed beside those begun for others."""
        this_hour = sum(
            not _is_apart(each.begun_ns, now_ns, HOUR_NS) for each in self.memory.begun
        )
        hosts = max(1, asked.radius.clients) if asked.cut.is_port else 1
        held = {
            each.cut.whole()
            for each in begun
            if not _is_apart(each.begun_ns, now_ns, each.until_ns - each.begun_ns - 1)
        }
        # Another part of the same host is no other host.
        at_once = len(held - {asked.cut.whole()})
        most_at_once = max(1, int(self._config.max_isolated_share * self.hosts_known))
        if this_hour >= self._config.max_isolations_per_hour:
            detail = (
                f"over the budget of {self._config.max_isolations_per_hour} isolations an hour"
            )
        elif at_once + hosts > most_at_once:
            detail = f"{at_once} of {self.hosts_known} known hosts are isolated already"
            if hosts > 1:
                detail += f", and {hosts} live behind it"
        else:
            return "applied", ""
        self.over_budget += 1
        return "suggested", detail

    def _forget(self, now_ns: int) -> None:
        grace_ns = self._config.grace_s * SECOND_NS
        memory = self.memory
        memory.begun = [e for e in memory.begun if not _is_apart(e.begun_ns, now_ns, OFFENCE_NS)]
        memory.graces = [e for e in memory.graces if not _is_apart(e.since_ns, now_ns, grace_ns)]


class _Asked(msgspec.Struct, frozen=True):
    """A cut that is asked for, and what it would do."""

    alert: Alert
    cut: Cut
    radius: Radius
    group: str | None
    attack_ns: int

    @property
    def ip(self) -> str | None:
        """The host's address, which counts too where the host is cut by its own MAC."""
        by_mac_alone = self.cut.mac is not None and self.cut.bridge_port is None
        return self.alert.src_ip if by_mac_alone else self.cut.ip


def _of_nobody(begun: Begun) -> Begun:
    """Return what still counts against the budget of its hour, and against nobody."""
    return msgspec.structs.replace(begun, isolation_id="", cut=_NOBODY, until_ns=begun.begun_ns)


def _cut(alert: Alert, *, shared_mac: bool, part: Part | None) -> Cut:
    """Return the smallest cut that stops the alert's host; nobody if that cannot be told."""
    if alert.host == REMAINDER:
        return Cut(bridge_port=alert.bridge_port)
    if alert.host == alert.src_ip:
        return Cut(ip=alert.src_ip, part=part)  # never the router's MAC
    if not shared_mac:
        return Cut(mac=alert.src_mac, part=part)
    return Cut(mac=alert.src_mac, bridge_port=alert.bridge_port) if alert.bridge_port else _NOBODY


def _is_apart(one_ns: int, other_ns: int, more_than_ns: int) -> bool:
    return abs(one_ns - other_ns) > more_than_ns
