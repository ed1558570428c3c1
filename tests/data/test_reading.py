"""Where data are looked for, and what goes wrong when files are read."""

import errno
import gzip
import warnings

import numpy as np
import pytest

from refwarp.data import DamagedFileError, data_folder
from refwarp.data.reading import (
    class_labels,
    find_file,
    is_count,
    open_plain_or_gzip,
    read_exactly,
    read_lines,
    reads_as,
    unit_range,
)


def test_a_folder_that_is_given_comes_before_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path))
    (tmp_path / "here").mkdir()
    assert data_folder(tmp_path / "here") == tmp_path / "here"
    assert data_folder() == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_folder_one_sentence_says_how_to_name_one(monkeypatch, value):
    monkeypatch.delenv("REFWARP_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("REFWARP_DATA", value)
    with pytest.raises(ValueError, match="data: no folder is given; name .* `--data DIR`, or .* variable REFWARP_DATA"):
        data_folder()


@pytest.mark.parametrize("given", [True, False])
def test_what_is_no_folder_is_named_with_where_it_was_given(tmp_path, monkeypatch, given):
    def find(path):
        monkeypatch.setenv("REFWARP_DATA", str(path))
        return data_folder(path if given else None)

    argument = "data" if given else "REFWARP_DATA"
    with pytest.raises(FileNotFoundError, match=f"^{argument}: given '.*nowhere', but there is no such folder; exp"):
        find(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=f"^{argument}: given 'n+', but there is no such folder"):
        find("n" * 5000)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"^{argument}: given '.*file', which is no folder; expected the folder"):
        find(tmp_path / "file")


def test_the_first_file_there_is_is_found(tmp_path):
    (tmp_path / "b").touch()
    (tmp_path / "c").touch()
    (tmp_path / "a").mkdir()
    assert find_file([tmp_path / name for name in "abc"]) == tmp_path / "b"
    with pytest.raises(FileNotFoundError, match=r"/a: there is no such file, nor d; the data set needs it"):
        find_file([tmp_path / "a", tmp_path / "d"])


@pytest.mark.parametrize(
    "raised",
    [
        TypeError("a\nb"),
        SyntaxError("a b"),
        OSError("a b"),
        OSError(errno.EINVAL, "a b"),
        MemoryError("a b"),
        UserWarning("a b"),
    ],
)
def test_what_a_library_raises_is_one_sentence_about_the_file(tmp_path, raised):
    path = tmp_path / "picture"
    path.touch()
    with pytest.raises(DamagedFileError, match=r"picture: .* as a picture \(.*a b.*\); get the file once"):
        with reads_as(path, "a picture"):
            raise raised


def test_what_a_library_warns_of_is_left_to_those_who_look_at_the_file(tmp_path):
    path = tmp_path / "picture"
    path.touch()
    with reads_as(path, "a picture"):
        warnings.warn("a picture with odd metadata", UserWarning, stacklevel=1)


def test_what_the_system_raises_stays_an_error_of_the_system(tmp_path):
    path = tmp_path / "picture"
    path.touch()
    with pytest.raises(PermissionError, match=r"/picture: the file cannot be read \(not yours\)$"):
        with reads_as(path, "a picture"):
            raise PermissionError(errno.EACCES, "not yours")
    with (
        pytest.raises(FileNotFoundError, match=r"'.*nothing', but there is no such file"),
        reads_as(tmp_path / "nothing", "a picture"),
    ):
        pass
    with pytest.raises(ValueError, match="which is a folder"), reads_as(tmp_path, "a picture"):
        pass


def test_a_file_is_unpacked_by_its_content_and_not_its_name(tmp_path):
    path = tmp_path / "a.gz"
    for content in (b"abc", gzip.compress(b"abc"), gzip.compress(b"a") + gzip.compress(b"bc")):
        path.write_bytes(content)
        with open_plain_or_gzip(path) as file:
            assert read_exactly(file, path, 3) == b"abc" and file.read(1) == b""


def test_a_list_has_no_empty_lines_and_no_mark_of_its_encoding(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffä b\r\n\n  \nc".encode())
    assert read_lines(path) == ["ä b", "c"]
    for content in (b"a\xff", b"a\0b"):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"list.txt: .*text"):
            read_lines(path)


def test_counts_are_of_few_digits():
    assert [is_count(text) for text in ("0", "007", "123456789")] == [True] * 3
    assert [is_count(text) for text in ("", "-1", "1.0", " 1", "1234567890", "²", "٣")] == [False] * 7


def test_labels_are_classes(tmp_path):
    labels = class_labels(tmp_path, np.array([0, 42], np.uint8), 43)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 42]
    for wrong in (-1, 43):
        with pytest.raises(DamagedFileError, match=f"there is a label {wrong}, expected 0 to 42"):
            class_labels(tmp_path, np.array([0, wrong]), 43)


def test_bytes_are_rounded_once():
    found = unit_range(np.arange(256, dtype=np.uint8))
    assert found.dtype == np.float32
    assert (found == (np.arange(256) / 255).astype(np.float32)).all()
