"""The description of the API holds: whatever is sent, the answer is one that it names."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aggregator.store.database import FILE_NAME, Database
from tests.aggregator.access import RULES, makes_device
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert

EXAMPLES = 25
FIRST_ID = 100_000  # out of the reach of made-up numbers, which would shut the asker out
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
DESCRIBED = [
    route
    for route in RULES
    if route.partition(" ")[2].startswith(("/api/", "/health", "/readyz", "/alerts", "/message"))
    and not route.startswith("WS ")
    and "/schema" not in route
    and not route.endswith("docs")
    and not route.endswith("redoc")
    and "api.json" not in route
]
PLAIN = {path for _, _, path in (route.partition(" ") for route in DESCRIBED) if "{" not in path}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """A centre of its own, since anything may happen to what it holds."""
    centre = Centre(tmp_path_factory.mktemp("described"))
    centre.more["EDGEWARDEN_AUTH__REGISTRATION"] = "open"
    asyncio.run(_migrate(centre))
    with duckdb.connect(str(centre.data / FILE_NAME)) as stored:
        for sequence in ("store.user_ids", "store.api_token_ids"):
            stored.execute("SELECT nextval($1) FROM range($2)", [sequence, FIRST_ID]).fetchall()
    centre.start()
    centre.told("described-pi", alert(1))
    with centre.client() as client:
        makes_device(client)
    yield centre
    assert centre.stop() == 0
    assert "Traceback" not in centre.log.read_text(), centre.log.read_text()


async def _migrate(centre: Centre) -> None:
    async with Database(centre.data):
        pass


@pytest.fixture(scope="module")
def api(described: Centre) -> Any:
    return schemathesis.openapi.from_url(f"{described.url}/api/v1/openapi.json")


@pytest.fixture(scope="module")
def tokens(described: Centre) -> dict[str, str]:
    """What each route is asked with: made before wrong passwords are tried, and waited for."""
    body = {"username": "admin", "password": PASSWORD}
    with described.client() as client:
        token = client.post("/auth/tokens", json={"name": "t", "role": "admin"}).json()["token"]
        return {
            route: client.post("/auth/login", json=body).json()["access_token"]
            if RULES[route].session
            else token
            for route in DESCRIBED
        }


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("route", DESCRIBED)
def test_every_answer_is_one_that_is_described(
    tokens: dict[str, str], api: Any, route: str, mode: GenerationMode
):
    method, _, path = route.partition(" ")
    operation = api[path][method]
    headers = {"Authorization": f"Bearer {tokens[route]}"}
    answers = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        assume(path in PLAIN or case.formatted_path not in PLAIN)  # a word that is another path
        answer = case.call(headers=headers)
        answers.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    with contextlib.suppress(Unsatisfiable):  # without parameters nothing can be sent wrong
        ask()
        let_in = answers - {401} or RULES[route].fresh or RULES[route].least == "everybody"
        assert let_in, "nothing was tried"


def test_every_route_is_described_with_how_to_get_in(described: Centre):
    with described.client(None) as client:
        paths = client.get("/openapi.json").json()["paths"]
    for route in DESCRIBED:
        method, _, path = route.partition(" ")
        operation = paths[path][method.lower()]
        secured = RULES[route].least != "everybody"
        assert ("security" in operation) == secured, route
        assert ({"401", "403"} <= operation["responses"].keys()) or not secured


def test_a_word_that_is_another_path_which_takes_no_such_method_is_described(described: Centre):
    with described.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
        assert client.patch("/alerts/export", json={}).status_code == 405
    assert "405" in paths["/api/v1/alerts/{alert_id}"]["patch"]["responses"]
    assert "405" not in paths["/api/v1/alerts/export"]["get"]["responses"]
