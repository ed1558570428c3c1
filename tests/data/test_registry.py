"""The registry: what it finds, and what it says of sets that are whole, damaged, foreign or missing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import refwarp.data
from refwarp.data import registry
from refwarp.data.registry import State, check, dataset, datasets
from tests.data.tiny_sets import WRITERS, write_set


def test_sets_are_found_in_the_modules_and_declared_completely():
    found = datasets()
    assert list(found) == sorted(found) and len(found) >= 9
    for name, known in found.items():
        assert known.name == name and dataset(name) is known
        for text in (known.title, known.size, known.origin, known.citation, known.licence, *known.contents.values()):
            assert text.strip() == text != ""
        assert known.folders and known.files and re.match("https?://", known.origin)
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in known.contents)


def test_without_a_licence_no_sample_may_be_published():
    for known in datasets().values():
        assert known.samples_may_be_published == (not known.licence.startswith("none"))


def test_the_page_about_data_says_what_the_registry_says():
    page = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    plain = " ".join(page.split())
    for name, known in datasets().items():
        for text in (f"{known.citation}.", f"<{known.origin}>", f"Licence: {known.licence}."):
            assert text in plain
        (row,) = re.findall(rf"^\| `{name}` \|.*\| `(load_\w+)`.*\| (yes|no) \|$", page, re.MULTILINE)
        assert row[1] == ("yes" if known.samples_may_be_published else "no")
        assert callable(getattr(refwarp.data, row[0]))
        assert any(f"{folder}/" in page for folder in known.folders)


def test_every_set_is_read_and_of_unknown_content(tmp_path):
    for name in {name for name, _ in WRITERS}:
        write_set(tmp_path, name)
    calls = []
    found = check(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert [finding.dataset.name for finding in found] == list(datasets())
    for finding in found:
        assert finding.state is State.UNKNOWN and not finding.flaws and not finding.content
        assert finding.digest == finding.dataset.digest(finding.folder)
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    steps = {finding.dataset.name: len(list(finding.dataset.steps(finding.folder))) for finding in found}
    assert len(calls) == sum(steps.values()) + len(found)


def test_a_known_content_is_named(tmp_path, monkeypatch):
    folder, _ = write_set(tmp_path, "em")
    known = dataset("em")
    told = replace(known, contents={known.digest(folder): "four tiny sections"})
    monkeypatch.setattr(registry, "datasets", lambda: {"em": told})
    (finding,) = check(tmp_path)
    assert finding.state is State.KNOWN and finding.content == "four tiny sections"
    with (folder / "raw/00.tif").open("ab") as file:
        file.write(b"\0")
    assert check(tmp_path)[0].state is State.UNKNOWN


def test_every_damaged_file_is_named(tmp_path):
    folder, _ = write_set(tmp_path, "em")
    (folder / "raw/01.tif").write_bytes(b"no picture")
    (folder / "membranes/03.png").unlink()
    (finding,) = check(tmp_path, ["em"])
    assert finding.state is State.DAMAGED and not finding.digest and len(finding.flaws) == 2
    assert "/raw/01.tif: the file cannot be read as a TIFF picture" in finding.flaws[0]
    assert "/membranes/03.png: there is no such file" in finding.flaws[1]


def test_a_damaged_list_is_named(tmp_path):
    folder, _ = write_set(tmp_path, "cub", "subset")
    (folder / "index.csv").write_text("<html>", encoding="utf-8")
    calls = []
    (finding,) = check(tmp_path, ["cub"], lambda *call: calls.append(call))
    assert finding.state is State.DAMAGED and len(finding.flaws) == 1 and "/index.csv: " in finding.flaws[0]
    assert calls == [(1, 1)]


def test_what_is_no_file_among_the_files_is_named(tmp_path):
    folder, _ = write_set(tmp_path, "voc")
    (folder / "JPEGImages/2009_d.jpg").mkdir()  # in no list, and without a segmentation
    (finding,) = check(tmp_path, ["voc"])
    assert finding.state is State.DAMAGED and "/JPEGImages/2009_d.jpg', which is a folder" in finding.flaws[0]


def test_only_what_is_named_is_looked_at(tmp_path):
    write_set(tmp_path, "em")
    found = check(tmp_path, ["mnist", "em", "em"])
    assert [(finding.dataset.name, finding.state) for finding in found] == [
        ("em", State.UNKNOWN),
        ("mnist", State.MISSING),
    ]
    with pytest.raises(ValueError, match="name: given 'imagenet', expected one of 'cluttered_mnist', 'cub', "):
        check(tmp_path, ["imagenet"])
