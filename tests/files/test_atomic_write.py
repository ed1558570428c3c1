"""Files appear whole or not at all, and killed programs leave nothing that stays."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from refwarp.files import atomic_write


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_replaces_the_old_file_at_the_end_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path and temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_hdf5_files_can_be_written(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.h5") as temporary, h5py.File(temporary, "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["x"][:], [0, 1, 2])


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_the_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    plain, atomic = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic"))
    assert plain == atomic


@pytest.mark.parametrize("name", ["a" * 250 + ".h5", "b." + "a" * 250, "\N{GREEK SMALL LETTER ALPHA}" * 120])
def test_the_longest_names_can_be_written_and_what_is_left_of_them_goes(tmp_path: Path, name: str) -> None:
    def write(text: str) -> Path:
        with atomic_write(tmp_path / name) as temporary:
            temporary.write_text(text)
        return temporary

    left = write("old")
    left.with_name(re.sub(r"\d+-[0-9a-f]+-", f"{os.getpid()}-00000000-", left.name)).write_text("half")
    assert len(names(tmp_path)) == 2
    write("new")
    assert names(tmp_path) == [name] and (tmp_path / name).read_text() == "new"


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the outer block ends last


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(file)
    for text in ("new", "newer"):  # at first the link leads nowhere
        with atomic_write(link) as temporary:
            temporary.write_text(text)
        assert link.is_symlink() and file.read_text() == text
    assert names(tmp_path / "there") == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")

    def state() -> dict[str, tuple[int, ...]]:
        """Return all but the time of the last access, to which a look at a link may add."""
        found = {file.name: file.lstat() for file in tmp_path.iterdir()}
        return {name: (stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}

    before = state()
    for name in ("pipe", "link", "circle"):
        with pytest.raises(ValueError, match=rf"path: given '.*{name}', which is no regular file; expected the name"):
            with atomic_write(tmp_path / name):
                raise AssertionError("nothing is to be written")
    with pytest.raises(ValueError, match=r"path: given '.*folder', which is a folder; expected the name of a file"):
        with atomic_write(tmp_path / "folder"):
            raise AssertionError("nothing is to be written")
    assert state() == before


def test_a_missing_folder_is_one_sentence_with_the_given_name(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "a.h5"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path):
        raise AssertionError("nothing is to be written")
    assert str(caught.value) == f"{path}: no file can be written there (No such file or directory); give another name"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EIO])
@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_is_one_sentence_with_the_name_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "a.txt"
    path.write_text("old")
    if where != "write":
        monkeypatch.setattr(os, where, full)
    with pytest.raises(OSError) as caught, atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        if where == "write":
            full()
    assert caught.value.errno == code and str(caught.value) == (
        f"{path}: the file cannot be written ({os.strerror(code)}), and what was there is as before; "
        "make room, or give another name"
    )
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_an_error_about_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_write(tmp_path / "a") as temporary:
        temporary.write_bytes((tmp_path / "nowhere").read_bytes())
    assert names(tmp_path) == []


KILLED = """
import sys
from refwarp.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    with open(temporary, "w") as file:
        file.write("half of it")
        file.flush()
        print("writing", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_killed_in_the_middle_of_a_write(tmp_path: Path) -> None:
    path = tmp_path / "[a].html"  # brackets are wildcards to who does not escape them
    path.write_text("old")
    (tmp_path / ".b.partial.html").write_text("of someone else")
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        with atomic_write(path) as temporary:
            temporary.write_text("new")
        assert len(names(tmp_path)) == 3, "the other process is at work: its temporary file must stay"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "new"
    assert len(names(tmp_path)) == 3
    with atomic_write(path) as temporary:
        temporary.write_text("newer")
    assert names(tmp_path) == [".b.partial.html", "[a].html"]


def test_a_file_of_an_earlier_process_with_our_number_is_stale(tmp_path: Path) -> None:
    (tmp_path / f".a.{os.getpid()}-00000000-0.partial.txt").write_text("half")
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.txt"]
