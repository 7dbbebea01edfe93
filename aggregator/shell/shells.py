"""Who may go where over SSH: to devices of their organization, and to the key that is expected there."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from aggregator.config import EVERYWHERE, ShellConfig
from aggregator.errors import ConflictError, LoginRefusedError, NotFoundError, UnreachableError
from aggregator.seal import Seal
from aggregator.shell.ssh import Line, Login, connected
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.device_hosts import (
    WayTo,
    Whose,
    set_host_key,
    way_to_device,
    way_to_host,
)
from aggregator.store.users import SessionUser
from aggregator.throttle import Throttle
from aggregator.turns import Places

KEY_FILE: Final = "shell.key"
NO_KEY_YET: Final = "no key"  # expected where the first one is not trusted
FREE_REFUSALS: Final = 5
MOST_WAIT_S: Final = 300.0


class Shells:
    """Opens lines to devices.

    Args:
        database: Where devices and their keys are.
        seal: Of the passwords.
        config: How long, how many, and whether a first key is trusted.
        home: The organization that runs the installation; others use it to look around in its
            network no more than the settings say.
    """

    def __init__(self, database: Database, seal: Seal, config: ShellConfig, home: str) -> None:
        self._database = database
        self._seal = seal
        self._config = config
        self._home = home
        self._places = Places(
            "SSH lines", most=config.most_lines, most_of_one=config.most_lines_each
        )
        self._refusals = Throttle(FREE_REFUSALS, most_s=MOST_WAIT_S)

    def sealed(self, organization: str, device_id: str, password: str) -> bytes:
        """Return a device's password as it may be kept."""
        return self._seal.close(f"{organization}/{device_id}", password.encode())

    def password(self, organization: str, way: WayTo) -> str:
        """Return the password that was kept of a device.

        Raises:
            ConflictError: None was.
            SealError: It was sealed with another key.
        """
        if way.password is None:
            message = f"{way.device_id}: no password is kept: add the device with one"
            raise ConflictError(message)
        return self._seal.open(f"{organization}/{way.device_id}", way.password).decode()

    async def way_to_device(self, organization: str, device_id: str) -> WayTo:
        """Return how to reach a device.

        Raises:
            NotFoundError: There is none.
        """
        way = await way_to_device(self._database, organization, device_id)
        if way is None:
            message = "no such device"
            raise NotFoundError(message)
        return way

    async def way_to_host(self, organization: str, host: str, port: int) -> WayTo:
        """Return how to reach the device of a host and port.

        Raises:
            NotFoundError: No device of the organization is there.
        """
        way = await way_to_host(self._database, organization, host, port)
        if way is None:
            message = f"no device is enrolled with host {host} and port {port}"
            raise NotFoundError(message)
        return way

    @contextlib.asynccontextmanager
    async def line(
        self, who: SessionUser, way: WayTo, username: str, password: str
    ) -> AsyncIterator[Line]:
        """Connect somebody to a device; the key of the first time is the one that is expected later.

        Raises:
            ConflictError: The device has no host, or another key than the one that is expected.
            InvalidError: The settings do not allow its address.
            TooManyAttemptsError: They, or all of us, have too many lines open, or they were refused
                there too often.
            LoginRefusedError: The device does not let this user in with this password.
            UnreachableError: Nobody answers.
        """
        if way.host is None:
            message = f"{way.device_id}: it is not known where it is: add the device with a host"
            raise ConflictError(message)
        untrusted = not way.host_key and self._config.first_key == "ask"
        expected = NO_KEY_YET if untrusted else way.host_key
        loopback = who.organization == self._home or self._config.networks != EVERYWHERE
        login = Login(way.host, way.port, username, password, expected, loopback)
        with self._places.place(str(who.id)):
            async with contextlib.AsyncExitStack() as stack:
                line = await self._opened(stack, who, way.device_id, login)
                if not way.host_key:
                    await self._expect(who, way.device_id, line.host_key, "on first use")
                yield line

    async def _opened(
        self, stack: contextlib.AsyncExitStack, who: SessionUser, device_id: str, login: Login
    ) -> Line:
        """Connect; who is refused waits longer and longer before trying that device again."""
        guesser = f"{who.id}/{device_id}"
        self._refusals.attempt(guesser)
        try:
            line = await stack.enter_async_context(connected(login, self._config))
        except LoginRefusedError:
            raise
        except ConflictError as error:
            self._refusals.forgive(guesser)
            refused = audit(
                who, "host_key.refuse", device_id, now_ns=time.time_ns(), detail=str(error)
            )
            await self._database.write(refused)
            raise
        except UnreachableError as error:
            self._refusals.forgive(guesser)
            if who.organization == self._home:
                raise
            # One answer for all: how a port is closed is nobody's business but of who runs this.
            message = f"{login.host} port {login.port} is not reached"
            raise UnreachableError(message) from error
        except BaseException:
            self._refusals.forgive(guesser)  # nobody answered: nothing was guessed
            raise
        self._refusals.forget(guesser)
        return line

    async def trust(self, who: SessionUser, device_id: str, host_key: str | None) -> None:
        """Expect this key at a device from now on; None: the next one that is there.

        Raises:
            NotFoundError: There is no such device.
        """
        await self.way_to_device(who.organization, device_id)
        await self._expect(who, device_id, host_key, "by hand")

    async def _expect(
        self, who: SessionUser, device_id: str, host_key: str | None, how: str
    ) -> None:
        await self._database.change(
            Whose,
            set_host_key(who.organization, device_id, host_key),
            audit(
                who,
                "host_key.set",
                device_id,
                now_ns=time.time_ns(),
                detail=how,
                after={"host_key": host_key},
            ),
        )
