"""The aggregator's settings."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.identifiers import OrganizationId
from runtime.config import BrokerConfig, LogConfig, Section
from runtime.errors import ConfigError

Days = Annotated[int, Meta(ge=1, le=36500)]
Network = Annotated[str, Meta(max_length=64)]
Seconds = Annotated[int, Meta(ge=1)]
SYSLOG = re.compile(r"(udp|tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]{1,253}):([0-9]{1,5})")
MAX_EXPORTS = 32

TopicPrefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$(?!\n)")]
AlertEvent = Literal["opened", "updated", "closed", "decided"]
Method = Literal["*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

# What backends that our clients were written for are set by, beside our own names.
KNOWN_NAMES = {
    "CORS_ORIGINS_ALLOWED": "EDGEWARDEN_HTTP__ALLOWED_ORIGINS",
    "CORS_CREDENTIAL": "EDGEWARDEN_HTTP__CORS_CREDENTIALS",
    "CORS_METHODS_ALLOWED": "EDGEWARDEN_HTTP__CORS_METHODS",
    "CORS_HEADERS_ALLOWED": "EDGEWARDEN_HTTP__CORS_HEADERS",
}


class StoreConfig(Section, frozen=True):
    """Where everything is kept."""

    path: Path = Path("data")  # a directory; created when it is missing
    hot_days: Days = 2  # today and so many whole days before it are in the database itself
    keep_days: Days = 90  # in the archive: verdicts, packets, health, logs, readings
    keep_alerts_days: Days = 400  # alerts and isolations, which stay in the database
    max_archive_bytes: Annotated[int, Meta(ge=2**20)] = 8 * 2**30  # the oldest days go first
    max_evidence_bytes: Annotated[int, Meta(ge=2**23)] = 256 * 2**20  # of one organization
    min_free_bytes: Annotated[int, Meta(ge=0)] = 512 * 2**20  # with less, nothing is taken in


class HttpConfig(Section, frozen=True):
    """Where the API and the dashboard are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000  # 0: any free port
    allowed_origins: tuple[str, ...] = ()  # of pages on other hosts that may use the API
    cors_credentials: bool = False  # whether those pages may send cookies and the like
    cors_methods: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    cors_headers: tuple[str, ...] = ("Authorization", "Content-Type")
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For and -Proto are believed
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    max_request_s: Seconds = 60
    # Of one device, of requests and of bytes in their bodies; ten seconds' worth may come at once.
    device_requests_per_s: Annotated[int, Meta(ge=1, le=10_000)] = 20
    device_bytes_per_s: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    # Of one person, tokens included; ten seconds' worth at once, too. Isolations are never refused.
    person_requests_per_s: Annotated[int, Meta(ge=1, le=100_000)] = 200

    def __post_init__(self) -> None:
        """Refuse what would let every page in the world act for who looks at it.

        Raises:
            ValueError: Credentials are allowed for all origins.
        """
        if self.cors_credentials and "*" in self.allowed_origins:
            message = "credentials are for named origins: allowed_origins has `*`"
            raise ValueError(message)


class AuthConfig(Section, frozen=True):
    """Who signs in, and for how long."""

    organization: OrganizationId = "default"  # of the first admin and of users made by command
    registration: Literal["closed", "invite", "open"] = "closed"  # open: as a viewer
    access_token_s: Annotated[int, Meta(ge=1, le=3600)] = 900
    refresh_token_s: Seconds = 14 * 24 * 3600


class EnrolmentConfig(Section, frozen=True):
    """How devices come in by a code, and what they are told of the broker."""

    pending: bool = False  # whether an admin has to accept each of them
    broker_host: str = ""  # as devices reach it; "": the host on which they enrol
    broker_port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    broker_tls: bool = True
    broker_ca_file: Path | None = None  # given to them; None: they believe the system's
    broker_files: Path | None = None  # a folder for what mosquitto has to know of them

    def authority(self) -> str | None:
        """Return the certificate by which devices know the broker, PEM.

        Raises:
            ConfigError: It cannot be read.
        """
        if self.broker_ca_file is None:
            return None
        try:
            return self.broker_ca_file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            message = f"`broker_ca_file` in [enrolment]: {error}"
            raise ConfigError(message) from error


class CommandsConfig(Section, frozen=True):
    """What devices are told to do."""

    valid_s: Annotated[int, Meta(ge=1, le=86_400)] = 300  # until a device must have heard of it
    wait_s: Annotated[float, Meta(ge=0, le=30)] = 5.0  # how long an answer waits for the device


class AlertsConfig(Section, frozen=True):
    """How alerts are kept."""

    # What Zeek, Suricata and the like on the same network name flows with.
    community_id_seed: Annotated[int, Meta(ge=0, le=65535)] = 0


class ModelsConfig(Section, frozen=True):
    """Models that devices may be given."""

    trusted_keys: Path | None = None  # a folder of Ed25519 public keys, *.pem; None: nobody's


class NotificationsConfig(Section, frozen=True):
    """Who may be told of alerts."""

    allow_private: bool = False  # whether hosts of our own network and machine may be
    allow_plain: bool = False  # whether without TLS
    services: tuple[str, ...] = (  # of those that apprise knows
        *("discord", "gchat", "gotifys", "mailtos", "mmosts", "ntfys", "opsgenie", "pagerduty"),
        *("pbul", "pover", "signl4", "slack", "tgram", "workflows", "wxteams"),
    )


class SyslogTarget(msgspec.Struct, frozen=True):
    """A receiver of syslog."""

    transport: str  # udp, tcp or tls
    host: str
    port: int


class ExportConfig(Section, frozen=True):
    """An output of alerts for other systems: a file, or a receiver of syslog."""

    organization: OrganizationId = "default"
    format: Literal["eve", "cef"] = "eve"
    file: Path | None = None
    max_bytes: Annotated[int, Meta(ge=2**16)] = 100 * 2**20  # of the file, and of the one before
    syslog: str = ""  # udp://HOST:PORT, tcp://HOST:PORT (counted octets) or tls://HOST:PORT
    facility: Annotated[int, Meta(ge=0, le=23)] = 16  # local0
    ca_file: Path | None = None  # by which a receiver is believed; None: the system's
    cert_file: Path | None = None  # what we show to it
    key_file: Path | None = None
    events: tuple[AlertEvent, ...] = ("opened", "closed", "decided")
    max_queued: Annotated[int, Meta(ge=100, le=1_000_000)] = 10_000  # the oldest give way

    def __post_init__(self) -> None:
        """Refuse what leads nowhere, or to two places.

        Raises:
            ValueError: Neither or both of `file` and `syslog` are set, or it is no address.
        """
        if (self.file is None) == (not self.syslog):
            message = "one of `file` and `syslog` is needed, and not both"
            raise ValueError(message)
        if self.syslog:
            self.target()

    def target(self) -> SyslogTarget:
        """Return where to, of an output to syslog.

        Raises:
            ValueError: `syslog` is no address.
        """
        found = SYSLOG.fullmatch(self.syslog)
        if found is None or not 0 < int(found[3]) < 65_536:  # noqa: PLR2004
            message = f"`syslog`: {self.syslog!r} is not udp://, tcp:// or tls://HOST:PORT"
            raise ValueError(message)
        return SyslogTarget(found[1], found[2].strip("[]"), int(found[3]))


class HomeAssistantConfig(Section, frozen=True):
    """Devices of one organization in Home Assistant, by MQTT discovery."""

    enabled: bool = False  # what was told before is taken away when it is not
    organization: OrganizationId = "default"
    broker: BrokerConfig = BrokerConfig()  # Home Assistant's, with a user of its own for us
    discovery_prefix: TopicPrefix = "homeassistant"
    state_prefix: TopicPrefix = "edgewarden/home_assistant"
    url: Annotated[str, Meta(max_length=500)] = ""  # of the dashboard, to be opened from there

    def __post_init__(self) -> None:
        """Refuse what leads nowhere.

        Raises:
            ValueError: It is enabled without a broker.
        """
        if self.enabled and not self.broker.host:
            message = (
                "`host` in [home_assistant.broker] is needed: that of Home Assistant's broker"
            )
            raise ValueError(message)


class WallConfig(Section, frozen=True):
    """The alert wall with its chat."""

    open: bool = False  # whether whoever reaches us may read and post without a token
    demo: bool = False  # whether an alert is made up every ten seconds


class DeviceEventsConfig(Section, frozen=True):
    """What device services tell on /ws/device."""

    open: bool = False  # whether whoever reaches us may tell and watch them without a token


class QueryConfig(Section, frozen=True):
    """What a statement of an analyst may take; at most two run at once."""

    seconds: Annotated[float, Meta(ge=0.1, le=300)] = 10.0
    memory_bytes: Annotated[int, Meta(ge=256 * 2**20)] = 512 * 2**20  # address space
    result_bytes: Annotated[int, Meta(ge=2**16, le=2**30)] = 32 * 2**20


EVERYWHERE = ("0.0.0.0/0", "::/0")


class ShellConfig(Section, frozen=True):
    """Devices over SSH: how they are, what they log, terminals."""

    networks: tuple[Network, ...] = EVERYWHERE  # where devices may be
    first_key: Literal["trust", "ask"] = "trust"  # of a device that is reached for the first time
    step_up: Literal["enrolled", "always"] = "enrolled"  # who shows a code to open a terminal
    connect_s: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    command_s: Annotated[float, Meta(ge=0.1, le=60)] = 20.0
    idle_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 900.0  # without a key typed
    longest_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 4 * 3600.0
    most_lines: Annotated[int, Meta(ge=1, le=1000)] = 50
    most_lines_each: Annotated[int, Meta(ge=1, le=1000)] = 5

    def __post_init__(self) -> None:
        """Refuse what is no network.

        Raises:
            ValueError: One of `networks` is none.
        """
        for network in self.networks:
            ipaddress.ip_network(network, strict=False)


class AggregatorConfig(Section, frozen=True):
    """Everything that can be set."""

    store: StoreConfig = StoreConfig()
    http: HttpConfig = HttpConfig()
    broker: BrokerConfig = BrokerConfig()  # host "": we start one of our own on `port`
    auth: AuthConfig = AuthConfig()
    enrolment: EnrolmentConfig = EnrolmentConfig()
    commands: CommandsConfig = CommandsConfig()
    alerts: AlertsConfig = AlertsConfig()
    models: ModelsConfig = ModelsConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    exports: Annotated[tuple[ExportConfig, ...], Meta(max_length=MAX_EXPORTS)] = ()
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()
    wall: WallConfig = WallConfig()
    device_events: DeviceEventsConfig = DeviceEventsConfig()
    query: QueryConfig = QueryConfig()
    shell: ShellConfig = ShellConfig()
    log: LogConfig = LogConfig()


def with_known_names(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which what is set by a known name is set by ours as well.

    `a, b` and `["a", "b"]` are lists in these; our own name comes first where both are set.
    """
    found = {
        ours: environment[known] for known, ours in KNOWN_NAMES.items() if known in environment
    }
    listed = {
        name: value if name.endswith("CREDENTIALS") else _list(value)
        for name, value in found.items()
    }
    return listed | dict(environment)


def _list(value: str) -> str:
    items = [item.strip().strip("\"'") for item in value.strip().strip("[]").split(",")]
    return f"[{', '.join(item.rstrip('/') for item in items)}]"
