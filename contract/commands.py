"""What the centre tells a device: signed, addressed, expiring, never retained."""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.cuts import Part
from contract.identifiers import (
    AlertId,
    BridgePort,
    CommandId,
    DeviceId,
    IpAddress,
    IsolationId,
    MacAddress,
    ModelId,
    OrganizationId,
    Sha256,
    ShortText,
    TimeNs,
    whole,
)

MAX_ISOLATION_S = 7 * 24 * 3600


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything the centre tells a device."""


class Isolate(Command, frozen=True, kw_only=True, tag="isolate"):
    """Cut off a host or a bridge port for a while."""

    isolation_id: IsolationId
    mac: MacAddress | None = None
    ip: IpAddress | None = None
    bridge_port: BridgePort | None = None
    duration_s: Annotated[int, Meta(ge=1, le=MAX_ISOLATION_S)]
    reason: ShortText
    part: Part | None = None  # of the host's traffic; None: all of it


class Release(Command, frozen=True, kw_only=True, tag="release"):
    """Lift an isolation before its time."""

    isolation_id: IsolationId
    reason: ShortText


class InstallModel(Command, frozen=True, kw_only=True, tag="install_model"):
    """Judge with another model, after it was tried; the former one is kept."""

    model_id: ModelId
    sha256: Sha256 | None = None  # of its bundle's manifest; None: one that the device holds


class SetMode(Command, frozen=True, kw_only=True, tag="set_mode"):
    """Choose how far the device may act by itself."""

    mode: Literal["observe", "suggest", "enforce"]


class CollectEvidence(Command, frozen=True, kw_only=True, tag="collect_evidence"):
    """Send the frames kept for an alert."""

    alert_id: AlertId


AnyCommand = Isolate | Release | InstallModel | SetMode | CollectEvidence


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command with what makes it valid once, for one device, until a moment in time."""

    command_id: CommandId
    organization: OrganizationId | None = None  # of the device; None: from before it was told
    device_id: DeviceId
    nonce: Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
    issued_ns: TimeNs
    expires_ns: TimeNs
    command: AnyCommand


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The exact bytes of an encoded Order and the centre's Ed25519 signature over them."""

    order: Annotated[bytes, Meta(max_length=16_384)]
    key_id: Annotated[str, Meta(pattern=whole(r"[0-9a-f]{16}"))]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


def key_id(public_key: bytes) -> str:
    """Return the name of a signing key, by its 32 public bytes: 16 hex digits."""
    return hashlib.sha256(public_key).hexdigest()[:16]
