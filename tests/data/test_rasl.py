"""RASL's pictures: their sizes differ, and landmarks count from 0."""

import numpy as np
import pytest
from scipy.io import savemat

from refwarp.data import DamagedFileError, load_rasl, rasl_sets
from tests.data.tiny_sets import write_rasl, write_set


def test_pictures_and_landmarks_belong_together(tmp_path):
    _, written = write_set(tmp_path, "rasl")
    assert rasl_sets(tmp_path) == ("Al_Gore", "Digits_3")
    for name, count in (("Al_Gore", 3), ("Digits_3", 2)):
        found = load_rasl(tmp_path, name)
        assert len(found) == count and found.landmarks.shape == (count, 2, 2) and found.landmarks.dtype == np.float64
        for stem, image, landmarks in zip(found.names, found.images, found.landmarks, strict=True):
            picture, points = written[name, stem]
            assert (image == (picture.astype(np.float64) / 255).astype(np.float32)[None]).all()
            for landmark, (x, y) in enumerate(zip(*points.astype(np.float64), strict=True)):
                assert landmarks[landmark].tolist() == [x - 1, y - 1]


def test_an_unknown_set_is_refused_with_those_there_are(tmp_path):
    write_rasl(tmp_path)
    with pytest.raises(ValueError, match="name: given 'Windows', expected one of 'Al_Gore', 'Digits_3'"):
        load_rasl(tmp_path, "Windows")


@pytest.mark.parametrize(
    ("points", "flaw"),
    [
        (np.ones((2, 3)), r"'points' is an array \(2, 3\) of float64, expected one of number, 2x2"),
        (np.array([[1, np.nan], [1, 1]]), "there is a landmark that is no number"),
    ],
)
def test_landmarks_that_are_none_are_refused(tmp_path, points, flaw):
    write_rasl(tmp_path)
    savemat(tmp_path / "Al_Gore/001-points.mat", {"points": points})
    with pytest.raises(DamagedFileError, match=f"/Al_Gore/001-points.mat: {flaw}"):
        load_rasl(tmp_path, "Al_Gore")
