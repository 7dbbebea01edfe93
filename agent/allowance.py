"""How far an isolation may go, and for how long: modes, budgets, repeat offenders, grace."""

from typing import Final, Literal

import msgspec

from agent.config import Mode, PolicyConfig
from agent.exempt import Exempt, configured, written_down
from agent.peers import Critical, Peers, Radius
from contract.attacks import AttackType
from contract.messages import Alert

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * SECOND_NS
OFFENCE_NS: Final = 7 * 24 * HOUR_NS  # how long an isolation counts against a host
MAX_REMEMBERED: Final = 1024  # of each kind
BOLDNESS: Final[dict[Mode, int]] = {"observe": 0, "suggest": 1, "enforce": 2}

State = Literal["simulated", "suggested", "applied"]


class Cut(msgspec.Struct, frozen=True):
    """The smallest cut that stops a host: by MAC, by IP behind a router, by a MAC at one port."""

    mac: str | None = None
    ip: str | None = None
    bridge_port: str | None = (
        None  # the only one at which the MAC is cut: it is not this host's alone
    )


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
        self, alert: Alert, isolation_id: str, now_ns: int, *, shared_mac: bool = False
    ) -> Allowed:
        """Return how far an isolation may go; what is `applied` counts from now on.

        Args:
            alert: Names the host.
            isolation_id: Of the isolation.
            now_ns: The data's time.
            shared_mac: The host's MAC was seen behind another bridge port too.
        """
        self._forget(now_ns)
        cut = _cut(alert, shared_mac=shared_mac)
        times = sum(each.cut == cut for each in self.memory.begun)
        duration_s = self._durations_s[min(times, len(self._durations_s) - 1)]
        attack_ns = abs(alert.last_seen_ns - alert.first_seen_ns)
        radius = self._radius(cut, attack_ns)
        state, detail = self._state(alert, cut, radius, now_ns)
        if state == "applied":
            until_ns = now_ns + duration_s * SECOND_NS
            begun = Begun(isolation_id, cut, alert.attack_type, now_ns, until_ns)
            self.memory.begun = [*self.memory.begun, begun][-MAX_REMEMBERED:]
            detail = f"isolated {times + 1} times within a week" if times else ""
        return Allowed(cut, state, duration_s, radius, self._group_of(alert, cut), detail)

    def lifted(self, isolation_id: str, now_ns: int) -> None:
        """Take in that a person ended an isolation: it was none of the host's offences."""
        forgiven = self.forgive(isolation_id)
        graces = [Grace(each.cut, each.attack, now_ns) for each in forgiven]
        self.memory.graces = [*self.memory.graces, *graces][-MAX_REMEMBERED:]

    def forgive(self, isolation_id: str) -> list[Begun]:
        """Count an isolation no more among a host's offences; return it, nothing if it is unknown."""
        found = [each for each in self.memory.begun if each.isolation_id == isolation_id]
        # It still counts against the budget of its hour, as a cut of nobody.
        nobody = [
            msgspec.structs.replace(each, cut=_NOBODY, until_ns=each.begun_ns) for each in found
        ]
        others = [each for each in self.memory.begun if each.isolation_id != isolation_id]
        self.memory.begun = others + nobody
        return found

    def _radius(self, cut: Cut, attack_ns: int) -> Radius:
        """Return what a cut takes away; of a borrowed MAC at one port nothing is known."""
        if cut == _NOBODY or cut.bridge_port is not None:
            return Radius([], 0, 0, None)
        return self.peers.radius(cut.mac, cut.ip, attack_ns, self._critical)

    def _state(self, alert: Alert, cut: Cut, radius: Radius, now_ns: int) -> tuple[State, str]:
        if cut == _NOBODY:
            return "suggested", "its MAC is not its alone, and the bridge port cannot be named"
        # The host's address counts too where the host is cut by its own MAC.
        ip = cut.ip if cut.mac is None or cut.bridge_port else alert.src_ip
        who = self.exempt.why(cut.mac, ip, cut.bridge_port)
        if who is not None:
            return "simulated", f"would have isolated, but it is {who}"
        mode = self._mode_of(alert, cut)
        question = self._question(radius, self._critical_hosts.why(cut.mac, ip, cut.bridge_port))
        if mode == "observe":
            return "simulated", f"would have asked: {question}" if question else ""
        if any(
            each.cut == cut and each.attack == alert.attack_type for each in self.memory.graces
        ):
            return "suggested", "a person lifted this isolation a short while ago"
        if question or mode == "suggest":
            return "suggested", question
        return self._within_budget(now_ns)

    def _question(self, radius: Radius, critical: str | None) -> str:
        """Return why a person has to decide whatever the mode, nothing if none has to."""
        critical = critical or radius.critical
        if critical is not None:
            return f"it takes away what is critical: {critical}"
        if radius.clients > self._config.most_clients:
            return f"{radius.clients} hosts use its services"
        return ""

    def _group_of(self, alert: Alert, cut: Cut) -> str | None:
        """Return the group whose mode counts, None where the host is in none."""
        found = [
            (BOLDNESS[mode], name)
            for name, hosts, mode in self._groups
            if hosts.why(cut.mac, alert.src_ip)
        ]
        return min(found)[1] if found else None

    def _mode_of(self, alert: Alert, cut: Cut) -> Mode:
        group = self._group_of(alert, cut)
        said = [] if group is None else [self._config.groups[group].mode]
        if alert.attack_type in self._config.modes:
            said.append(self._config.modes[alert.attack_type])
        # Of several the most careful.
        return min([*(said or [self._mode]), self._boldest], key=BOLDNESS.__getitem__)

    def _within_budget(self, now_ns: int) -> tuple[State, str]:
        begun = self.memory.begun
        this_hour = sum(not _is_apart(each.begun_ns, now_ns, HOUR_NS) for each in begun)
        at_once = sum(
            not _is_apart(each.begun_ns, now_ns, each.until_ns - each.begun_ns - 1)
            for each in begun
        )
        most_at_once = max(1, int(self._config.max_isolated_share * self.hosts_known))
        if this_hour >= self._config.max_isolations_per_hour:
            detail = (
                f"over the budget of {self._config.max_isolations_per_hour} isolations an hour"
            )
        elif at_once >= most_at_once:
            detail = f"{at_once} of {self.hosts_known} known hosts are isolated already"
        else:
            return "applied", ""
        self.over_budget += 1
        return "suggested", detail

    def _forget(self, now_ns: int) -> None:
        grace_ns = self._config.grace_s * SECOND_NS
        memory = self.memory
        memory.begun = [e for e in memory.begun if not _is_apart(e.begun_ns, now_ns, OFFENCE_NS)]
        memory.graces = [e for e in memory.graces if not _is_apart(e.since_ns, now_ns, grace_ns)]


def _cut(alert: Alert, *, shared_mac: bool) -> Cut:
    """Return the smallest cut that stops the alert's host; nobody if that cannot be told."""
    if alert.host == alert.src_ip:
        return Cut(ip=alert.src_ip)  # never the router's MAC
    if not shared_mac:
        return Cut(mac=alert.src_mac)
    return Cut(mac=alert.src_mac, bridge_port=alert.bridge_port) if alert.bridge_port else _NOBODY


def _is_apart(one_ns: int, other_ns: int, more_than_ns: int) -> bool:
    return abs(one_ns - other_ns) > more_than_ns
