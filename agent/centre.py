"""The centre's API over HTTPS: what a broker is not for."""

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from agent.errors import CentreError
from runtime.errors import ConfigError
from runtime.tls import client_context

TIMEOUT_S: Final = 15.0  # of each wait
MAX_ANSWER_BYTES: Final = 256 * 1024
FILE_S: Final = 120.0  # for all of a file
_PIECE_BYTES: Final = 64 * 1024
_UNVOUCHED: Final = frozenset({18, 19, 20, 21})  # OpenSSL: who signed it is nobody that we know


class _Problem(msgspec.Struct):
    detail: str


class Centre:
    """Where the centre serves its API, and who vouches for it.

    Args:
        url: https, or http on this machine.
        ca_file: Who vouches for the centre; None: the system's authorities.

    Raises:
        CentreError: The address is none, or others could read what is sent there. Later: the
            centre cannot be reached, cannot be trusted, or refuses.
    """

    def __init__(self, url: str, ca_file: Path | None) -> None:
        self._url = url
        self._ca_file = ca_file
        self._place = urlsplit(url)
        self.host = self._place.hostname or ""
        if not self.host or self._place.scheme not in {"http", "https"} or not self._port_is_one():
            message = f"{url!r} is no address: give https://host or https://host:port"
            raise CentreError(message)
        if self._place.scheme == "http" and not _is_here(self.host):
            message = f"{url}: the code and the keys would be read on the way; use https"
            raise CentreError(message)

    def post(self, path: str, body: bytes, wanted: HTTPStatus) -> bytes:
        """Send JSON; return the answer of the status that is wanted."""
        headers = {"Content-Type": "application/json"}
        with self._answer("POST", path, body, headers) as answer:
            self._require(answer, wanted)
            return answer.read(MAX_ANSWER_BYTES)

    def fetch(
        self,
        path: str,
        key: str,
        most_bytes: int,
        wanted: frozenset[HTTPStatus] = frozenset({HTTPStatus.OK}),
    ) -> tuple[int, bytes]:
        """Return what a key opens.

        Args:
            path: Where it is.
            key: An API key or token.
            most_bytes: As many it may have.
            wanted: Statuses that are no refusal.

        Returns:
            The status of the answer, and its body.
        """
        until_s = time.monotonic() + FILE_S
        data = bytearray()
        headers = {"Authorization": f"Bearer {key}"}
        with self._answer("GET", path, None, headers) as answer:
            self._require(answer, *wanted)
            while piece := answer.read(_PIECE_BYTES):
                data += piece
                if len(data) > most_bytes or time.monotonic() > until_s:
                    message = f"{self._url}{path}: too large, or too slow"
                    raise CentreError(message)
            return answer.status, bytes(data)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            with closing(self._connection()) as connection:
                connection.request(method, self._place.path.rstrip("/") + path, body, headers)
                yield connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            known = error.verify_code not in _UNVOUCHED
            hint = "" if known else "; name its authority's file: --ca-file, ca_file in [centre]"
            message = f"{self._url}: its certificate: {error.verify_message}{hint}"
            raise CentreError(message) from error
        except (OSError, ValueError, ConfigError, http.client.HTTPException) as error:
            message = f"{self._url}: {error}"
            raise CentreError(message) from error

    def _require(self, answer: http.client.HTTPResponse, *wanted: HTTPStatus) -> None:
        if answer.status in wanted:
            return
        told = answer.read(MAX_ANSWER_BYTES)
        try:
            detail = msgspec.json.decode(told, type=_Problem).detail
        except msgspec.MsgspecError:
            detail = f"answers {answer.status}"
        message = f"{self._url}: {detail}"
        raise CentreError(message)

    def _connection(self) -> http.client.HTTPConnection:
        port = self._place.port
        if self._place.scheme == "http":
            return http.client.HTTPConnection(self.host, port, timeout=TIMEOUT_S)
        context = client_context(self._ca_file, whose="the centre")
        return http.client.HTTPSConnection(self.host, port, timeout=TIMEOUT_S, context=context)

    def _port_is_one(self) -> bool:
        try:
            return self._place.port != 0
        except ValueError:
            return False


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
