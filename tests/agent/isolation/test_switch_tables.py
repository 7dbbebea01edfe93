"""What switches tell of their ports: sparse, doubled, by VLAN, and never believed beyond it."""

from agent.isolation.snmp import Oid, Value
from agent.isolation.switch_tables import INTERFACE, NAME, Tables, read_tables

BY_MAC = (1, 3, 6, 1, 2, 1, 17, 4, 3, 1)
BY_VLAN = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1)
PORT, STATUS = 2, 3
LEARNT, OWN = 3, 4
MAC, MAC_INDEX = "02:00:00:00:00:0b", (2, 0, 0, 0, 0, 11)


Columns = dict[Oid, dict[Oid, Value]]


def learnt(ports: dict[Oid, int], table: Oid = BY_MAC, state: int | None = LEARNT) -> Columns:
    """Return the columns that tell at which base ports hosts are; without a state, of none."""
    states: dict[Oid, Value] = {} if state is None else dict.fromkeys(ports, state)
    return {(*table, PORT): dict(ports), (*table, STATUS): states}


class Answers:
    """A switch with these columns, and nothing in the others."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    async def walk(self, column: Oid) -> dict[Oid, Value]:
        return self._columns.get(column, {})


async def told(columns: Columns, names: list[bytes]) -> Tables:
    """Read a switch whose base port n is interface 100 + n, with these names from port 1 on."""
    ports = range(1, len(names) + 1)
    described: Columns = {
        INTERFACE: {(port,): 100 + port for port in ports},
        NAME: {(100 + port,): names[port - 1] for port in ports},
    }
    return await read_tables(Answers(described | columns))


async def test_a_host_is_at_the_port_that_the_switch_names():
    tables = await told(learnt({MAC_INDEX: 2}), [b"a", b"b"])
    assert tables == Tables({"a": 101, "b": 102}, {"b": frozenset({MAC})})
    assert tables.ports_of(MAC) == ["b"]


async def test_what_is_the_switch_s_own_or_of_no_known_state_is_at_no_port():
    for state in (OWN, None):
        tables = await told(learnt({MAC_INDEX: 1}, state=state), [b"a"])
        assert tables.ports_of(MAC) == []


async def test_a_host_in_two_vlans_may_be_at_two_ports():
    columns = learnt({(1, *MAC_INDEX): 1, (20, *MAC_INDEX): 2}, BY_VLAN)
    tables = await told(columns, [b"a", b"b"])
    assert tables.ports_of(MAC) == ["a", "b"]


async def test_a_name_that_two_ports_have_names_neither():
    tables = await told(learnt({MAC_INDEX: 1}), [b"port", b"port", b"c"])
    assert tables.interfaces == {"c": 103}
    assert tables.ports_of(MAC) == [""]


async def test_a_port_without_a_name_cannot_be_closed():
    tables = await told(learnt({MAC_INDEX: 9}), [b"a", b""])
    assert tables.interfaces == {"a": 101}
    assert tables.ports_of(MAC) == [""]
