from collections.abc import Iterator

import pytest

from tests.agent.isolation.lab import Lab
from tests.agent.isolation.snmp_switch.runs import free_again, opened
from tests.agent.isolation.switch import Switch, managed


@pytest.fixture(scope="module")
def switch(network: Lab, tmp_path_factory) -> Iterator[Switch]:
    with managed(network, tmp_path_factory.mktemp("switch")) as running:
        yield running


@pytest.fixture
async def built(network: Lab, switch: Switch, tmp_path_factory) -> Lab:
    """Return the lab with every port open, whatever a test before has done."""
    with opened(switch, tmp_path_factory.mktemp("person")) as person:
        await person._open("lan2")
    assert await free_again(network)
    return network


@pytest.fixture
async def isolator(built, switch, tmp_path):
    assert built.reachable()
    with opened(switch, tmp_path) as made:
        yield made
        await made.clear()
