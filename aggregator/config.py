"""The aggregator's settings."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from contract.identifiers import OrganizationId
from runtime.config import BrokerConfig, LogConfig, Section

Days = Annotated[int, Meta(ge=1, le=36500)]
Seconds = Annotated[int, Meta(ge=1)]


class StoreConfig(Section, frozen=True):
    """Where everything is kept."""

    path: Path = Path("data")  # a directory; created when it is missing
    hot_days: Days = 2  # today and so many whole days before it are in the database itself
    keep_days: Days = 90  # in the archive: verdicts, packets, health, logs, readings
    keep_alerts_days: Days = 400  # alerts and isolations, which stay in the database
    max_archive_bytes: Annotated[int, Meta(ge=2**20)] = 8 * 2**30  # the oldest days go first
    min_free_bytes: Annotated[int, Meta(ge=0)] = 512 * 2**20  # with less, nothing is taken in


class HttpConfig(Section, frozen=True):
    """Where the API and the dashboard are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000  # 0: any free port
    allowed_origins: tuple[str, ...] = ()  # of pages on other hosts that may use the API
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024


class AuthConfig(Section, frozen=True):
    """Who signs in, and for how long."""

    organization: OrganizationId = "default"  # of the first admin and of users made by command
    access_token_s: Seconds = 900
    refresh_token_s: Seconds = 14 * 24 * 3600


class QueryConfig(Section, frozen=True):
    """What a statement of an analyst may take; at most two run at once."""

    seconds: Annotated[float, Meta(ge=0.1, le=300)] = 10.0
    memory_bytes: Annotated[int, Meta(ge=256 * 2**20)] = 512 * 2**20  # address space
    result_bytes: Annotated[int, Meta(ge=2**16, le=2**30)] = 32 * 2**20


class AggregatorConfig(Section, frozen=True):
    """Everything that can be set."""

    store: StoreConfig = StoreConfig()
    http: HttpConfig = HttpConfig()
    broker: BrokerConfig = BrokerConfig()  # host "": we start one of our own on `port`
    auth: AuthConfig = AuthConfig()
    query: QueryConfig = QueryConfig()
    log: LogConfig = LogConfig()
