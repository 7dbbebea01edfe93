"""Codes by which devices enrol themselves, once and in time; only hashes are kept."""

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import DeviceType, Page


class NewEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A code to be."""

    organization: str
    device_id: str | None
    name: str | None
    replaces: bool
    code_hash: str
    created_by: int
    expires_ns: int


class EnrolmentRow(msgspec.Struct, frozen=True):
    """One code that was not used yet."""

    id: int
    organization: str
    device_id: str | None
    name: str | None
    replaces: bool
    created_by: int
    created_ns: int
    expires_ns: int


class EnrollingDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that showed a code, and the hashes of what it is given."""

    organization: str
    device_id: str
    name: str | None
    type: DeviceType
    api_key_hash: str
    broker_password_hash: str
    pending: bool
    replaces: bool


class LoginRow(msgspec.Struct, frozen=True):
    """By what the broker knows a device."""

    organization: str
    device_id: str
    password_hash: str


def add_enrolment(new: NewEnrolment, now_ns: int) -> Statement:
    """Add a code; returns Added."""
    return Statement("add_enrolment", msgspec.structs.asdict(new) | {"now_ns": now_ns})


def forget_enrolments(now_ns: int) -> Statement:
    """Forget the codes that are over."""
    return Statement("forget_enrolments", {"now_ns": now_ns})


async def find_enrolments(
    database: Database, organization: str, *, now_ns: int, page: Page
) -> list[EnrolmentRow]:
    """Return the codes of an organization that still hold, newest first."""
    parameters = {"organization": organization, "now_ns": now_ns} | msgspec.structs.asdict(page)
    return await database.read("enrolments", parameters, EnrolmentRow)


async def count_enrolments(database: Database, organization: str, *, now_ns: int) -> int:
    """Return how many codes of an organization still hold."""
    parameters = {"organization": organization, "now_ns": now_ns}
    return (await database.read("count_enrolments", parameters, Count))[0].count


def delete_enrolment(organization: str, enrolment_id: int) -> Statement:
    """Take a code back; returns Added, or nothing when there is none of that number."""
    return Statement(
        "delete_enrolment", {"organization": organization, "enrolment_id": enrolment_id}
    )


async def enrolment_by_code(
    database: Database, code_hash: str, now_ns: int
) -> EnrolmentRow | None:
    """Return what a code is for, if it holds."""
    parameters = {"code_hash": code_hash, "now_ns": now_ns}
    rows = await database.read("enrolment_by_code", parameters, EnrolmentRow)
    return rows[0] if rows else None


def use_enrolment(code_hash: str, now_ns: int) -> Statement:
    """Use up a code; returns Added, or nothing when it does not hold any more."""
    return Statement("use_enrolment", {"code_hash": code_hash, "now_ns": now_ns})


def enrol_device(device: EnrollingDevice, now_ns: int) -> Statement:
    """Enrol a device; returns Added, or nothing where there is one that is not to be replaced."""
    return Statement("enrol_device", msgspec.structs.asdict(device) | {"now_ns": now_ns})


def accept_device(organization: str, device_id: str) -> Statement:
    """Accept a pending device; returns Added, or nothing when none of that name is pending."""
    return Statement("accept_device", {"organization": organization, "device_id": device_id})


def refuse_device(organization: str, device_id: str) -> Statement:
    """Forget a pending device; returns Added, or nothing when none of that name is pending."""
    return Statement("refuse_device", {"organization": organization, "device_id": device_id})


async def broker_logins(database: Database, organization: str | None) -> list[LoginRow]:
    """Return by what the broker knows accepted devices; of all organizations with None."""
    return await database.read("broker_logins", {"organization": organization}, LoginRow)
