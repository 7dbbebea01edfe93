"""Users: added, changed, shut out, given another password; sessions ended; people invited."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from aggregator.api.passwords import check_password
from aggregator.errors import InvalidError
from tests.aggregator.access import new_name
from tests.aggregator.conftest import PASSWORD, Centre, close_code_of

ANOTHER = "battery-staple-9"
_numbers = itertools.count()


def new_user(client: httpx.Client, **fields: object) -> dict[str, Any]:
    body = {"username": f"users-{next(_numbers)}", "password": PASSWORD} | fields
    return dict(client.post("/users", json=body).raise_for_status().json())


def sign_in(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    body = {"username": username, "password": password}
    headers = {"User-Agent": "tests", "Authorization": ""}
    return client.post("/auth/login", json=body, headers=headers)


def me(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})


def test_a_user_is_added_found_and_signs_in(centre: Centre):
    with centre.client() as client:
        made = new_user(client, role="analyst", email="ann@example.net", full_name="Ann Example")
        assert (made["role"], made["is_active"], made["organization"]) == (
            "analyst",
            True,
            "default",
        )
        assert client.get(f"/users/{made['id']}").json() == made
        found = client.get("/users?q=ann EXAMPLE")
        assert (found.json(), found.headers["x-total-count"]) == ([made], "1")
        assert sign_in(client, made["username"]).json()["user"]["id"] == made["id"]
        assert "password" not in client.get("/users").text


def test_a_list_of_users_comes_in_pages(centre: Centre):
    with centre.client() as client:
        everybody = client.get("/users?limit=1000").json()
        page = client.get("/users?skip=1&limit=2")
        assert page.json() == everybody[1:3]
        assert page.headers["x-total-count"] == str(len(everybody))
        admins = client.get("/users?role=admin").json()
        assert {user["role"] for user in admins} == {"admin"}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"username": "VIEWER"}, 409),
        ({"email": "Viewer@example.net"}, 409),
        ({"username": "viewer@example.net"}, 409),
        ({"username": "two words"}, 400),
        ({"username": ""}, 400),
        ({"username": "x" * 65}, 400),
        ({"email": "nowhere"}, 400),
        ({"role": "root"}, 400),
        ({"password": "short"}, 400),
        ({"username": "grace-hopper", "password": "grace-hopper"}, 400),
    ],
)
def test_a_user_who_cannot_be_is_refused(centre: Centre, fields: dict[str, object], status: int):
    body = {"username": "refused", "password": PASSWORD} | fields
    with centre.client() as client:
        answer = client.post("/users", json=body)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "password", ["1234567", "x" * 257, "aaaaaaaaaa", "1212121212", "ada-ada1"]
)
def test_a_password_that_is_guessed_first_is_refused(password: str):
    with pytest.raises(InvalidError):
        check_password(password, "Ada", None)


@pytest.mark.parametrize(
    "password", ["correct horse battery", "ada counts to nine", "пароль-ключ"]
)
def test_which_characters_a_password_has_is_its_owners_choice(password: str):
    check_password(password, "Ada", "ada@example.net")


def test_who_is_shut_out_is_out_at_once_with_all_tokens(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        token = sign_in(client, user["username"]).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        api = client.post("/auth/tokens", json={"name": "t"}, headers=headers).json()["token"]
        assert me(client, api).status_code == 200
        shut = client.patch(f"/users/{user['id']}", json={"is_active": False})
        assert shut.json()["is_active"] is False
        assert me(client, token).status_code == me(client, api).status_code == 401
        assert sign_in(client, user["username"]).status_code == 401
        client.patch(f"/users/{user['id']}", json={"is_active": True}).raise_for_status()
        assert sign_in(client, user["username"]).status_code == 200
        assert me(client, token).status_code == me(client, api).status_code == 401


async def test_the_feed_of_who_is_shut_out_closes_within_five_seconds(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        token = sign_in(client, user["username"]).json()["access_token"]
        feed = f"ws://127.0.0.1:{centre.port}/api/v1/ws"
        headers = {"Authorization": f"Bearer {token}"}
        async with asyncio.timeout(15), connect(feed, additional_headers=headers) as socket:
            client.patch(f"/users/{user['id']}", json={"is_active": False}).raise_for_status()
            async with asyncio.timeout(5):
                assert await close_code_of(socket) == 4401


def test_another_role_holds_from_the_next_request_on(centre: Centre):
    with centre.client() as client:
        user = new_user(client, role="operator")
        token = sign_in(client, user["username"]).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        body = {"name": "t", "role": "operator"}
        api = client.post("/auth/tokens", json=body, headers=headers).json()["token"]
        client.patch(f"/users/{user['id']}", json={"role": "viewer"}).raise_for_status()
        for shown in (token, api):
            assert me(client, shown).json()["role"] == "viewer"


def test_a_role_or_an_address_that_cannot_be_is_refused(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        for change, status in (
            ({"role": "root"}, 400),
            ({"email": "viewer@example.net"}, 409),
            ({"rolle": "admin"}, 400),
        ):
            assert client.patch(f"/users/{user['id']}", json=change).status_code == status
        for number, status in ((2**53, 404), (2**63, 400), (-(2**70), 400)):
            assert client.delete(f"/users/{number}/sessions/x").status_code == status


def test_the_last_admin_of_an_organization_stays(centre: Centre):
    with centre.client("stranger") as client:
        own = client.get("/auth/me").json()["id"]
        for change in ({"role": "viewer"}, {"is_active": False}):
            assert client.patch(f"/users/{own}", json=change).status_code == 409
        other = new_user(client, role="admin")
        client.patch(f"/users/{other['id']}", json={"is_active": False}).raise_for_status()
        assert client.patch(f"/users/{own}", json={"role": "viewer"}).status_code == 409


def test_a_new_password_ends_every_session(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        token = sign_in(client, user["username"]).json()["access_token"]
        answer = client.post(f"/users/{user['id']}/password", json={"password": ANOTHER})
        assert answer.json()["password"] is None
        assert me(client, token).status_code == 401
        assert sign_in(client, user["username"]).status_code == 401
        assert sign_in(client, user["username"], ANOTHER).status_code == 200
        made_up = client.post(f"/users/{user['id']}/password", json={}).json()["password"]
        assert sign_in(client, user["username"], made_up).status_code == 200


def test_people_change_their_own_password_with_the_one_they_have(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        token = sign_in(client, user["username"]).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        body = {"current_password": "wrong", "new_password": ANOTHER}
        assert client.put("/auth/password", json=body, headers=headers).status_code == 403
        body = {"current_password": PASSWORD, "new_password": user["username"]}
        assert client.put("/auth/password", json=body, headers=headers).status_code == 400
        body = {"current_password": PASSWORD, "new_password": ANOTHER}
        assert client.put("/auth/password", json=body, headers=headers).status_code == 200
        assert me(client, token).status_code == 401
        assert sign_in(client, user["username"], ANOTHER).status_code == 200


def test_sessions_are_shown_and_ended_one_by_one_or_all(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        tokens = [sign_in(client, user["username"]).json()["access_token"] for _ in range(3)]
        path = f"/users/{user['id']}/sessions"
        shown = client.get(path)
        assert shown.headers["x-total-count"] == "3"
        newest = shown.json()[0]
        assert (newest["address"], newest["program"], newest["current"]) == (
            "127.0.0.1",
            "tests",
            False,
        )
        assert client.delete(f"{path}/{newest['session_id']}").status_code == 204
        assert client.delete(f"{path}/{newest['session_id']}").status_code == 404
        assert [me(client, token).status_code for token in tokens] == [200, 200, 401]
        assert client.delete(path).status_code == 204
        assert [me(client, token).status_code for token in tokens] == [401] * 3
        assert client.get(path).json() == []


def test_people_see_and_end_their_own_sessions_and_no_others(centre: Centre):
    with centre.client() as client:
        user = new_user(client)
        tokens = [sign_in(client, user["username"]).json()["access_token"] for _ in range(2)]
        (foreign, *_) = client.get("/auth/sessions").json()
        headers = {"Authorization": f"Bearer {tokens[1]}"}
        shown = client.get("/auth/sessions", headers=headers)
        assert shown.headers["x-total-count"] == "2"
        assert [session["current"] for session in shown.json()] == [True, False]
        first = shown.json()[1]["session_id"]
        for session_id, status in ((first, 204), (first, 404), (foreign["session_id"], 404)):
            answer = client.delete(f"/auth/sessions/{session_id}", headers=headers)
            assert answer.status_code == status
        assert [me(client, token).status_code for token in tokens] == [401, 200]


def test_nobody_registers_unless_registration_is_open(centre: Centre):
    with centre.client() as client:
        body = {"username": "uninvited", "password": PASSWORD}
        for invite in ({}, {"invite": "ewi_guessed"}):
            assert client.post("/auth/register", json=body | invite).status_code == 403


def test_an_invite_is_good_once_for_its_role_and_its_address(centre: Centre):
    with centre.client() as client:
        wanted = {"role": "operator", "email": "new@example.net"}
        invite = client.post("/invites", json=wanted).raise_for_status().json()
        listed = client.get("/invites").json()
        assert invite["id"] in [one["id"] for one in listed]
        assert invite["token"] not in client.get("/invites").text
        body = {"password": PASSWORD, "invite": invite["token"]}
        wrong = client.post("/auth/register", json=body | {"email": "other@example.net"})
        assert wrong.status_code == 403
        weak = body | {"email": "new@example.net", "password": "new@example.net"}
        assert client.post("/auth/register", json=weak).status_code == 400
        made = client.post("/auth/register", json=body | {"email": "new@example.net"})
        assert made.status_code == 201
        assert (made.json()["role"], made.json()["username"]) == ("operator", "new@example.net")
        again = body | {"username": "another", "email": "new@example.net"}
        assert client.post("/auth/register", json=again).status_code == 403
        assert sign_in(client, "new@example.net").status_code == 200


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "operator"}])
def test_an_invite_ends_with_the_right_of_who_made_it(centre: Centre, change: dict[str, object]):
    body = {"username": new_name(), "password": PASSWORD, "role": "admin"}
    with centre.client() as admin:
        maker = admin.post("/users", json=body).raise_for_status().json()
        token = admin.post("/auth/login", json=body).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        wanted = {"role": "admin"}
        invite = admin.post("/invites", json=wanted, headers=headers).raise_for_status().json()
        admin.patch(f"/users/{maker['id']}", json=change).raise_for_status()
        guest = {"username": new_name(), "password": PASSWORD, "invite": invite["token"]}
        assert admin.post("/auth/register", json=guest).status_code == 403


def test_an_invite_that_was_taken_back_is_good_for_nobody(centre: Centre):
    with centre.client() as client:
        invite = client.post("/invites", json={}).json()
        assert client.delete(f"/invites/{invite['id']}").status_code == 204
        assert client.delete(f"/invites/{invite['id']}").status_code == 404
        body = {"username": "late", "password": PASSWORD, "invite": invite["token"]}
        assert client.post("/auth/register", json=body).status_code == 403


async def test_of_two_who_use_one_invite_at_once_one_comes_in(centre: Centre):
    with centre.client() as client:
        invite = client.post("/invites", json={}).json()
    url = f"{centre.url}/api/v1/auth/register"
    async with httpx.AsyncClient() as http, asyncio.TaskGroup() as tasks:
        bodies = [
            {"username": f"twin-{number}", "password": PASSWORD, "invite": invite["token"]}
            for number in range(2)
        ]
        asked = [tasks.create_task(http.post(url, json=body)) for body in bodies]
    assert sorted(task.result().status_code for task in asked) in ([201, 403], [201, 409])


def test_open_registration_makes_viewers_and_closed_makes_nobody(tmp_path: Path):
    centre = Centre(tmp_path)
    body = {"email": "walk-in@example.net", "password": PASSWORD}
    for setting, status in (("closed", 403), ("open", 201)):
        centre.more["EDGEWARDEN_AUTH__REGISTRATION"] = setting
        centre.start()
        answer = httpx.post(f"{centre.url}/api/v1/auth/register", json=body)
        with centre.client() as client:
            invited = client.post("/invites", json={}).status_code
        assert centre.stop() == 0
        centre._tokens.clear()
        assert answer.status_code == status, answer.text
        assert invited == (201 if setting == "open" else 409)
    assert (answer.json()["role"], answer.json()["organization"]) == ("viewer", "default")


def test_who_registers_ever_more_has_to_wait_and_keeps_nobody_from_signing_in(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_AUTH__REGISTRATION"] = "open"
    centre.start()
    with centre.client(None) as client:
        body = {"username": "again", "password": "short"}
        statuses = [client.post("/auth/register", json=body).status_code for _ in range(22)]
        signed_in = sign_in(client, "admin").status_code
    assert centre.stop() == 0
    assert statuses[:20] == [400] * 20
    assert statuses[-1] == 429
    assert signed_in == 200


def test_an_organization_begins_with_its_admin_and_sees_only_itself(centre: Centre):
    admin = {"username": "acme-admin", "password": PASSWORD, "email": "acme@example.net"}
    body = {"organization": "acme", "name": "Acme", "admin": admin}
    with centre.client() as client:
        assert client.post("/organizations", json=body).status_code == 201
        assert client.post("/organizations", json=body).status_code == 409
        taken = body | {"organization": "acme-2"}
        assert client.post("/organizations", json=taken).status_code == 409
        listed = [one["organization"] for one in client.get("/organizations").json()]
        assert {"acme", "default", "elsewhere"} <= set(listed)
        assert "acme-2" not in listed
        assert client.get("/organizations/acme").json()["name"] == "Acme"
        token = sign_in(client, "acme-admin").json()["access_token"]
    theirs = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{centre.url}/api/v1", headers=theirs) as client:
        (own,) = client.get("/organizations").json()
        assert own["organization"] == "acme"
        assert [user["username"] for user in client.get("/users").json()] == ["acme-admin"]
        renamed = client.patch("/organizations/acme", json={"name": "Acme Ltd"}).json()
        assert renamed["name"] == "Acme Ltd"
        for path in ("/organizations/default", "/organizations/nowhere"):
            assert client.get(path).status_code == 404
        assert client.post("/organizations", json=body | {"organization": "b"}).status_code == 403
        (made, *_) = reversed(client.get("/audit").json())
        assert (made["action"], made["username"]) == ("organization.create", "admin")


def test_names_of_another_organization_are_not_read_by_asking_for_them(centre: Centre):
    admin = {"username": "prober", "password": PASSWORD, "email": "prober@example.net"}
    with centre.client() as client:
        body = {"organization": "probers", "name": "Probers", "admin": admin}
        client.post("/organizations", json=body).raise_for_status()
        signed_in = sign_in(client, "prober").json()
    theirs = {"Authorization": f"Bearer {signed_in['access_token']}"}
    with httpx.Client(base_url=f"{centre.url}/api/v1", headers=theirs) as client:
        new_user(client, username="prober-2")
        own = f"/users/{signed_in['user']['id']}"
        asked = [client.patch(own, json={"email": "viewer@example.net"}) for _ in range(24)]
        taken = {"username": "viewer", "password": PASSWORD}
        created = [client.post("/users", json=taken).status_code for _ in range(5)]
        assert client.patch(own, json={"full_name": "P. Rober"}).status_code == 200
    assert [answer.status_code for answer in asked[:20]] == [409] * 20
    waiting = [answer for answer in asked[20:] if answer.status_code == 429]
    assert waiting
    assert "retry-after" in waiting[0].headers
    assert 429 in created


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "x" * 100])
def test_an_organization_needs_a_name_that_fits_into_a_topic(centre: Centre, name: str):
    admin = {"username": "fits-admin", "password": PASSWORD}
    with centre.client() as client:
        answer = client.post("/organizations", json={"organization": name, "admin": admin})
    assert answer.status_code == 400
