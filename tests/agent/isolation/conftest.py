from collections.abc import Iterator

import pytest

from tests.agent.isolation.lab import Lab, lab


@pytest.fixture(scope="session")
def built() -> Iterator[Lab]:
    with lab() as found:
        yield found
