"""Where a channel goes: sealed before it is kept, for it holds tokens and secrets."""

from typing import Final

import msgspec

from aggregator.errors import DeliveryError, SealError
from aggregator.seal import Seal

KEY_FILE: Final = "notifications.key"


class Address(msgspec.Struct, frozen=True):
    """Where a channel goes, with everything that nobody else may know."""

    url: str
    secret: str = ""  # by which a webhook tells that it is us


def closed(seal: Seal, organization: str, address: Address) -> bytes:
    """Return an address of an organization as it may be kept."""
    return seal.close(organization, msgspec.json.encode(address))


def opened(seal: Seal, organization: str, sealed: bytes) -> Address:
    """Return an address that was sealed.

    Raises:
        DeliveryError: It was sealed with another key, or for another organization.
    """
    try:
        return msgspec.json.decode(seal.open(organization, sealed), type=Address)
    except SealError as error:
        raise DeliveryError(str(error), final=True) from error
