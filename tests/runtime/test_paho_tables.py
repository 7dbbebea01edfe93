"""What paho makes of properties is the same, whether it builds its tables once or for each message."""

import subprocess
import sys

SCRIPT = """
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import MQTTException, Properties
from runtime.paho_tables import build_tables_once

def made(kind):
    properties = Properties(kind)
    for name, value in (
        ("UserProperty", ("a", "1")), ("UserProperty", ("b", "2")), ("ContentType", "text"),
        ("SessionExpiryInterval", 60), ("ReasonString", "so"), ("TopicAlias", 7),
    ):
        try:
            setattr(properties, name, value)
        except MQTTException:
            pass
    packed = bytes(properties.pack())
    again = Properties(kind)
    _, length = again.unpack(packed)
    return packed, length, str(again), again.json(), properties.isEmpty()

kinds = [kind for kind in PacketTypes.indexes if kind not in (PacketTypes.PINGREQ, PacketTypes.PINGRESP)]
before = [made(kind) for kind in kinds]
build_tables_once()
build_tables_once()
assert [made(kind) for kind in kinds] == before
assert len(set(map(repr, before))) > 3
assert set(vars(Properties(PacketTypes.PUBLISH))) == {"packetType"}
print("the same")
"""


def test_properties_are_the_same_with_tables_that_are_shared():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("the same\n", "")
