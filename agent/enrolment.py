"""A code shown to the centre once, for the keys that this box then has."""

import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec

from agent.centre import Centre
from agent.errors import EnrolmentError
from contract import enrolment
from contract.enrolment import BrokerLogin, Enrolled, EnrolmentRequest
from runtime.files import write_whole

SERVICE_FOLDER: Final = Path("/etc/edgewarden/credentials/agent")
SERVICE_CREDENTIALS: Final = "/run/credentials/edgewarden-agent.service/broker_"  # of that folder
API_KEY_FILE: Final = "api.key"
PASSWORD_FILE: Final = "password"  # noqa: S105  the name of a file
COMMANDS_FILE: Final = "commands.pem"
AUTHORITY_FILE: Final = "ca.crt"
ELSEWHERE: Final = "run this with sudo, or give another --folder"
CENTRE_FILE: Final = "centre.crt"  # who vouches for the centre's API


def enrol(url: str, request: EnrolmentRequest, ca_file: Path | None) -> Enrolled:
    """Show a code to the centre.

    Args:
        url: Where the centre serves its API; https, or http on this machine.
        request: The code, and what this box says of itself.
        ca_file: Who vouches for the centre; None: the system's authorities.

    Raises:
        CentreError: The centre cannot be reached, cannot be trusted, or refuses.
        EnrolmentError: It answers what is no enrolment.
    """
    centre = Centre(url, ca_file)
    answer = centre.post(enrolment.PATH, msgspec.json.encode(request), HTTPStatus.CREATED)
    try:
        given = msgspec.json.decode(answer, type=Enrolled)
    except msgspec.MsgspecError as error:
        message = f"{url} answers what is no enrolment: is it the centre's address?"
        raise EnrolmentError(message) from error
    if given.broker.host:
        return given
    login = msgspec.structs.replace(given.broker, host=centre.host)
    return msgspec.structs.replace(given, broker=login)


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written, before the code is used up.

    Raises:
        EnrolmentError: It cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: {error.strerror}; {ELSEWHERE}"
        raise EnrolmentError(message) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"{folder}: cannot be written; {ELSEWHERE}"
        raise EnrolmentError(message)


def keep(given: Enrolled, folder: Path, url: str, ca_file: Path | None) -> str:
    """Write what this box was given into private files; return the settings that name them.

    Args:
        given: What the centre gave.
        folder: Where the files are kept.
        url: Where the centre serves its API.
        ca_file: Who vouches for it; it is kept with the rest.

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
        if ca_file is not None:
            files[CENTRE_FILE] = ca_file.read_text(encoding="ascii", errors="replace")
        for name, text in files.items():
            write_whole(folder / name, text.encode())
    except OSError as error:
        message = f"{folder}: {error.strerror}; the code is used up, so ask for another one"
        raise EnrolmentError(message) from error
    return _settings(given, folder, url, vouched=ca_file is not None)


def _settings(given: Enrolled, folder: Path, url: str, *, vouched: bool) -> str:
    lines = [
        f"device_id = {_text(given.device_id)}",
        f"organization = {_text(given.organization)}",
        "",
        "[broker]",
        *_broker(given.broker, folder),
        "",
        "[commands]",
        f"public_key_file = {_named(folder, COMMANDS_FILE)}",
        "",
        "[centre]",
        f"url = {_text(url)}",
        f"api_key_file = {_named(folder, API_KEY_FILE)}",
    ]
    if vouched:
        lines.append(f"ca_file = {_named(folder, CENTRE_FILE)}")
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
