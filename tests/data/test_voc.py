"""PASCAL VOC: lists, photographs, and the classes of their pixels."""

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_voc, voc_splits
from refwarp.data.voc import CLASS_NAMES, IGNORED
from tests.data.tiny_sets import save, save_lines, write_set, write_voc


def test_a_split_is_read_in_the_order_of_its_list(tmp_path):
    _, written = write_set(tmp_path, "voc")
    assert voc_splits(tmp_path) == ("train", "val")
    for split, names in (("train", ("2007_b", "2007_a")), ("val", ("2008_c",))):
        pictures = load_voc(tmp_path, split)
        assert pictures.names == names and len(pictures) == len(names)
        for index, name in enumerate(names):
            picture, classes = written[name]
            image, mask = pictures.pair(index)
            assert mask.dtype == np.int64 and (mask == classes).all()
            assert mask[0, :3].tolist() == [IGNORED, 0, 20]
            # JPEG keeps a plain colour to two levels.
            assert np.abs(image * 255 - picture.transpose(2, 0, 1)).max() < 2.5


def test_there_are_21_classes():
    assert len(CLASS_NAMES) == 21 and CLASS_NAMES[0] == "background" and CLASS_NAMES[8] == "cat"


def test_an_unknown_split_is_refused_with_those_there_are(tmp_path):
    write_voc(tmp_path)
    with pytest.raises(ValueError, match="split: given 'test', expected one of 'train', 'val'"):
        load_voc(tmp_path, "test")


@pytest.mark.parametrize(
    ("line", "error", "flaw"),
    [
        ("2009_d", FileNotFoundError, "/JPEGImages/2009_d.jpg: there is no such file"),
        ("../2007_a", DamagedFileError, "/train.txt: there is a line '../2007_a', expected the name of a picture"),
        ("2007_a 1", DamagedFileError, "/train.txt: there is a line '2007_a 1'"),
        ("", DamagedFileError, "/train.txt: the list is empty"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, line, error, flaw):
    write_voc(tmp_path)
    save_lines(tmp_path / "ImageSets/Segmentation/train.txt", line)
    with pytest.raises(error, match=flaw):
        load_voc(tmp_path, "train")


@pytest.mark.parametrize(
    ("classes", "flaw"),
    [
        (np.full((6, 9), 21, np.uint8), "there is a class 21, expected 0 to 20, or 255"),
        (np.zeros((9, 6), np.uint8), "the segmentation has 9x6 pixels, and its photograph 6x9"),
    ],
)
def test_a_segmentation_that_is_none_is_refused(tmp_path, classes, flaw):
    write_voc(tmp_path)
    save(tmp_path / "SegmentationClass/2007_a.png", classes, "PNG", "P")
    with pytest.raises(DamagedFileError, match=f"/SegmentationClass/2007_a.png: {flaw}"):
        load_voc(tmp_path, "train").pair(1)
