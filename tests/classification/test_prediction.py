"""Pictures and what they are taken for; how they come to the size that a network takes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograd_core.layers import Flatten, Module
from refwarp.classification.design import Design
from refwarp.classification.kept import Classifier
from refwarp.classification.prediction import classify, find_pictures
from refwarp.data.own_pictures import read_picture, resized
from tests.classification.tiny_pictures import write_pictures
from tests.data.tiny_sets import save

RNG = np.random.default_rng(0)
WIDE = RNG.integers(0, 256, (6, 8), np.uint8)


class Told(Module):
    """A network whose scores are the logarithms of its input's pixels, and that remembers the input."""

    def __init__(self):
        self.flatten, self.seen = Flatten(), []

    def forward(self, input):
        self.seen.append(input.data)
        return self.flatten(input)


def told(shape, size):
    return Classifier(Told(), Design("FCN", "none", "bilinear", shape, size, 2), ("a", "b"), size)


def network(warp="affine", shape=(1, 12, 12), size=(12, 12)):
    model = "FCN" if warp == "none" else "ST-FCN"
    design = Design(model, warp, "bilinear", shape, size, 3)
    return Classifier(design.build(np.random.default_rng(1)), design, ("a", "b", "c"), size)


def pictures_of(*paths):
    return find_pictures([Path(path) for path in paths])


def test_probabilities_are_those_of_the_scores_and_sum_to_one(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 51]], np.uint8), "PNG")
    (found,) = classify(told((1, 1, 2), (1, 2)), pictures_of(tmp_path / "a.png"))
    odds = np.exp(np.float64(np.float32(0.2)))
    assert found.probabilities == pytest.approx([1 / (1 + odds), odds / (1 + odds)], rel=1e-14)
    assert found.label == 1 and found.probability == found.probabilities[1] and found.path == tmp_path / "a.png"


def test_a_picture_is_resized_and_laid_in_the_middle_of_a_larger_canvas(tmp_path):
    save(tmp_path / "a.png", WIDE, "PNG")
    plain, larger, same = told((1, 4, 4), (4, 4)), told((1, 7, 10), (4, 6)), told((1, 6, 8), (4, 4))
    for one in (plain, larger, same):
        classify(one, pictures_of(tmp_path / "a.png"))
    picture = read_picture(tmp_path / "a.png", 1)
    assert (plain.network.seen[0][0] == resized(picture[None], (4, 4))[0]).all()
    canvas = np.zeros((1, 7, 10), np.float32)
    canvas[:, 1:5, 2:8] = resized(picture[None], (4, 6))[0]
    assert (larger.network.seen[0][0] == canvas).all()
    assert (same.network.seen[0][0] == picture).all()  # of the input's own size already


def test_colours_are_as_many_as_the_network_takes(tmp_path):
    save(tmp_path / "a.png", WIDE, "PNG")
    save(tmp_path / "b.png", np.stack([WIDE] * 3, axis=-1), "PNG")
    for channels in (1, 3):
        one = told((channels, 6, 8), (6, 8))
        classify(one, pictures_of(tmp_path))
        first, second = one.network.seen[0]
        # A grey of three equal colours may be off by a level when it is made of them.
        assert first.shape == (channels, 6, 8) and abs(first - second).max() <= 1.01 / 255


def test_files_and_folders_are_found_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "in", 2)
    save(tmp_path / "x.png", WIDE, "PNG")
    found = pictures_of("x.png", "in")
    assert [str(one.path) for one in found[:3]] == ["x.png", "in/bars/00.png", "in/bars/01.png"] and len(found) == 7
    assert [str(one.name) for one in found[:2]] == ["x", "bars/00"]
    with pytest.raises(FileNotFoundError, match="pictures: given 'y.png', but there is no such file; expected a pict"):
        pictures_of("y.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="pictures: given 'none', a folder without pictures; expected some in it"):
        pictures_of("none")


def test_many_pictures_are_read_some_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("refwarp.classification.prediction._BATCH", 4)
    pictures = pictures_of(write_pictures(tmp_path / "in", 3))
    one = network()
    few = classify(one, pictures, tmp_path / "out")
    monkeypatch.setattr("refwarp.classification.prediction._BATCH", 256)
    for first, second in zip(few, classify(one, pictures), strict=True):
        # Another batch size is another order of a product's sums.
        np.testing.assert_allclose(first.probabilities, second.probabilities, rtol=1e-5)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9


def test_warped_pictures_are_what_the_transformer_makes_of_each(tmp_path):
    """At the identity, onto the same size: the pictures themselves."""
    folder = write_pictures(tmp_path / "in", 2)
    classify(network(), pictures_of(folder), tmp_path / "out")
    for path in folder.rglob("*.png"):
        with Image.open(path) as given, Image.open(tmp_path / "out" / path.relative_to(folder)) as written:
            assert written.mode == "L" and abs(np.asarray(given, int) - np.asarray(written, int)).max() <= 1
    classify(network(shape=(3, 12, 12), size=(7, 9)), pictures_of(folder / "bars"), tmp_path / "colour")
    with Image.open(tmp_path / "colour" / "00.png") as written:
        assert written.mode == "RGB" and written.size == (9, 7)


def test_two_pictures_of_one_name_are_both_kept(tmp_path):
    for folder in ("a", "b", "c"):
        save(tmp_path / folder / "x.png", WIDE, "PNG")
    classify(network(), pictures_of(*(tmp_path / folder / "x.png" for folder in "abc")), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x-2.png", "x-3.png", "x.png"]


def test_no_picture_is_replaced_and_a_network_that_does_not_warp_is_told(tmp_path):
    folder = write_pictures(tmp_path / "in", 2)
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    with pytest.raises(ValueError, match=r"warped: .*in/bars/00\.png is there already; give another folder, or remove"):
        classify(network(), pictures_of(folder), folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
    with pytest.raises(ValueError, match="warped: given with a network FCN, which does not warp"):
        classify(network("none"), pictures_of(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()
