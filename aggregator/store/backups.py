"""Backups of the installation and exports of one organization, made while the service runs."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aggregator.errors import FullError
from aggregator.store.archive import Archive
from aggregator.store.bundle import Piece, pieces_below
from aggregator.store.database import ARCHIVE, COPIES, FILE_NAME, Database
from aggregator.store.models import FOLDER as MODELS
from aggregator.store.room import Room
from aggregator.turns import Turns

MAX_KEY_BYTES = 1024 * 1024
RETRY_AFTER_S = 3600


class Backups:
    """Makes what is to be carried away; what a running service changes meanwhile does not matter.

    Args:
        database: What is stored.
        archive: What was.
        room: Whether there is room for a copy; without it, there is.
    """

    def __init__(self, database: Database, archive: Archive, room: Room | None = None) -> None:
        self._room = room
        self._database = database
        self._archive = archive
        self._backups = Turns("backups", at_once=2, most=2, most_of_one=1)
        self._exports = Turns("exports", at_once=8, most=8, most_of_one=1)

    @asynccontextmanager
    async def everything(self, asker: str = "") -> AsyncIterator[list[Piece]]:
        """Give the database, the archive, the models and the keys, as of one moment.

        What is large and can be missed is not in it: recordings of terminals, frames behind alerts.

        Raises:
            TooManyAttemptsError: The asker, or others, make one already.
            FullError: There is no room for a copy of the database.
        """
        copy_bytes = self._database.path.stat().st_size
        if self._room is not None and not self._room.fits(copy_bytes):
            message = f"a backup needs {copy_bytes / 1e6:,.0f} MB for a while, and the disk has less to spare"
            raise FullError(message, RETRY_AFTER_S)
        async with self._backups.turn(asker), self._archive.folder() as folder:
            async with self._archive.at_rest() as parts:
                files = [part.file for part in parts]
                await asyncio.to_thread(self._link, files, folder)
                await self._database.copy_to(folder / FILE_NAME)
            await asyncio.to_thread(self._link_models, folder)
            await asyncio.to_thread(self._copy_keys, folder)
            yield await asyncio.to_thread(pieces_below, folder)

    @asynccontextmanager
    async def views(self, organization: str) -> AsyncIterator[list[Piece]]:
        """Give what an organization sees, as Parquet files in a folder for each view.

        Raises:
            TooManyAttemptsError: The organization, or many others, make one already.
        """
        async with self._exports.turn(organization), self._archive.folder() as folder:
            await self._archive.give(organization, folder)
            yield await asyncio.to_thread(pieces_below, folder)

    def _link(self, files: Iterable[Path], folder: Path) -> None:
        for file in files:
            target = folder / ARCHIVE / file
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(self._archive.path / file, target)

    def _link_models(self, folder: Path) -> None:
        home = self._database.path.parent
        for file in home.glob(f"{MODELS}/*/*.tar"):
            target = folder / file.relative_to(home)
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # deleted just now
                os.link(file, target)

    def _copy_keys(self, folder: Path) -> None:
        for file in self._database.path.parent.iterdir():
            known = file.name.startswith(Path(FILE_NAME).stem) or file.name in {ARCHIVE, COPIES}
            if not known and file.is_file() and file.stat().st_size <= MAX_KEY_BYTES:
                shutil.copyfile(file, folder / file.name)
