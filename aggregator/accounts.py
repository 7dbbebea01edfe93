"""Accounts without the API: the first admin, and the command line while the service is stopped."""

import os
import time
from collections.abc import Callable

from aggregator.api.passwords import Passwords, check_password, generated_password
from aggregator.config import AggregatorConfig
from aggregator.errors import InvalidError
from aggregator.store.audit import Chain, Somebody, audit, verify_audit
from aggregator.store.codes import forget_codes
from aggregator.store.database import Database
from aggregator.store.devices import Added
from aggregator.store.organizations import add_organization
from aggregator.store.tokens import sign_out_everywhere
from aggregator.store.users import (
    NewUser,
    Role,
    add_user,
    count_users,
    new_user,
    set_password,
    user_by_name,
)
from runtime.errors import ConfigError

ADMIN = "admin"
ADMIN_PASSWORD_VARIABLE = "EDGEWARDEN_ADMIN_PASSWORD"  # noqa: S105  the name of a variable
COMMAND_LINE = "(command line)"  # no user can be called so


async def ensure_admin(database: Database, organization: str, tell: Callable[[str], None]) -> None:
    """Make the organization that runs the installation and the first user, when there is none."""
    now_ns = time.time_ns()
    await database.write(add_organization(organization, organization, now_ns))
    if await count_users(database):
        return
    password = os.environ.get(ADMIN_PASSWORD_VARIABLE, "")
    if not password:
        password = generated_password()
        tell(f"first start: sign in as `{ADMIN}` with the password {password} (not shown again)")
    try:
        check_password(password, ADMIN)
    except InvalidError as error:
        tell(f"{ADMIN_PASSWORD_VARIABLE}: {error}; change it soon (PUT /api/v1/auth/password)")
    password_hash = await Passwords().hash(password)
    admin = NewUser(
        organization=organization, username=ADMIN, password_hash=password_hash, role="admin"
    )
    await add_user(database, admin, now_ns)


async def create_user(config: AggregatorConfig, username: str, password: str, role: Role) -> None:
    """Add a user while the service is stopped.

    Raises:
        ConfigError: The name is taken, or the password is not good enough.
        StoreError: The database cannot be opened; the service may be running.
    """
    organization = config.auth.organization
    new = NewUser(
        organization=organization,
        username=username,
        password_hash=await _hashed(password, username),
        role=role,
    )
    actor, now_ns = Somebody(organization, COMMAND_LINE), time.time_ns()
    async with Database(config.store.path) as database:
        await database.write(add_organization(organization, organization, now_ns))
        added = await database.change(
            Added,
            new_user(new, now_ns),
            audit(actor, "user.create", username, now_ns=now_ns, after={"role": role}),
        )
    if not added:
        message = f"there is a user {username} already"
        raise ConfigError(message)


async def reset_password(config: AggregatorConfig, username: str, password: str) -> None:
    """Give a user of any organization another password while the service is stopped.

    Their sessions and tokens end.

    Raises:
        ConfigError: There is no such user, or the password is not good enough.
        StoreError: The database cannot be opened; the service may be running.
    """
    password_hash = await _hashed(password, username)
    now_ns = time.time_ns()
    async with Database(config.store.path) as database:
        user = await user_by_name(database, username)
        if user is None:
            message = f"there is no user {username}"
            raise ConfigError(message)
        actor = Somebody(user.organization, COMMAND_LINE)
        await database.change(
            Added,
            set_password(user.organization, user.id, password_hash),
            *sign_out_everywhere(user.organization, user.id, now_ns),
            audit(actor, "user.reset_password", user.username, now_ns=now_ns),
        )


async def forget_authenticator(config: AggregatorConfig, username: str) -> None:
    """Let a user of any organization enrol an authenticator anew, while the service is stopped.

    Raises:
        ConfigError: There is no such user.
        StoreError: The database cannot be opened; the service may be running.
    """
    async with Database(config.store.path) as database:
        user = await user_by_name(database, username)
        if user is None:
            message = f"there is no user {username}"
            raise ConfigError(message)
        actor = Somebody(user.organization, COMMAND_LINE)
        await database.write(
            *forget_codes(user.organization, user.id),
            audit(actor, "totp.forget", user.username, now_ns=time.time_ns()),
        )


async def check_audit(config: AggregatorConfig) -> list[Chain]:
    """Check the audit of every organization while the service is stopped.

    Raises:
        StoreError: The database cannot be opened; the service may be running.
    """
    async with Database(config.store.path) as database:
        return await verify_audit(database)


async def _hashed(password: str, username: str) -> str:
    try:
        check_password(password, username)
    except InvalidError as error:
        raise ConfigError(str(error)) from error
    return await Passwords().hash(password)
