"""The aggregator's settings."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from contract.identifiers import OrganizationId
from runtime.config import BrokerConfig, LogConfig, Section

Seconds = Annotated[int, Meta(ge=1)]


class StoreConfig(Section, frozen=True):
    """Where everything is kept."""

    path: Path = Path("data")  # a directory; created when it is missing


class HttpConfig(Section, frozen=True):
    """Where the API and the dashboard are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000  # 0: any free port
    allowed_origins: tuple[str, ...] = ()  # of pages on other hosts that may use the API
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024


class AuthConfig(Section, frozen=True):
    """Who signs in, and for how long."""

    organization: OrganizationId = "default"  # of the first admin and of users made by command
    registration: Literal["closed", "invite", "open"] = "closed"  # open: as a viewer
    access_token_s: Annotated[int, Meta(ge=1, le=3600)] = 900
    refresh_token_s: Seconds = 14 * 24 * 3600


class CommandsConfig(Section, frozen=True):
    """What devices are told to do."""

    valid_s: Annotated[int, Meta(ge=1, le=86_400)] = 300  # until a device must have heard of it
    wait_s: Annotated[float, Meta(ge=0, le=30)] = 5.0  # how long an answer waits for the device


class WallConfig(Section, frozen=True):
    """The alert wall with its chat."""

    open: bool = False  # whether whoever reaches us may read and post without a token
    demo: bool = False  # whether an alert is made up every ten seconds


class DeviceEventsConfig(Section, frozen=True):
    """What device services tell on /ws/device."""

    open: bool = False  # whether whoever reaches us may tell and watch them without a token


class AggregatorConfig(Section, frozen=True):
    """Everything that can be set."""

    store: StoreConfig = StoreConfig()
    http: HttpConfig = HttpConfig()
    broker: BrokerConfig = BrokerConfig()  # host "": we start one of our own on `port`
    auth: AuthConfig = AuthConfig()
    commands: CommandsConfig = CommandsConfig()
    wall: WallConfig = WallConfig()
    device_events: DeviceEventsConfig = DeviceEventsConfig()
    log: LogConfig = LogConfig()
