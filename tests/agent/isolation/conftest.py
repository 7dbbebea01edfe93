from collections.abc import Callable, Iterator

import pytest

from agent.isolation.desired import DesiredIsolations
from agent.isolation.lease_file import LeaseFile
from tests.agent.isolation.desired_runs import Clock, Stubborn
from tests.agent.isolation.lab import Lab, lab


@pytest.fixture(scope="session")
def network() -> Iterator[Lab]:
    with lab() as found:
        yield found


@pytest.fixture
def built(network: Lab) -> Lab:
    """Return the bridge and its hosts, free and known to the bridge."""
    assert network.meets()
    return network


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enforcer(clock) -> Stubborn:
    return Stubborn(clock)


@pytest.fixture
def file(tmp_path) -> LeaseFile:
    return LeaseFile(tmp_path)


@pytest.fixture
def started(enforcer, clock, file) -> Callable[[], DesiredIsolations]:
    """Start the agent, again if it ran before."""
    return lambda: DesiredIsolations(enforcer, file, clock, clock.passed, clock.boot)


@pytest.fixture
def desired(started: Callable[[], DesiredIsolations]) -> DesiredIsolations:
    return started()
