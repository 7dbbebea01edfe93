"""How a device enrols itself with a code, and what it is given for it: over HTTPS, once."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.identifiers import DeviceId, OrganizationId

PATH = "/api/v1/enroll"

Code = Annotated[str, Meta(max_length=100)]
DeviceName = Annotated[str, Meta(min_length=1, max_length=200)]


class EnrolmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of itself; nothing of it is secret but the code."""

    code: Code
    device_id: DeviceId | None = None  # None: the one that the code is for
    name: DeviceName | None = None
    type: Literal["feature_extraction", "edge_ml", "esp32", "generic"] = "edge_ml"


class BrokerLogin(msgspec.Struct, frozen=True, kw_only=True):
    """How a device reaches the broker, and who it is there."""

    host: str  # "": the host on which it enrolled
    port: int
    tls: bool
    username: str
    password: str
    ca: str | None = None  # PEM; None: the system's authorities


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is given; it is shown here and never again."""

    organization: OrganizationId
    device_id: DeviceId
    pending: bool  # whether all this opens nothing until an admin accepts the device
    api_key: str
    broker: BrokerLogin
    command_public_key: str  # PEM; whose commands it is to obey
