"""Pictures in folders by class: which parts they are in, and what is refused."""

import numpy as np
import pytest

from refwarp.data.class_folders import find_class_folders, split_by_class


def fill(folder, **counts):
    """Put so many empty files that are called pictures into the folders of classes; nothing here reads them."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            (folder / name / f"{k:03}.png").touch()


def found(folder, seed=0):
    return find_class_folders(folder, np.random.default_rng(seed))


def test_without_parts_each_class_is_divided_alike(tmp_path):
    fill(tmp_path, b=30, a=50, c=3)
    pictures = found(tmp_path)
    assert pictures.classes == ("a", "b", "c")
    counts = [np.bincount(part.labels).tolist() for part in (pictures.train, pictures.validation, pictures.test)]
    assert counts == [[40, 24, 1], [5, 3, 1], [5, 3, 1]]
    files = pictures.files()
    together = sorted(name for names in files.values() for name in names)
    assert together == sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    for part, names in files.items():
        labels = getattr(pictures, part).labels
        assert [pictures.classes[label] for label in labels] == [name.split("/")[0] for name in names]
        assert labels.dtype == np.int64


def test_the_generator_decides_which_and_nothing_else_does(tmp_path):
    fill(tmp_path, a=50, b=50)
    assert found(tmp_path).files() == found(tmp_path).files() != found(tmp_path, 1).files()


def test_parts_that_are_there_are_kept_and_the_others_drawn_from_what_is_to_train_on(tmp_path):
    fill(tmp_path / "Training", a=20, b=10)
    fill(tmp_path / "test", b=2)
    pictures = found(tmp_path)
    assert np.bincount(pictures.train.labels).tolist() == [18, 9]
    assert np.bincount(pictures.validation.labels).tolist() == [2, 1]
    assert pictures.files()["test"] == ["test/b/000.png", "test/b/001.png"] and pictures.test.labels.tolist() == [1, 1]
    fill(tmp_path / "valid", a=1)
    pictures = found(tmp_path)
    assert np.bincount(pictures.train.labels).tolist() == [20, 10] and pictures.validation.labels.tolist() == [0]


def test_a_class_may_be_called_as_a_part(tmp_path):
    fill(tmp_path, train=10, car=10)
    assert found(tmp_path).classes == ("car", "train")


def test_pictures_further_down_belong_to_the_class(tmp_path):
    fill(tmp_path, a=3)
    fill(tmp_path / "b", x=2, y=2)
    assert sum((part.labels == 1).sum() for part in (found(tmp_path).train, found(tmp_path).test)) == 3


def test_what_is_no_set_of_classes_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="data: given '.*nowhere', but there is no such folder"):
        found(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="with no folders in it, expected at least two classes"):
        found(tmp_path)
    fill(tmp_path, a=5)
    with pytest.raises(ValueError, match="with the one class 'a' in it, expected at least two classes: a folder of"):
        found(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="data: .*b holds no pictures; put some into it, or remove it"):
        found(tmp_path)
    fill(tmp_path, b=2)
    with pytest.raises(
        ValueError, match="the class 'b' has too few pictures, 2, expected at least 3: one for each part"
    ):
        found(tmp_path)


def test_parts_that_do_not_fit_are_refused_in_a_sentence(tmp_path):
    fill(tmp_path / "test", a=2, b=2)
    fill(tmp_path / "val", a=2, b=2)
    with pytest.raises(ValueError, match="with a folder for another part and none to train on; add train"):
        found(tmp_path)
    fill(tmp_path / "train", a=2, b=2)
    assert len(found(tmp_path).train.paths) == 4
    fill(tmp_path / "test", c=1)
    with pytest.raises(ValueError, match="test/c is of a class that is not there to learn from; expected a, b"):
        found(tmp_path)
    (tmp_path / "test/c/000.png").unlink()
    (tmp_path / "test/c").rmdir()
    for path in (tmp_path / "val").rglob("*.png"):
        path.unlink()
    with pytest.raises(ValueError, match="data: .*val holds no pictures"):
        found(tmp_path)


@pytest.mark.parametrize(("size", "count", "held"), [(3, 2, 1), (4, 2, 1), (25, 2, 2), (100, 2, 10), (14, 1, 1)])
def test_a_tenth_of_each_class_is_held_out_and_at_least_one(size, count, held):
    labels = np.array([1] * size + [0] * 40)
    parts = split_by_class(labels, count, np.random.default_rng(0))
    assert [int((labels[part] == 1).sum()) for part in parts] == [held] * count + [size - count * held]
    assert [int((labels[part] == 0).sum()) for part in parts] == [4] * count + [40 - 4 * count]
    assert sorted(np.concatenate(parts)) == list(range(size + 40))
    assert all((np.diff(part) > 0).all() for part in parts)
