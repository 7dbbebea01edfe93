"""Every route of the application for nobody, every role, devices, tokens and strangers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar.routes import HTTPRoute, WebSocketRoute
from websockets.asyncio.client import connect

from aggregator.api.app import Parts, create_api
from aggregator.api.authenticator import Authenticator
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.calls import Calls
from aggregator.api.health import BrokerState
from aggregator.commands.commander import Commander
from aggregator.commands.convergence import Convergence
from aggregator.commands.signing import load_signer
from aggregator.config import (
    AuthConfig,
    CommandsConfig,
    EnrolmentConfig,
    HttpConfig,
    ModelsConfig,
    NotificationsConfig,
    QueryConfig,
    ShellConfig,
    StoreConfig,
)
from aggregator.export.exporter import Exporter
from aggregator.live import LiveFeed
from aggregator.notify.delivery import Delivery
from aggregator.presence import PresenceKeeper
from aggregator.sandbox.runner import Sandbox
from aggregator.seal import Seal
from aggregator.shell.recording import Recordings
from aggregator.shell.shells import Shells
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.database import Database
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.history import History
from aggregator.store.models import ModelFiles
from aggregator.store.room import Room
from aggregator.wall import Wall
from tests.aggregator.access import ALERT, MARK, NOWHERE, RANKS, RULES, Rule, filled, new_name
from tests.aggregator.conftest import PASSWORD, TLS, Centre
from tests.aggregator.messages import alert

DEVICE = f"{MARK}-pi"
HTTP = [route for route in RULES if not route.startswith("WS ")]
CLOSED = [route for route in HTTP if RULES[route].least != "everybody"]
SOCKETS = [route.removeprefix("WS ") for route in RULES if route.startswith("WS ")]


def routes(folder: Path) -> Iterator[str]:
    """Return every route that the application has, as rules name them."""
    database, live = Database(folder), LiveFeed()
    archive = Archive(database)
    commander = Commander(database, live, load_signer(folder), CommandsConfig())
    parts = Parts(
        database=database,
        live=live,
        authenticator=Authenticator(database, AuthConfig(), b"-" * 32),
        calls=Calls(database),
        http=HttpConfig(),
        auth=AuthConfig(),
        enrolment=EnrolmentConfig(),
        ask_broker=lambda: BrokerState(connected=False, name=""),
        wall=Wall(database, live),
        presence=PresenceKeeper(database, live),
        codes=AuthorizationCodes(database, b"-" * 32),
        commander=commander,
        convergence=Convergence(database, commander),
        models=ModelsConfig(),
        model_files=ModelFiles(folder),
        delivery=Delivery(NotificationsConfig(), Seal(b"-" * 32, "key")),
        guests={},
        sandbox=Sandbox(database, archive, QueryConfig()),
        room=Room(folder, 0),
        backups=Backups(database, archive),
        archive=archive,
        history=History(database, archive),
        evidence=EvidenceFiles(database, StoreConfig(path=folder)),
        exporter=Exporter(database, live, []),
        ask_ingest=dict,
        shells=Shells(database, Seal(b"-" * 32, "key"), ShellConfig(), "default"),
        recordings=Recordings(database, folder),
        shell=ShellConfig(),
    )
    for route in create_api(parts).routes:
        if isinstance(route, HTTPRoute):
            yield from (
                f"{method} {route.path_format}" for method in route.methods - {"OPTIONS", "HEAD"}
            )
        else:
            assert isinstance(route, WebSocketRoute), "mounted: nothing guards it"
            yield f"WS {route.path_format}"


class Matrix:
    """What the matrix asks about, and the ways of asking."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.admin = self.client(centre.token("admin"))
        self.keys = [self._enrol(DEVICE), self._enrol(f"{DEVICE}-2")]
        body = {"username": f"{MARK}-user", "password": PASSWORD}
        user = self.admin.post("/users", json=body).raise_for_status().json()
        token = {"name": MARK, "role": "admin"}
        self.token = self.admin.post("/auth/tokens", json=token).raise_for_status().json()
        self.names: dict[str, object] = {
            "alert_id": ALERT,
            "device_id": DEVICE,
            "file_path": "style.css",
            "incident_id": self.admin.get(f"/alerts/{ALERT}").json()["incident_id"],
            "organization": "default",
            "path": "nowhere",
            "user_id": user["id"],
        }

    def _enrol(self, device_id: str) -> str:
        answer = self.admin.post("/devices", json={"device_id": device_id}).raise_for_status()
        return str(answer.json()["api_key"])

    def client(self, token: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        base_url = f"{self.centre.url}/api/v1"
        return httpx.Client(base_url=base_url, headers=headers, timeout=30, verify=TLS)

    def made(self, rule: Rule) -> dict[str, object]:
        return NOWHERE | self.names | (rule.makes(self.admin) if rule.makes else {})

    def ask(
        self, route: str, client: httpx.Client, names: dict[str, object] | None = None
    ) -> httpx.Response:
        method, _, path = route.partition(" ")
        rule = RULES[route]
        names = NOWHERE | self.names | {"name": new_name()} | (names or {})
        url = self.centre.url + path.format(**names)
        return client.request(method, url, json=filled(rule.body, names))

    def fresh(self, role: str) -> httpx.Client:
        """Sign in as a user who is needed once."""
        body = {"username": new_name(), "password": PASSWORD, "role": role}
        self.admin.post("/users", json=body).raise_for_status()
        signed_in = self.admin.post("/auth/login", json=body).raise_for_status()
        return self.client(signed_in.json()["access_token"])

    def entries(self) -> int:
        return int(self.admin.get("/audit?limit=1").headers["x-total-count"])


@pytest.fixture(scope="module")
def matrix(centre: Centre) -> Iterator[Matrix]:
    centre.told(f"{MARK}-told", alert(int(ALERT, 16)))
    matrix = Matrix(centre)
    with contextlib.closing(matrix.admin):
        yield matrix


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
def test_every_route_has_a_rule_and_every_rule_a_route(tmp_path: Path):
    assert sorted(routes(tmp_path)) == sorted(RULES)


@pytest.mark.parametrize("route", CLOSED)
def test_nobody_gets_in(matrix: Matrix, route: str):
    for authorization in (
        None,
        "Basic YTpi",
        "Bearer",
        "Bearer x",
        "Bearer ewd_x",
        "Bearer ewt_x",
    ):
        headers = {"Authorization": authorization} if authorization else {}
        with httpx.Client(headers=headers, verify=TLS) as client:
            answer = matrix.ask(route, client)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["detail"]


@pytest.mark.parametrize("route", HTTP)
def test_a_role_opens_what_it_may_and_what_it_changes_is_in_the_audit(matrix: Matrix, route: str):
    rule = RULES[route]
    changes = rule.least != "everybody" and not route.startswith("GET ")
    audited = changes if rule.audited is None else rule.audited
    for role in RANKS:
        may = rule.least == "everybody" or RANKS.index(role) >= RANKS.index(rule.least)
        own = rule.makes is not None and "/auth/" in route
        client = matrix.fresh(role) if rule.fresh else matrix.client(matrix.centre.token(role))
        with client:
            names = rule.makes(client) if own and rule.makes else matrix.made(rule) if may else {}
            before = matrix.entries()
            answer = matrix.ask(route, client, names)
        assert answer.status_code == (rule.answer if may else 403), (role, answer.text)
        if may and audited:
            assert matrix.entries() > before, role


@pytest.mark.parametrize("route", CLOSED)
def test_a_device_opens_what_it_tells_of_itself_and_nothing_of_others(matrix: Matrix, route: str):
    own, other = matrix.keys
    with matrix.client(own) as client:
        answer = matrix.ask(route, client)
    assert answer.status_code == (RULES[route].answer if RULES[route].device else 403)
    with matrix.client(other) as client:
        assert matrix.ask(route, client).status_code == 403


@pytest.mark.parametrize("route", CLOSED)
def test_a_token_opens_what_its_role_may_unless_a_password_is_needed(matrix: Matrix, route: str):
    rule = RULES[route]
    with matrix.client(matrix.token["token"]) as client:
        answer = matrix.ask(route, client, matrix.made(rule) if not rule.session else None)
    assert answer.status_code == (403 if rule.session else rule.answer), answer.text


@pytest.mark.parametrize("route", CLOSED)
def test_another_organization_is_told_nothing_not_even_that_something_exists(
    matrix: Matrix, route: str
):
    rule = RULES[route]
    ours = matrix.made(rule)
    with matrix.client(matrix.centre.token("stranger")) as client:
        if "{" in route:
            answer = matrix.ask(route, client, ours)
            assert answer.status_code == 404, answer.text
            assert answer.json() == matrix.ask(route, client, NOWHERE).json()
        elif route.startswith("GET "):
            answer = matrix.ask(route, client)
            assert answer.status_code == 200
            assert MARK not in answer.text
        elif route == "POST /api/v1/organizations":
            assert matrix.ask(route, client, ours).status_code == 403


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_socket_is_closed_to_nobody_and_to_devices(matrix: Matrix, path: str):
    url = f"ws://127.0.0.1:{matrix.centre.port}{path}"
    keys = [] if RULES[f"WS {path}"].device else matrix.keys
    for token in ("x", *keys):
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers) as socket:
            with contextlib.suppress(Exception):
                await socket.recv()
            assert socket.close_code == 4401
