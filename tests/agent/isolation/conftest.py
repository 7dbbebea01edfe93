from collections.abc import Iterator

import pytest

from tests.agent.isolation.lab import Lab, lab


@pytest.fixture(scope="session")
def network() -> Iterator[Lab]:
    with lab() as found:
        yield found


@pytest.fixture
def built(network: Lab) -> Lab:
    """Return the bridge and its hosts, free and known to the bridge."""
    assert network.reachable()
    return network
