"""A running service, spoken to over HTTP by the commands that need what it holds."""

import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit

import msgspec

from aggregator.config import HttpConfig
from aggregator.errors import ServiceError

TOKEN_VARIABLE = "EDGEWARDEN_TOKEN"  # noqa: S105  the name of a variable
TIMEOUT_S = 3700.0  # the service may copy its database for an hour before it answers
MAX_PROBLEM_BYTES = 64 * 1024
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where it listens, seen from here


class _Tokens(msgspec.Struct):
    access_token: str


class _Problem(msgspec.Struct):
    detail: str


class Login(msgspec.Struct, frozen=True):
    """Who speaks to the service; the password is asked for when it is needed."""

    username: str
    ask_password: Callable[[], str]
    authorization_code: str | None = None


class Service:
    """The service at an address.

    Args:
        url: Where it is.
        login: Who asks, unless the variable EDGEWARDEN_TOKEN holds a token.
    """

    def __init__(self, url: str, login: Login) -> None:
        self.url = url
        self.authorization_code = login.authorization_code
        self._login = login
        self._token = os.environ.get(TOKEN_VARIABLE)

    @contextmanager
    def post(self, path: str, body: object = None) -> Iterator[IO[bytes]]:
        """Ask, and give the answer to be read.

        Raises:
            ServiceError: It refuses, or does not answer.
        """
        if self._token is None:
            self._token = self._sign_in()
        with self._post(path, body, {"Authorization": f"Bearer {self._token}"}) as answer:
            yield answer

    def _sign_in(self) -> str:
        body = {"username": self._login.username, "password": self._login.ask_password()}
        with self._post("/auth/login", body, {}) as answer:
            return msgspec.json.decode(answer.read(), type=_Tokens).access_token

    @contextmanager
    def _post(
        self, path: str, body: object, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _connection(self.url)
        try:
            headers = headers | {"Content-Type": "application/json"}
            connection.request("POST", f"/api/v1{path}", msgspec.json.encode(body), headers)
            answer = connection.getresponse()
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise ServiceError(_why(answer))
            yield answer
        except (OSError, http.client.HTTPException) as error:
            message = f"{self.url}: {error}"
            raise ServiceError(message) from error
        finally:
            connection.close()


def url_of(config: HttpConfig) -> str:
    """Return where a service with these settings is reached from its own machine."""
    host = EVERYWHERE.get(config.host, config.host)
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{url}: give an address such as http://127.0.0.1:8000"
        raise ServiceError(message)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT_S)


def _why(answer: http.client.HTTPResponse) -> str:
    try:
        problem = msgspec.json.decode(answer.read(MAX_PROBLEM_BYTES), type=_Problem)
    except msgspec.DecodeError:
        return f"the service answered {answer.status} {answer.reason}"
    return problem.detail
