"""CUB: the published lists and the subset's, and lists that are wrong."""

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_cub
from tests.data.tiny_sets import save_lines, write_cub, write_cub_subset, write_set


@pytest.mark.parametrize("form", ["published", "subset"])
def test_photographs_have_the_class_and_the_part_of_the_lists(tmp_path, form):
    _, written = write_set(tmp_path, "cub", form)
    birds = load_cub(tmp_path)
    for part, trains in ((birds.train, True), (birds.test, False)):
        chosen = [(label, picture) for label, of, picture in written if of is trains]
        assert part.labels.tolist() == [label for label, _ in chosen] and part.labels.dtype == np.int64
        for index, (_, picture) in enumerate(chosen):
            found = part.image(index)
            assert found.shape == (3, *picture.shape[:2])
            # JPEG keeps a plain colour to two levels.
            assert np.abs(found * 255 - picture.transpose(2, 0, 1)).max() < 2.5


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    write_cub(tmp_path / "a")
    assert load_cub(tmp_path / "a").class_names == (
        "001.Black_footed_Albatross",
        "002.Laysan_Albatross",
        "010.Red_winged_Blackbird",
    )
    write_cub_subset(tmp_path / "b")
    assert load_cub(tmp_path / "b").class_names == ("Bobolink", "Gadwall")


HEAD = "path,label,class,split"


@pytest.mark.parametrize(
    ("lines", "flaw"),
    [
        ([], "the first line is not path,label,class,split"),
        (["path;label;class;split"], "the first line is not"),
        ([HEAD], "the labels are not 0 to"),
        ([HEAD, "Gadwall/0001.jpg,0,Gadwall"], "line 2 is none of path, label"),
        ([HEAD, "Gadwall/0001.jpg,x,Gadwall,test"], "line 2 is none of path, label"),
        ([HEAD, "Gadwall/0001.jpg,0,Gadwall,valid"], "line 2 is none of path, label"),
        ([HEAD, "Gadwall/0001.jpg,1,Gadwall,test"], "the labels are not 0 to 0"),
        (
            [HEAD, "Gadwall/0001.jpg,0,Gadwall,test", "a/b.jpg,0,Bobolink,test"],
            "line 3 calls class 0 'Bobolink'",
        ),
        ([HEAD, "../secret.jpg,0,Gadwall,test"], r"it names '../secret.jpg', expected a file in the folder images"),
        ([HEAD, "/etc/passwd,0,Gadwall,test"], "it names '/etc/passwd'"),
        ([HEAD, "a\\b.jpg,0,Gadwall,test"], "it names 'a"),
        ([HEAD, f"{'a' * 200000},0,Gadwall,test"], "cannot be read as a list with commas"),
    ],
)
def test_a_wrong_index_is_refused(tmp_path, lines, flaw):
    write_cub_subset(tmp_path)
    save_lines(tmp_path / "index.csv", *lines)
    with pytest.raises(DamagedFileError, match=f"/index.csv: .*{flaw}"):
        load_cub(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "flaw"),
    [
        ("images", lambda lines: lines[1:], "/image_class_labels.txt: it is not about the photographs of images.txt"),
        ("train_test_split", lambda lines: lines[1:], "/train_test_split.txt: it is not about the photographs"),
        (
            "train_test_split",
            lambda lines: ["1 2", *lines[1:]],
            "/train_test_split.txt: there is something else",
        ),
        ("image_class_labels", lambda lines: ["1 3", *lines[1:]], "/image_class_labels.txt: class 3 is not in classes"),
        ("images", lambda lines: [*lines, "1 a.jpg"], "/images.txt: line 6 is not a new number and what belongs to it"),
        ("images", lambda lines: ["a.jpg", *lines], "/images.txt: line 1 is not a new number"),
        ("classes", lambda lines: [f"{'1' * 5000} a", *lines], "/classes.txt: line 1 is not a new number"),
        ("images", lambda lines: ["1 ../a.jpg", *lines[1:]], "/images.txt: it names '../a.jpg'"),
    ],
)
def test_wrong_lists_are_refused(tmp_path, name, change, flaw):
    write_cub(tmp_path)
    path = tmp_path / f"{name}.txt"
    save_lines(path, *change(path.read_text(encoding="utf-8").splitlines()))
    with pytest.raises(DamagedFileError, match=flaw):
        load_cub(tmp_path)


def test_a_photograph_that_is_missing_is_named(tmp_path):
    write_cub_subset(tmp_path)
    (tmp_path / "images/Gadwall/0002.jpg").unlink()
    (tmp_path / "images/Gadwall/0002.jpg").mkdir()
    with pytest.raises(FileNotFoundError, match=r"/images/Gadwall/0002.jpg: there is no such file"):
        load_cub(tmp_path)
