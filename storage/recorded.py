"""The store of the market that comes with the program: nobody else's candles are ever in it."""

from __future__ import annotations

from pathlib import Path

from core.home.folder import cannot_write
from storage.data_admin import import_recorded_market
from storage.database import Database, open_database


def open_recorded(path: Path, data_dir: Path, now_ms: int) -> Database:
    """The store at `path`, made or completed from the files under `data_dir`.

    Raises RefusedError or StorageError where it cannot be written, DataError where a file is missing or is not what the
    store was made of.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    # It can be made again at any time, and a query tells of damage.
    database = open_database(path, thorough=False)
    import_recorded_market(database, data_dir, now_ms)
    return database
