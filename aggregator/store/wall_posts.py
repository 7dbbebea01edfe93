"""Posts on the alert wall: alerts and chat, the newest of each kept."""

from typing import Literal

import msgspec

from aggregator.store.database import Database, Statement

KEPT_POSTS = 1000  # of each type, in each organization

PostType = Literal["alert", "chat"]


class WallPost(msgspec.Struct, frozen=True):
    """One post as it is kept."""

    id: str
    type: PostType
    sender: str | None
    message: str
    location: str | None
    posted_ns: int


def add_wall_post(organization: str, post: WallPost, user_id: int | None) -> tuple[Statement, ...]:
    """Add a post; the oldest of its type give way."""
    whose = {"organization": organization}
    return (
        Statement("add_wall_post", whose | {"user_id": user_id} | msgspec.structs.asdict(post)),
        Statement("trim_wall_posts", whose | {"type": post.type, "kept": KEPT_POSTS}),
    )


async def last_wall_posts(
    database: Database, organization: str, kind: PostType, limit: int
) -> list[WallPost]:
    """Return the newest posts of a type, newest first."""
    parameters = {"organization": organization, "type": kind, "limit": limit}
    return await database.read("wall_posts", parameters, WallPost)
