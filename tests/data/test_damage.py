"""Whatever is wrong with a file of any set, its reader returns something or says in one sentence what is damaged."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refwarp.data.registry import datasets
from tests.data.damage import damaged_bytes, one_sentence_at_most
from tests.data.tiny_sets import WRITERS, write_set

FORMS = pytest.mark.parametrize(("name", "form"), [pytest.param(*key, id="-".join(key)) for key in WRITERS])


def one_of_each_kind(paths):
    """Return some of the files, for there may be a hundred of one kind and one of another."""
    kinds = {(path.suffix, path.parent.name if path.suffix == ".txt" else path.stem[:3]): path for path in paths}
    return [kinds[kind] for kind in sorted(kinds)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return, by set and form, its folder and the contents of its files."""
    found = {}
    for name, form in WRITERS:
        folder, _ = write_set(tmp_path_factory.mktemp(name), name, form)
        found[name, form] = folder, {path: path.read_bytes() for path in datasets()[name].paths(folder).values()}
    return found


def test_every_set_is_written():
    assert {name for name, _ in WRITERS} == datasets().keys()


@FORMS
def test_what_is_written_is_read(written, name, form):
    folder, files = written[name, form]
    steps = datasets()[name].steps(folder)
    assert files and steps
    for step in steps:
        step()


@FORMS
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_nothing_but_what_can_be_read_or_one_sentence(written, name, form, data):
    folder, files = written[name, form]
    path = data.draw(st.sampled_from(one_of_each_kind(files)))
    try:
        path.write_bytes(data.draw(damaged_bytes(files[path])))
        with one_sentence_at_most(folder):
            for step in datasets()[name].steps(folder):
                with one_sentence_at_most(folder):
                    step()
    finally:
        path.write_bytes(files[path])


@FORMS
@pytest.mark.parametrize("foreign", [b"", b"<!DOCTYPE html>\n<html></html>\n", b"PK\x05\x06" + bytes(18), bytes(5000)])
def test_another_file_in_the_place_of_one_gives_one_sentence(tmp_path, name, form, foreign):
    folder, _ = write_set(tmp_path, name, form)
    known = datasets()[name]
    for path in one_of_each_kind(known.paths(folder).values()):
        content = path.read_bytes()
        path.write_bytes(foreign)
        with pytest.raises((ValueError, OSError)) as caught:
            for step in known.steps(folder):
                step()
        assert str(path.name) in str(caught.value) and "\n" not in str(caught.value)
        path.write_bytes(content)


@FORMS
def test_a_file_that_is_missing_is_named(tmp_path, name, form):
    folder, _ = write_set(tmp_path, name, form)
    known = datasets()[name]
    for path in one_of_each_kind(known.paths(folder).values()):
        if path.parent.name == "Segmentation":  # of VOC's lists any may be missing
            continue
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(FileNotFoundError) as caught:
            for step in known.steps(known.find(tmp_path)):
                step()
        assert path.name.removesuffix(".gz") in str(caught.value) and "\n" not in str(caught.value)
        path.write_bytes(content)


@pytest.mark.parametrize("name", sorted({name for name, _ in WRITERS}))
def test_a_set_is_found_below_the_folder_of_all_sets_and_in_its_own(tmp_path, name):
    folder, _ = write_set(tmp_path, name)
    known = datasets()[name]
    assert known.find(tmp_path) == known.find(folder) == folder
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=r"which does not hold .*; they are published at http"):
        known.find(tmp_path)
