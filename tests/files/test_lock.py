"""A lock keeps a file for one writer, and ends with it, however it ends."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from refwarp import files
from refwarp.files import atomic_write, lock


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_second_one_is_refused_in_one_sentence_and_the_next_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for _ in range(2):
        with lock(path):
            with pytest.raises(BlockingIOError) as caught, lock(path, "checkpoint"):
                raise AssertionError("it is locked")
            with lock(tmp_path / "b.h5"):
                pass
        assert names(tmp_path) == []
    assert str(caught.value) == (f"checkpoint: {path} is in use by another run; wait for its end, or give another name")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_ends_it(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), lock(tmp_path / "a"):
        raise error
    assert names(tmp_path) == []
    with lock(tmp_path / "a"):
        pass


def test_a_link_and_its_file_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a")
    with lock(tmp_path / "a"), pytest.raises(BlockingIOError), lock(tmp_path / "link"):
        raise AssertionError("it is locked")


def test_hard_links_need_no_common_lock_since_a_write_parts_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")
    os.link(first, second)
    with lock(first), lock(second), atomic_write(first) as temporary:
        temporary.write_text("new")
    assert (first.read_text(), second.read_text()) == ("new", "old")


@pytest.mark.parametrize("name", ["a" * 250 + ".h5", "b." + "a" * 250])
def test_the_longest_names_can_be_locked(tmp_path: Path, name: str) -> None:
    with lock(tmp_path / name):
        with pytest.raises(BlockingIOError), lock(tmp_path / name):
            raise AssertionError("it is locked")
        with lock(tmp_path / f"c{name[1:]}"):
            pass
    assert names(tmp_path) == []


LOCKING = """
import sys
from refwarp.files import lock
with lock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_it_ends_with_its_process_and_what_that_leaves_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("readable")
    command = [sys.executable, "-c", LOCKING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        assert path.read_text() == "readable"
        with pytest.raises(BlockingIOError), lock(path):
            raise AssertionError("it is locked")
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    assert names(tmp_path) == [".a.h5.lock", "a.h5"]
    with lock(path):
        pass
    assert names(tmp_path) == ["a.h5"]


def test_of_many_at_once_one_has_it_at_any_time(tmp_path: Path) -> None:
    """Each owner removes the hidden file, while others are about to lock the one that they have opened."""
    owners, most, done = 0, 0, 0
    count = threading.Lock()

    def own() -> None:
        nonlocal owners, most, done
        for _ in range(300):
            try:
                with lock(tmp_path / "a"):
                    with count:
                        owners += 1
                        most = max(most, owners)
                    with count:
                        owners -= 1
                        done += 1
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=own) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and done > 0 and names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="what another removes is POSIX's")
def test_a_hidden_file_that_its_owner_has_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, original, calls = tmp_path / ".a.lock", files.try_lock, 0

    def removed(descriptor: int, shared: bool = False) -> bool:
        nonlocal calls
        calls += 1
        if calls <= 2:  # in the meantime the owner ends, and, the first time, another begins
            hidden.unlink()
        if calls == 1:
            hidden.touch()
        return original(descriptor, shared)

    monkeypatch.setattr(files, "try_lock", removed)
    with lock(tmp_path / "a"):
        monkeypatch.undo()
        assert calls == 3 and hidden.exists()
        with pytest.raises(BlockingIOError), lock(tmp_path / "a"):
            raise AssertionError("it is locked")


@pytest.mark.skipif(os.name != "posix", reason="flock is POSIX's")
def test_a_file_system_without_locks_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", none)
    with lock(tmp_path / "a"), lock(tmp_path / "a"):
        pass


def test_where_no_file_can_be_there_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="path: .*a cannot be locked \\(No such file or directory\\); give another"
    ):
        with lock(tmp_path / "nowhere" / "a"):
            raise AssertionError("there is no such folder")
    with pytest.raises(ValueError, match="checkpoint: given '.*', which is a folder"), lock(tmp_path, "checkpoint"):
        raise AssertionError("it is a folder")
