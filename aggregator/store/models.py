"""Model bundles of organizations: what is known of them, and their files."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from aggregator.turns import Places

FOLDER: Final = "models"
MAX_MODELS: Final = 50  # of one organization
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be."""

    model_id: str
    sha256: str
    file_bytes: int
    metadata: str
    card: str
    signer: str
    created_by: str


class ModelRow(msgspec.Struct, frozen=True):
    """One model as it is kept, but for its card."""

    model_id: str
    sha256: str
    file_bytes: int
    metadata: str
    signer: str
    created_by: str
    created_ns: int
    retired_ns: int | None
    desired_by: int
    judges_on: int


class Kept(msgspec.Struct, frozen=True):
    """A model that was added, changed or deleted."""

    model_id: str


class _Count(msgspec.Struct, frozen=True):
    count: int


class _Card(msgspec.Struct, frozen=True):
    card: str


class _File(msgspec.Struct, frozen=True):
    organization: str
    sha256: str


def add_model(organization: str, new: NewModel, now_ns: int) -> Statement:
    """Keep a model; returns Kept, or nothing where there is one of that name, or MAX_MODELS."""
    return Statement(
        "add_model",
        {"organization": organization, "now_ns": now_ns, "most": MAX_MODELS}
        | msgspec.structs.asdict(new),
    )


def retire_model(organization: str, model_id: str, retired_ns: int | None) -> Statement:
    """Say since when no device may be given a model, None: they may; returns Kept."""
    return Statement(
        "retire_model",
        {"organization": organization, "model_id": model_id, "retired_ns": retired_ns},
    )


def delete_model(organization: str, model_id: str) -> Statement:
    """Forget a model; returns Kept, or nothing while a device is to have it."""
    return Statement("delete_model", {"organization": organization, "model_id": model_id})


async def find_models(
    database: Database, organization: str, page: Page, model_id: str | None = None
) -> list[ModelRow]:
    """Return models of an organization, newest first."""
    sought = {"organization": organization, "model_id": model_id} | msgspec.structs.asdict(page)
    return await database.read("models", sought, ModelRow)


async def find_model(database: Database, organization: str, model_id: str) -> ModelRow | None:
    """Return a model, if the organization has one of that name."""
    rows = await find_models(database, organization, Page(1), model_id)
    return rows[0] if rows else None


async def count_models(database: Database, organization: str) -> int:
    """Return how many models an organization has."""
    return (await database.read("count_models", {"organization": organization}, _Count))[0].count


async def card_of(database: Database, organization: str, model_id: str) -> str:
    """Return what people are told of a model, Markdown."""
    sought = {"organization": organization, "model_id": model_id}
    rows = await database.read("model_card", sought, _Card)
    return rows[0].card if rows else ""


class ModelFiles:
    """The bundles as they were given, one private file each; nothing of them is ever run here."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        # Each is held in memory.
        self.uploads = Places("uploads of models", most=2, most_of_one=1)

    def path(self, organization: str, sha256: str) -> Path:
        """Return where a bundle lies."""
        return self._folder / organization / f"{sha256}.tar"

    async def write(self, organization: str, sha256: str, data: bytes) -> None:
        """Keep a bundle.

        Raises:
            OSError: It cannot be written.
        """
        await asyncio.to_thread(self._write, self.path(organization, sha256), data)

    async def remove(self, organization: str, sha256: str) -> None:
        """Forget a bundle."""
        path = self.path(organization, sha256)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def tidy(self, database: Database) -> None:
        """Remove what a crash has left: files that no model has."""
        rows = await database.read("model_files", {}, _File)
        known = {self.path(row.organization, row.sha256) for row in rows}
        await asyncio.to_thread(self._keep_only, known)

    def _keep_only(self, known: set[Path]) -> None:
        for path in self._folder.glob("*/*"):
            if path not in known:
                path.unlink()

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        path.parent.parent.chmod(_PRIVATE_FOLDER)
        unfinished = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(unfinished, _NEW, _PRIVATE_FILE), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
