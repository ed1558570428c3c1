"""A Dask cluster as workers. They see the folders of the sweep and of the data under the same paths."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from refwarp.sweeps.workers import Workers

# How long a scheduler has for its first answer.
_CONNECT_SECONDS = 10.0
# How long it has for any other, and a cluster without workers for new ones; and how often is looked.
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 2.0


@contextmanager
def cluster_workers(address: str) -> Iterator[Workers]:
    """Return the workers of a Dask cluster. Until the block ends, no library logs or warns.

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
        If nothing answers there, no worker is there, or the cluster is gone before the block ends.
    """
    try:
        from distributed import Client, KilledWorker, Security
        from distributed.comm import connect
    except ImportError as error:
        raise ImportError(
            'A cluster needs Dask, which is not installed: run pip install "refwarp[cluster]".'
        ) from error

    async def greet() -> None:  # the client would wait for ever for a greeting of what is no scheduler
        connection = await connect(address, timeout=_CONNECT_SECONDS, **Security().get_connection_args("client"))
        await connection.close()

    with _silence():
        try:
            asyncio.run(asyncio.wait_for(greet(), _CONNECT_SECONDS))
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, MemoryError) as error:  # the latter of a greeting that claims to be long
            raise OSError(
                f"cluster: given {address!r}, where no scheduler answers; start one with dask scheduler"
            ) from error
        except Exception as error:  # Dask has many kinds for what is wrong with an address, or is not there for it
            raise ValueError(
                f"cluster: given {address!r}, expected the address of a scheduler, such as tcp://host:8786 ({error})"
            ) from error
        with client:
            threads = client.nthreads(callback_timeout=_PATIENCE_SECONDS)
            if not threads:
                raise OSError(f"cluster: the one at {address} has no workers; start some with dask worker {address}")
            try:
                # Results are files, so a cell is worth computing again even if its arguments are the same.
                yield Workers(client.get_executor(pure=False), sum(threads.values()), check=_Check(client))
            except (CancelledError, KilledWorker) as error:
                raise _gone() from error


class _Check:
    """Raises OSError once the scheduler has not answered, or has had no workers, for a while."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._looked = self._had_workers = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() < self._looked + _LOOK_SECONDS:
            return
        try:
            workers = self._client.nthreads(callback_timeout=_PATIENCE_SECONDS)
        except Exception as error:  # of a closed connection, which has many kinds
            raise _gone() from error
        self._looked = time.monotonic()
        if workers:
            self._had_workers = self._looked
        elif self._looked > self._had_workers + _PATIENCE_SECONDS:
            raise _gone()


def _gone() -> OSError:
    return OSError(
        "cluster: it is gone, or its workers are; what is finished is kept, and --resume goes on, there or elsewhere"
    )


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
