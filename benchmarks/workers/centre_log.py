"""A longer write-ahead log for an aggregator that was killed: verdicts that it has, again, and no checkpoint.

Usage: python -m benchmarks.workers.centre_log DATABASE BYTES
"""

import os
import sys
from pathlib import Path
from typing import Final

import duckdb

# Far more of them at once would go into the database, and not into its log.
_MORE: Final = "INSERT INTO store.verdicts SELECT * FROM store.verdicts LIMIT 20000"


def fill(database: Path, least_bytes: int) -> None:
    """Add rows until the log has so many bytes, then end without closing anything."""
    log = database.with_name(f"{database.name}.wal")
    connection = duckdb.connect(str(database), config={"checkpoint_threshold": "1GB"})
    while log.stat().st_size < least_bytes:
        connection.execute(_MORE)
    os._exit(0)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
