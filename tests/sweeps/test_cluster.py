"""Sweeps on a Dask cluster of two workers on this machine, and clusters that are gone."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from refwarp.cli import run
from refwarp.sweeps import cluster as module
from tests.sweeps.sweeping import COMMAND, run_small, tree

PROGRAM = Path(__file__).with_name("dask_cluster.py")


@contextmanager
def running_cluster():
    """Yield the program of a cluster, and its address."""
    with subprocess.Popen(
        [sys.executable, PROGRAM], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(found, limit):
    """Wait until something is found."""
    until = time.monotonic() + limit
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def sweep(capfd, hang_limit):
    """A function that runs a sweep in this process, and returns its exit code and what went wrong.

    Once there are files of a pattern in its folder, something is done.
    """

    def start(address, scale, folder, pattern="nothing", act=lambda: None):
        ended = threading.Event()

        def follow():
            wait_for(lambda: ended.is_set() or list(folder.glob(pattern)), hang_limit)
            if not ended.is_set():
                act()

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            code = run([*COMMAND[3:], "--scale", scale, "--out", str(folder), "--resume", "--cluster", address])
        finally:
            ended.set()
            follower.join()
        return code, [line for line in capfd.readouterr().err.splitlines() if " cells" not in line]

    return start


GONE = (
    2,
    [
        "refwarp: cluster: it is gone, or its workers are; what is finished is kept, and --resume goes on, there or "
        "elsewhere"
    ],
)
UNDER_WAY = "unfinished/[!.]*.h5"


@pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")
def test_on_a_cluster_a_sweep_is_killed_resumed_and_interrupted_until_the_cluster_is_gone(
    tmp_path, workers, sweep, monkeypatch, hang_limit
):
    """One cluster for all, since it takes seconds to begin."""
    run_small(tmp_path / "whole", workers, "slow")
    with running_cluster() as (cluster, address):
        folder = tmp_path / "killed"
        command = [*COMMAND, "--scale", "slow", "--out", str(folder), "--cluster", address]
        with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as killed:
            wait_for(lambda: killed.poll() is not None or list(folder.glob("cells/*.json")), hang_limit)
            killed.kill()
            _, err = killed.communicate(timeout=hang_limit)
        assert [line for line in err.splitlines() if " cells" not in line] == []
        assert sweep(address, "slow", folder) == (0, [])
        found = tree(folder)
        assert found.pop("report.md").decode().startswith("0 cells are missing.")
        assert found == tree(tmp_path / "whole")

        folder = tmp_path / "endless"
        interrupt = partial(os.kill, os.getpid(), signal.SIGINT)
        assert sweep(address, "endless", folder, UNDER_WAY, interrupt) == (130, ["refwarp: interrupted"])
        left = {path.suffix for path in folder.glob("unfinished/[!.]*")}
        assert {".h5", ".json"} <= left and ".run" not in left

        kill = partial(os.killpg, cluster.pid, signal.SIGKILL)
        assert sweep(address, "endless", folder, "unfinished/*.run", kill) == GONE
        assert left <= {path.suffix for path in folder.glob("unfinished/[!.]*")}
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1.0)
    message = f"refwarp: cluster: given '{address}', where no scheduler answers; start one with dask scheduler"
    assert sweep(address, "endless", folder) == (2, [message])


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
def test_a_cluster_whose_workers_go_is_left_and_one_without_any_is_refused(tmp_path, workers, sweep, monkeypatch):
    with running_cluster() as (cluster, address):

        def end_workers():
            monkeypatch.setattr(module, "_PATIENCE_SECONDS", 1.0)
            cluster.stdin.write("scale 0\n")
            cluster.stdin.flush()

        assert sweep(address, "endless", tmp_path / "out", UNDER_WAY, end_workers) == GONE
        assert list(tmp_path.glob(f"out/{UNDER_WAY}"))
        code, (message,) = sweep(address, "endless", tmp_path / "new")
        assert (code, message.startswith(f"refwarp: cluster: the one at {address} has no workers; start")) == (2, True)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "missing port number"),
        ("somewhere", "missing port number"),
        ("xyz://a:1", "unknown address scheme 'xyz'"),
        ("tls://127.0.0.1:1", "TLS expects"),
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path, workers, sweep, address, reason):
    code, (message,) = sweep(address, "tiny", tmp_path / "out")
    expected = f"refwarp: cluster: given {address!r}, expected the address of a scheduler, such as tcp://host:8786 ("
    assert code == 2 and message.startswith(expected) and reason in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n" + 50 * b"x", b"\0" * 50])
def test_what_is_no_scheduler_is_refused(tmp_path, workers, sweep, monkeypatch, greeting):
    """Such as a web server, which waits for more, or answers in its own language."""
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # it is closed
                    return
                connection.sendall(greeting)
                connections.append(connection)

        connections = []
        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        code, (message,) = sweep(address, "tiny", tmp_path / "out")
        server.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.close()
    assert code == 2 and message.startswith(f"refwarp: cluster: given '{address}', ")
    assert not (tmp_path / "out").exists()


def test_without_dask_it_says_what_to_install(tmp_path, workers, sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = 'refwarp: A cluster needs Dask, which is not installed: run pip install "refwarp[cluster]".'
    assert sweep("tcp://127.0.0.1:8786", "tiny", tmp_path / "out") == (2, [message])
