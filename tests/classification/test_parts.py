"""What a network learns from: folders, published sets, sizes, colours and distortions."""

import numpy as np
import pytest

from refwarp.classification.parts import known_sets, load_parts
from refwarp.data import load_digits, load_mnist, load_svhn, stn_distortions
from refwarp.data.registry import datasets
from tests.classification.tiny_pictures import CLASSES, parts, patterns, write_pictures
from tests.data.tiny_sets import (
    save,
    save_lines,
    write_cluttered_mnist,
    write_gtsrb_subset,
    write_mnist,
    write_svhn_subset,
)


def load(data, size=None, seed=0):
    return load_parts(str(data), np.random.default_rng(seed), size)


def test_grey_pictures_of_one_size_are_taken_as_they_are(tmp_path):
    found = load(write_pictures(tmp_path))
    assert found.classes == CLASSES and found.shape == (1, 12, 12) and found.size == (12, 12)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [24, 3, 3]
    written = np.concatenate([patterns(label, 10, rng) for rng in [np.random.default_rng(0)] for label in range(3)])
    for part, names in found.files.items():
        which = [10 * CLASSES.index(name.split("/")[0]) + int(name[-6:-4]) for name in names]
        examples = getattr(found, part)
        assert (examples.images[:, 0] == (written[which] / np.float32(255)).astype(np.float32)).all()
        assert examples.labels.tolist() == [k // 10 for k in which]
    assert found.digests() == load(tmp_path).digests() != load(tmp_path, seed=1).digests()


def test_one_picture_in_colour_makes_all_of_three_channels(tmp_path):
    write_pictures(tmp_path)
    save(tmp_path / "bars" / "00.png", np.zeros((12, 12, 3), np.uint8), "PNG")
    found = load(tmp_path)
    assert found.shape == (3, 12, 12)
    grey = found.train.images[found.train.labels > 0]
    assert (grey[:, 0] == grey[:, 1]).all()


def test_pictures_of_several_sizes_or_large_ones_become_squares(tmp_path):
    write_pictures(tmp_path / "several")
    save(tmp_path / "several" / "bars" / "00.png", np.zeros((20, 12), np.uint8), "PNG")
    assert load(tmp_path / "several").size == (64, 64)
    assert load(write_pictures(tmp_path / "large", 3, side=65)).size == (64, 64)
    assert load(write_pictures(tmp_path / "just", 3, side=64)).size == (64, 64)
    assert load(tmp_path / "several", (7, 9)).shape == (1, 7, 9)


def test_scikit_learn_s_digits_are_magnified():
    found, digits = load("digits"), load_digits()
    assert found.size == (28, 28) and found.classes == tuple("0123456789")
    assert (found.test.labels == digits.test.labels).all()
    assert (load("digits", (8, 8)).train.images == digits.train.images).all()


def test_a_published_set_is_found_by_its_name_or_in_a_folder(tmp_path, monkeypatch):
    write_mnist(tmp_path / "sets" / "mnist")
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path / "sets"))
    named = load("mnist")
    whole = load_mnist(tmp_path / "sets")
    # The last tenth of what is to train on, rounded; of five pictures none would be left: at least one.
    assert [len(part) for part in (named.train, named.validation, named.test)] == [4, 1, 3]
    assert (named.validation.images == whole.train.images[4:]).all()
    assert (named.test.images == whole.test.images).all() and not named.files and named.name == "mnist"
    for folder in (tmp_path / "sets", tmp_path / "sets" / "mnist"):
        assert load(folder).digests() == named.digests()


def test_parts_that_a_set_has_are_kept_and_its_own_way_of_holding_out_is_used(tmp_path):
    written = write_cluttered_mnist(tmp_path / "cluttered_mnist")
    found = load(tmp_path)
    assert (found.validation.images.reshape(3, -1) == written["X_valid"]).all() and found.shape == (1, 40, 40)
    write_gtsrb_subset(tmp_path / "other" / "gtsrb32")
    found = load(tmp_path / "other")
    assert found.shape == (3, 32, 32) and len(found.train) and len(found.validation)


def test_photographs_are_read_from_their_files(tmp_path):
    lines = ["path,label,class,split"]
    for label, name in enumerate(("Bobolink", "Gadwall")):
        for k in range(3):
            save(tmp_path / "images" / name / f"{k}.jpg", np.full((20, 30), 100 * label + k, np.uint8), "JPEG")
            lines.append(f"{name}/{k}.jpg,{label},{name},{'train' if k else 'test'}")
    save_lines(tmp_path / "index.csv", *lines)
    found = load(tmp_path, (8, 9))
    assert found.name == "cub" and found.classes == ("Bobolink", "Gadwall") and found.shape == (1, 8, 9)
    assert [part.labels.tolist() for part in (found.train, found.validation, found.test)] == [[0, 1]] * 3
    assert load(tmp_path).size == (20, 30)


def test_of_several_sets_one_is_to_be_named(tmp_path):
    write_mnist(tmp_path / "mnist")
    write_svhn_subset(tmp_path / "svhn32")
    with pytest.raises(ValueError, match="data: given '.*', which holds mnist, svhn; give the folder of one, or its"):
        load(tmp_path)
    svhn = load_svhn(tmp_path)
    assert len(load(tmp_path / "svhn32").test) == len(svhn.test)


def test_every_set_whose_pictures_have_one_class_is_known():
    """Those whose readers return labels; pixels, landmarks and motion are no classes."""
    assert set(known_sets()) == {"digits", "mnist", "cluttered_mnist", "svhn", "gtsrb", "cub"}
    assert {"em", "voc", "rasl", "middlebury"} == set(datasets()) - set(known_sets())


def test_what_is_neither_a_folder_nor_a_set_is_said_with_what_there_is(monkeypatch, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="data: given 'minst', but there is no such folder; expected a folder of"
    ):
        load("minst")
    monkeypatch.delenv("REFWARP_DATA", raising=False)
    with pytest.raises(ValueError, match="data: no folder is given; name the one that holds the data sets as"):
        load("mnist")
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="does not hold MNIST"):
        load("mnist")


def test_a_damaged_picture_is_named(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "bars" / "03.png").write_bytes((tmp_path / "bars" / "03.png").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"bars/03\.png: the picture cannot be read"):
        load(tmp_path)


def test_more_than_fits_into_memory_is_told(tmp_path, monkeypatch):
    empty = np.empty

    def full(shape, *arguments, **options):
        if np.shape(shape) == (4,):
            raise MemoryError
        return empty(shape, *arguments, **options)

    write_pictures(tmp_path)
    monkeypatch.setattr(np, "empty", full)
    with pytest.raises(
        ValueError, match="size: 24 pictures of 50x50 pixels do not fit into memory; give a smaller --size"
    ):
        load(tmp_path, (50, 50))


@pytest.mark.parametrize("name", ["R", "RTS", "P", "E", "TC"])
def test_validation_and_test_are_distorted_once_and_training_afresh(name):
    plain = parts(side=14)
    found, again = plain.distorted(name), plain.distorted(name)
    side = found.shape[1]
    assert side == {"RTS": 21, "TC": 30}.get(name, 14) and found.size == (14, 14)
    assert found.digests() == again.digests() != plain.digests()
    assert found.train is plain.train
    assert type(found.distortion) is type(stn_distortions(plain.train.images)[name])
    assert (found.validation.images != found.test.images).any()


def test_only_square_pictures_are_distorted_and_only_so(tmp_path):
    with pytest.raises(ValueError, match="distortion: given 'X', expected one of R, RTS, P, E, TC, none"):
        parts().distorted("X")
    with pytest.raises(ValueError, match="distortion: given 'R' with pictures of 12x10 pixels, expected square ones"):
        load(write_pictures(tmp_path), (12, 10)).distorted("R")
