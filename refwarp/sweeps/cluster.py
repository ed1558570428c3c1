"""A Dask cluster as an executor. Its workers see the folders of the sweep and of the data under the same paths."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

_TIMEOUT_SECONDS = 10


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """Return an executor of a Dask cluster's workers.

    Parameters
    ----------
    address : str
        That of the scheduler, as tcp://host:8786.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If the address is none.
    OSError
        If nothing answers there, or no worker is there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            'A cluster needs Dask, which is not installed: run pip install "refwarp[cluster]".'
        ) from error
    try:
        client = Client(address, timeout=_TIMEOUT_SECONDS)
    except OSError as error:
        raise OSError(
            f"cluster: given {address!r}, where no scheduler answers; start one with dask scheduler"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise OSError(f"cluster: the one at {address} has no workers; start some with dask worker {address}")
        # Results are files, so a cell is worth computing again even if its arguments are the same.
        yield client.get_executor(pure=False)
