"""What the core asks the world to do."""

import msgspec

from contract.messages import AnyMessage, Isolation


class Publish(msgspec.Struct, frozen=True):
    """Tell the centre."""

    message: AnyMessage


class Isolate(msgspec.Struct, frozen=True):
    """Cut off whom the isolation names, until it expires."""

    isolation: Isolation


Effect = Publish | Isolate
