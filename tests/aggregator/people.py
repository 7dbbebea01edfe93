"""Somebody who decides."""

from aggregator.store.users import SessionUser

ADA = SessionUser(
    id=1,
    organization="default",
    username="ada",
    email=None,
    full_name=None,
    role="analyst",
    is_active=True,
    created_ns=0,
    last_login_ns=None,
)
