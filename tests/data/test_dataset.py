"""Where a data set is looked for, and the digest of its files."""

import gzip
import hashlib
from dataclasses import replace

import pytest

from refwarp.data.dataset import Dataset

KNOWN = Dataset(
    name="waves",
    title="waves",
    size="2 waves",
    folders=("waves", "sea/waves"),
    files=("*.wave", "low/*.wave.gz", "low/*.wave"),
    origin="https://example.org",
    citation="A. Author, 2026",
    licence="none",
    samples_may_be_published=False,
    contents={},
    steps=lambda folder: [],
)


def test_the_first_folder_with_a_file_of_the_set_is_found(tmp_path):
    assert KNOWN.locate(tmp_path) is None
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "a.txt").touch()
    assert KNOWN.locate(tmp_path) is None
    (tmp_path / "sea/waves/low").mkdir(parents=True)
    (tmp_path / "sea/waves/low/a.wave").touch()
    assert KNOWN.locate(tmp_path) == KNOWN.find(tmp_path) == tmp_path / "sea/waves"
    (tmp_path / "waves/a.wave").touch()
    assert KNOWN.locate(tmp_path) == tmp_path / "waves"
    assert KNOWN.locate(tmp_path / "waves") is None and KNOWN.find(tmp_path / "waves") == tmp_path / "waves"


def test_a_set_that_is_not_there_is_said_with_where_it_belongs(tmp_path):
    expected = (
        f"folder: given '{tmp_path}', which does not hold waves; expected files such as *.wave in it, or in its folder "
        "waves or sea/waves; they are published at https://example.org"
    )
    with pytest.raises(FileNotFoundError) as caught:
        KNOWN.find(tmp_path)
    assert str(caught.value) == expected
    with pytest.raises(FileNotFoundError, match="there is no such folder; expected one that holds waves"):
        KNOWN.find(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="which is no folder; expected one that holds waves"):
        KNOWN.find(tmp_path / "file")


def test_the_digest_is_that_of_names_and_uncompressed_contents(tmp_path):
    (tmp_path / "low").mkdir()
    (tmp_path / "b.wave").write_bytes(b"bb")
    (tmp_path / "low/a.wave.gz").write_bytes(gzip.compress(b"a", mtime=1))
    (tmp_path / "other").write_bytes(b"is not read")
    contents = {"b.wave": b"bb", "low/a.wave": b"a"}
    listed = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    expected = hashlib.sha256(listed.encode()).hexdigest()
    assert KNOWN.digest(tmp_path) == expected
    (tmp_path / "low/a.wave").write_bytes(b"a")  # beside its compressed form it counts, and that does not
    (tmp_path / "low/a.wave.gz").write_bytes(b"other")
    assert KNOWN.digest(tmp_path) == expected
    (tmp_path / "low/a.wave.gz").unlink()
    assert KNOWN.digest(tmp_path) == expected
    (tmp_path / "low/c.wave").touch()
    assert KNOWN.digest(tmp_path) != expected


def test_a_file_counts_under_its_published_name(tmp_path):
    (tmp_path / "a.wave").write_bytes(b"a")
    (tmp_path / "b.wave").write_bytes(b"b")
    named = replace(KNOWN, published_name=lambda name: name.replace("a.wave", "first.wave"))
    before = named.digest(tmp_path)
    assert before != KNOWN.digest(tmp_path)
    (tmp_path / "a.wave").rename(tmp_path / "first.wave")
    assert before == named.digest(tmp_path) == KNOWN.digest(tmp_path)
