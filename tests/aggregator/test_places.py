"""How many WebSockets may be open, so that nobody shuts out others."""

import asyncio
import contextlib
import socket

from websockets.asyncio.client import connect

from aggregator.api import places
from aggregator.api.identity import Guest, Machine
from aggregator.api.live import TRY_AGAIN_LATER, _wanted
from aggregator.api.places import Places
from aggregator.errors import TooManyAttemptsError
from aggregator.store.devices import KeyOwner
from tests.aggregator.conftest import Centre, close_code_of

HANDSHAKE = (
    "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)


async def taken(places: Places, addresses: list[str], who: Guest | Machine) -> list[bool]:
    """Return who was let in of so many that come and stay."""
    stay = asyncio.Event()
    let_in: list[bool] = []

    async def come(address: str) -> None:
        try:
            places.come_in(address)
            places.sit_down(who)
        except TooManyAttemptsError:
            let_in.append(False)
        else:
            let_in.append(True)
            await stay.wait()

    async with asyncio.TaskGroup() as tasks:
        for address in addresses:
            tasks.create_task(come(address))
        while len(let_in) < len(addresses):  # noqa: ASYNC110
            await asyncio.sleep(0)
        stay.set()
    return let_in


async def test_one_address_one_holder_and_all_together_have_so_many_sockets_and_no_more(
    monkeypatch,
):
    monkeypatch.setattr(places, "MOST", 5)
    monkeypatch.setattr(places, "MOST_OF_ADDRESS", 3)
    monkeypatch.setattr(places, "MOST_OF_HOLDER", 4)
    room = Places()
    guest, device = Guest("default"), Machine(KeyOwner("default", "pi"))
    same = ["192.0.2.1", "::ffff:192.0.2.1"] * 2
    several = [f"192.0.2.{number}" for number in range(6)]
    for _ in range(2):  # who has left leaves room
        assert await taken(room, same, guest) == [True] * 3 + [False]
        assert await taken(room, several, device) == [True] * 4 + [False] * 2
        assert await taken(
            room, ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"], guest
        ) == [True] * 3 + [False]
    monkeypatch.setattr(places, "MOST_OF_HOLDER", 10)
    assert await taken(room, several, guest) == [True] * 5 + [False]
    assert not room._taken


async def test_one_users_sockets_shut_out_nobody_else(centre: Centre):
    text = HANDSHAKE.format(token=centre.token("viewer")).encode()
    with contextlib.ExitStack() as opened:
        for _ in range(places.MOST_OF_HOLDER):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", centre.port)))
            client.sendall(text)
            assert client.recv(1024).startswith(b"HTTP/1.1 101 ")
        await asyncio.sleep(0.3)  # until all of them are known
        headers = {"Authorization": f"Bearer {centre.token('viewer')}"}
        url = f"ws://127.0.0.1:{centre.port}/api/v1/ws"
        async with connect(url, additional_headers=headers) as socket_:
            assert await close_code_of(socket_) == TRY_AGAIN_LATER
            assert socket_.close_reason == "too many WebSockets are open"
        async with (
            centre.watch(username="stranger"),
            centre.async_client("stranger") as stranger,
        ):
            assert (await stranger.get("/alerts")).status_code == 200


def test_types_that_do_not_exist_are_none():
    assert _wanted(None) is None
    assert _wanted("new_alert,x1,") == frozenset({"new_alert"})
    assert _wanted("x1") == frozenset()
