"""Who can make authorization codes, and which codes are used up."""

import msgspec

from aggregator.store.database import Database, Statement


class CodeSecret(msgspec.Struct, frozen=True):
    """What a user's authenticator was given, as far as it is kept."""

    salt: str
    confirmed_ns: int | None  # None: no code of it was seen yet
    last_step: int  # of the codes that are used up
    recovery_hashes: list[str]  # of those that are left


class CodeOwner(msgspec.Struct, frozen=True):
    """Whose code was just used."""

    user_id: int


async def find_code_secret(
    database: Database, organization: str, user_id: int
) -> CodeSecret | None:
    """Return what is kept of a user's authenticator, if there is one."""
    rows = await database.read("code_secret", _whose(organization, user_id), CodeSecret)
    return rows[0] if rows else None


def replace_code_secret(
    organization: str, user_id: int, salt: str, now_ns: int
) -> tuple[Statement, ...]:
    """Begin an enrolment; what was there before is forgotten."""
    begun = _whose(organization, user_id) | {"salt": salt, "now_ns": now_ns}
    return (*forget_codes(organization, user_id), Statement("add_code_secret", begun))


def forget_codes(organization: str, user_id: int) -> tuple[Statement, ...]:
    """Forget a user's authenticator and recovery codes."""
    whose = _whose(organization, user_id)
    return (
        Statement("delete_code_secret", whose),
        Statement("delete_recovery_codes", whose),
    )


def use_code(  # noqa: PLR0913  what makes a code one, and when
    organization: str, user_id: int, salt: str, step: int, *, now_ns: int, confirms: bool = False
) -> Statement:
    """Use up the codes up to a step of time; returns CodeOwner, nothing when they were used before.

    Args:
        organization: Whose.
        user_id: Whose.
        salt: Of the secret whose code it is; nothing happens where it was replaced meanwhile.
        step: Of the code.
        now_ns: The clock.
        confirms: Whether it may be the first one.
    """
    code = {"salt": salt, "step": step, "now_ns": now_ns, "confirms": confirms}
    return Statement("use_code", _whose(organization, user_id) | code)


def add_recovery_codes(organization: str, user_id: int, code_hashes: list[str]) -> Statement:
    """Add one-time codes by their hashes."""
    whose = _whose(organization, user_id)
    return Statement("add_recovery_codes", whose | {"code_hashes": code_hashes})


def use_recovery_code(organization: str, user_id: int, code_hash: str, now_ns: int) -> Statement:
    """Use up a one-time code; returns CodeOwner, nothing when it is unknown or used."""
    code = {"code_hash": code_hash, "now_ns": now_ns}
    return Statement("use_recovery_code", _whose(organization, user_id) | code)


def _whose(organization: str, user_id: int) -> dict[str, object]:
    return {"organization": organization, "user_id": user_id}
