"""paho builds three tables for the properties of every message; here they are built once."""

from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# What a paho that we know makes of each message, and never changes.
_TABLES = {"types", "names", "properties"}


def build_tables_once() -> None:
    """Share, for the length of this process, what is the same for the properties of all messages.

    To build them anew for each was a quarter of what it costs to take in a small message over MQTT 5.
    Another paho than the ones we know is left as it is.
    """
    made = vars(Properties(PacketTypes.PUBLISH))  # type: ignore[no-untyped-call]
    own = [name for name in made if name not in _TABLES]
    if len(made) != len(_TABLES) + 1 or len(own) != 1:
        return  # shared already, or unknown

    def begin(self: Properties, kind: int) -> None:
        object.__setattr__(self, own[0], kind)

    shared: Any = Properties
    for name in _TABLES:
        setattr(shared, name, made[name])
    shared.__init__ = begin
