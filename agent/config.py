"""The agent's settings; every default is safe to start with."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contract.attacks import AttackType
from contract.commands import MAX_ISOLATION_S
from contract.cuts import PartKind
from contract.identifiers import BridgePort, DeviceId, OrganizationId
from runtime.config import BrokerConfig, LogConfig, Section

MEBIBYTE = 1024 * 1024


class CaptureConfig(Section, frozen=True):
    """Where frames come from."""

    interfaces: list[BridgePort] = msgspec.field(default_factory=list)
    source: Literal["ring", "scapy"] = "ring"
    bpf: str = ""
    ring_slots: Annotated[int, Meta(ge=64, le=1 << 17)] = 65_536  # frames, of each bridge port


class WindowConfig(Section, frozen=True):
    """How traffic is cut into windows."""

    max_hosts: Annotated[int, Meta(ge=16, le=1 << 20)] = 4096


class ModelConfig(Section, frozen=True):
    """What judges."""

    bundle: Path | None = None  # None: the bundle that comes with the program
    trusted_keys: Path | None = None  # public keys, *.pem, beside the one that comes with it


Mode = Literal["observe", "suggest", "enforce"]
IsolationSeconds = Annotated[int, Meta(ge=1, le=MAX_ISOLATION_S)]


GroupName = Annotated[str, Meta(max_length=64)]  # it travels


class HostGroup(Section, frozen=True):
    """Hosts for which another mode holds."""

    hosts: list[str]  # MACs, IPs, networks
    mode: Mode


FirstCuts = Annotated[list[PartKind], Meta(max_length=3)]
FIRST_CUTS: Final[dict[AttackType, FirstCuts]] = {
    "DOS": ["pair", "rate"],
    "BruteForce": ["flow", "pair"],
    "Replay": ["pair"],
}


class PolicyConfig(Section, frozen=True):
    """What follows from verdicts. Nobody is isolated until a person chooses `enforce`."""

    mode: Mode = "observe"  # where neither a class nor a group says another
    modes: dict[AttackType, Mode] = msgspec.field(default_factory=dict)  # of attack classes
    groups: dict[GroupName, HostGroup] = msgspec.field(default_factory=dict)
    # MACs, IPs, networks: reported, never isolated
    exempt: list[str] = msgspec.field(default_factory=list)
    # Hosts, services (tcp/502) and services of a host whose loss a person decides about.
    critical: Annotated[list[str], Meta(max_length=256)] = msgspec.field(default_factory=list)
    most_clients: Annotated[int, Meta(ge=1)] = 10  # a host that serves more is not cut off unasked
    isolation_s: IsolationSeconds = 600
    repeat_isolation_s: list[IsolationSeconds] = msgspec.field(
        default_factory=lambda: [3600, 86_400]
    )  # of the second, third ... isolation of a host within a week
    max_isolations_per_hour: Annotated[int, Meta(ge=0)] = 5
    # Of the hosts that were ever calm, isolated at once; one host always may be.
    max_isolated_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.25
    # After a person lifted an isolation: the same class isolates that host no more for so long.
    grace_s: Annotated[int, Meta(ge=0, le=MAX_ISOLATION_S)] = 3600
    # Which part of a host may be cut off before all of it, by class, the gentlest that will do first;
    # an empty list: the whole host at once. Classes that are not named keep what FIRST_CUTS says.
    first_cuts: dict[AttackType, FirstCuts] = msgspec.field(
        default_factory=lambda: dict(FIRST_CUTS)
    )
    # A part is not enough for an attack that goes on for so long, whatever becomes of its packets.
    first_cut_s: Annotated[int, Meta(ge=1)] = 60
    strikes: Annotated[int, Meta(ge=1)] = 2
    quiet_s: Annotated[int, Meta(ge=1)] = 60  # without a strike, until an alert closes


class SwitchConfig(Section, frozen=True):
    """The managed switch that `snmp_switch` closes ports of."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 161
    credentials_file: Path | None = None  # TOML, private; docs/operations.md shows both kinds
    uplinks: list[str] = msgspec.field(
        default_factory=list
    )  # never closed, as the switch names them
    max_macs: Annotated[int, Meta(ge=1, le=64)] = 1  # learnt at a port; with more it is an uplink
    timeout_s: Annotated[float, Meta(ge=0.1, le=5.0)] = 1.0  # of one try
    retries: Annotated[int, Meta(ge=0, le=3)] = 2


class IsolationConfig(Section, frozen=True):
    """Who carries an isolation out."""

    enforcer: Literal["dry_run", "nft", "bridge_port", "snmp_switch"] = "dry_run"
    bridge: BridgePort = "br0"
    # Bridge ports that are never cut off as a whole; the ways to the exempt are not anyway.
    uplinks: Annotated[list[BridgePort], Meta(max_length=64)] = msgspec.field(default_factory=list)
    switch: SwitchConfig = SwitchConfig()
    # of the authenticator whose code `release` asks for on this box; None: none is needed
    release_secret_file: Path | None = None


class SpoolConfig(Section, frozen=True):
    """Where messages wait until the centre has stored them."""

    path: Path = Path("/var/lib/edgewarden-agent/spool.sqlite")
    max_bytes: Annotated[int, Meta(ge=MEBIBYTE)] = 64 * MEBIBYTE


class CommandsConfig(Section, frozen=True):
    """Whose commands are obeyed; without a key, nobody's."""

    public_key_file: Path | None = None


class CentreConfig(Section, frozen=True):
    """The centre's API, where models are fetched."""

    url: str = ""  # "": none are
    api_key_file: Path | None = None
    ca_file: Path | None = None  # None: the system's authorities


class AgentConfig(Section, frozen=True):
    """Everything that can be set for an agent."""

    device_id: DeviceId = "pi-1"
    organization: OrganizationId = "default"
    capture: CaptureConfig = CaptureConfig()
    window: WindowConfig = WindowConfig()
    model: ModelConfig = ModelConfig()
    policy: PolicyConfig = PolicyConfig()
    isolation: IsolationConfig = IsolationConfig()
    spool: SpoolConfig = SpoolConfig()
    broker: BrokerConfig = BrokerConfig()
    commands: CommandsConfig = CommandsConfig()
    centre: CentreConfig = CentreConfig()
    log: LogConfig = LogConfig()
