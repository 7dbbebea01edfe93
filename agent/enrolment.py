"""A code shown to the centre once, for the keys that this box then has."""

import http.client
import json
import os
import ssl
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from agent.errors import EnrolmentError
from contract import enrolment
from contract.enrolment import BrokerLogin, Enrolled, EnrolmentRequest
from runtime.files import write_whole

TIMEOUT_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 256 * 1024
SERVICE_FOLDER: Final = Path("/etc/edgewarden/credentials/agent")
SERVICE_CREDENTIALS: Final = "/run/credentials/edgewarden-agent.service/broker_"  # of that folder
API_KEY_FILE: Final = "api.key"
PASSWORD_FILE: Final = "password"  # noqa: S105  the name of a file
COMMANDS_FILE: Final = "commands.pem"
AUTHORITY_FILE: Final = "ca.crt"


def enrol(url: str, request: EnrolmentRequest, ca_file: Path | None) -> Enrolled:
    """Show a code to the centre.

    Args:
        url: Where the centre serves its API; https, or http on this machine.
        request: The code, and what this box says of itself.
        ca_file: Who vouches for the centre; None: the system's authorities.

    Raises:
        EnrolmentError: The centre cannot be reached, cannot be trusted, or refuses.
    """
    place = _place(url)
    try:
        status, answer = _post(place, msgspec.json.encode(request), ca_file)
        if status == HTTPStatus.CREATED:
            given = msgspec.json.decode(answer, type=Enrolled)
            if not given.broker.host:
                login = msgspec.structs.replace(given.broker, host=place.hostname or "")
                return msgspec.structs.replace(given, broker=login)
            return given
    except (OSError, http.client.HTTPException) as error:
        message = f"{url}: {error}"
        raise EnrolmentError(message) from error
    except msgspec.MsgspecError as error:
        message = f"{url} answers what is no enrolment: is it the centre's address?"
        raise EnrolmentError(message) from error
    message = f"{url}: {_detail(status, answer)}"
    raise EnrolmentError(message)


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written, before the code is used up.

    Raises:
        EnrolmentError: It cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: {error.strerror}"
        raise EnrolmentError(message) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"{folder}: cannot be written; run this with sudo, or give another --folder"
        raise EnrolmentError(message)


def keep(given: Enrolled, folder: Path) -> str:
    """Write what this box was given into private files; return the settings that name them.

    Raises:
        EnrolmentError: A file cannot be written.
    """
    files = {
        API_KEY_FILE: given.api_key + "\n",
        PASSWORD_FILE: given.broker.password + "\n",
        COMMANDS_FILE: given.command_public_key,
    }
    if given.broker.ca is not None:
        files[AUTHORITY_FILE] = given.broker.ca
    try:
        for name, text in files.items():
            write_whole(folder / name, text.encode())
    except OSError as error:
        message = f"{folder}: {error.strerror}; the code is used up, so ask for another one"
        raise EnrolmentError(message) from error
    return _settings(given, folder)


def _settings(given: Enrolled, folder: Path) -> str:
    lines = [
        f"device_id = {_text(given.device_id)}",
        f"organization = {_text(given.organization)}",
        "",
        "[broker]",
        *_broker(given.broker, folder),
        "",
        "[commands]",
        f"public_key_file = {_named(folder, COMMANDS_FILE)}",
    ]
    return "\n".join(lines) + "\n"


def _broker(login: BrokerLogin, folder: Path) -> list[str]:
    lines = [
        f"host = {_text(login.host)}",
        f"port = {login.port}",
        f"tls = {str(login.tls).lower()}",
        f"username = {_text(login.username)}",
        f"password_file = {_named(folder, PASSWORD_FILE)}",
    ]
    if login.ca is not None:
        lines.append(f"ca_file = {_named(folder, AUTHORITY_FILE)}")
    return lines


def _named(folder: Path, name: str) -> str:
    # The service reads what systemd hands it, since it may not enter the folder itself.
    in_service = folder == SERVICE_FOLDER
    return _text(SERVICE_CREDENTIALS + name if in_service else str(folder.absolute() / name))


def _text(value: str) -> str:
    return json.dumps(value)  # a basic string of TOML is written the same way


def _place(url: str) -> SplitResult:
    place = urlsplit(url)
    if place.hostname is None or place.scheme not in {"http", "https"} or not _port_is_one(place):
        message = f"{url!r} is no address: give https://host or https://host:port"
        raise EnrolmentError(message)
    if place.scheme == "http" and not _is_here(place.hostname):
        message = f"{url}: the code and the keys would be read on the way; use https"
        raise EnrolmentError(message)
    return place


def _port_is_one(place: SplitResult) -> bool:
    try:
        return place.port != 0
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(place: SplitResult, body: bytes, ca_file: Path | None) -> tuple[int, bytes]:
    connection = _connection(place, ca_file)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", place.path.rstrip("/") + enrolment.PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()


def _connection(place: SplitResult, ca_file: Path | None) -> http.client.HTTPConnection:
    host = place.hostname or ""
    if place.scheme == "http":
        return http.client.HTTPConnection(host, place.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return http.client.HTTPSConnection(host, place.port, timeout=TIMEOUT_S, context=context)


class _Problem(msgspec.Struct):
    detail: str


def _detail(status: int, answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Problem).detail
    except msgspec.MsgspecError:
        return f"answers {status}"
