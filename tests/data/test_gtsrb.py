"""GTSRB: the published folders and the subset, tracks that stay together, and lists that are wrong."""

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_gtsrb
from tests.data.tiny_sets import GTSRB_COLUMNS, save_lines, write_gtsrb, write_gtsrb_subset, write_set


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gtsrb")
    return folder, write_gtsrb(folder)


def scaled(bytes):
    return (bytes.astype(np.float64) / 255).astype(np.float32)


@pytest.mark.parametrize("side", [4, 9])
def test_published_pictures_are_resized_to_one_side(published, side):
    folder, (train, test) = published
    signs = load_gtsrb(folder, side)
    for found, written in ((signs.train, train), (signs.test, [(label, 0, 0, *rest) for label, *rest in test])):
        assert found.images.shape == (len(written), 3, side, side) and found.images.dtype == np.float32
        assert found.labels.tolist() == [label for label, *_ in written]
        for image, (_, _, _, picture, _) in zip(found.images, written, strict=True):
            assert (image == scaled(picture[0, 0])[:, None, None]).all()
    assert signs.train_regions.tolist() == [list(region) for *_, region in train]
    assert signs.test_regions.tolist() == [list(region) for *_, region in test]
    assert signs.frames.tolist() == [frame for _, _, frame, _, _ in train]


def test_a_track_is_one_sign_of_one_class(published):
    folder, (train, _) = published
    signs = load_gtsrb(folder, 2)
    pairs = [(label, track) for label, track, *_ in train]
    numbers = dict(zip(pairs, signs.tracks.tolist(), strict=True))
    assert sorted(numbers.values()) == list(range(len(numbers))) and len(numbers) == 43 + 14 + 2 * 14
    assert signs.tracks.tolist() == [numbers[pair] for pair in pairs]


@pytest.mark.parametrize("training", ["Training", "Final_Training/Images"])
@pytest.mark.parametrize("test_list", ["GT-final_test.csv", "Final_Test/Images/GT-final_test.csv"])
def test_other_places_of_the_published_files_are_known(tmp_path, published, training, test_list):
    write_gtsrb(tmp_path / "GTSRB", training, test_list)
    assert load_gtsrb(tmp_path, 4).train.digest() == load_gtsrb(published[0], 4).train.digest()


def test_the_subset_is_read_as_it_is(tmp_path):
    _, arrays = write_set(tmp_path, "gtsrb", "subset")
    signs = load_gtsrb(tmp_path)
    for part, found, regions in (("train", signs.train, signs.train_regions), ("test", signs.test, signs.test_regions)):
        assert (found.images == scaled(arrays[f"x_{part}"]).transpose(0, 3, 1, 2)).all()
        assert found.images.flags.c_contiguous
        assert (found.labels == arrays[f"y_{part}"]).all() and found.labels.dtype == np.int64
        assert (regions == arrays[f"roi_{part}"]).all()
    # Numbers of all tracks, in the order of classes 0, 3, 42 and of their tracks 2, 8.
    assert signs.tracks.tolist() == [3] * 3 + [2] * 3 + [1] * 3 + [0] * 3 + [5] * 3 + [4] * 3
    assert signs.frames.tolist() == [0, 14, 29] * 6
    with pytest.raises(ValueError, match="side: given 48, expected 32; the subset has no others"):
        load_gtsrb(tmp_path, 48)


@pytest.mark.parametrize(("share", "held"), [(0.01, 1), (0.5, 1), (0.99, 1)])
def test_whole_tracks_of_each_class_are_held_out(tmp_path, share, held):
    write_gtsrb_subset(tmp_path)
    signs = load_gtsrb(tmp_path)
    seen = set()
    for seed in range(20):
        train, validation = signs.hold_out(share, np.random.default_rng(seed))
        again = signs.hold_out(share, np.random.default_rng(seed))
        assert (train.digest(), validation.digest()) == (again[0].digest(), again[1].digest())
        images = [{image.tobytes() for image in part.images} for part in (train, validation)]
        assert len(images[0] | images[1]) == 18 and not images[0] & images[1]
        assert validation.labels.tolist() == [3] * 3 * held + [0] * 3 * held + [42] * 3 * held
        of = {image.tobytes(): track for image, track in zip(signs.train.images, signs.tracks.tolist(), strict=True)}
        tracks = [{of[image] for image in part} for part in images]
        assert not tracks[0] & tracks[1]
        seen.add(tuple(sorted(tracks[1])))
    assert len(seen) > 2
    with pytest.raises(ValueError, match="share: given 1, expected a number between 0 and 1"):
        signs.hold_out(1, np.random.default_rng(0))


def test_the_share_of_tracks_is_rounded(published):
    signs = load_gtsrb(published[0], 2)
    _, validation = signs.hold_out(0.6, np.random.default_rng(0))
    # Classes with 1, 2 and 3 tracks of two frames: none, 1 and 2 are held out, 0.6 times 2 and 3 being 1.2 and 1.8.
    assert np.bincount(validation.labels, minlength=43).tolist() == [(0, 2, 4)[label % 3] for label in range(43)]


@pytest.mark.parametrize("side", [0, -1, 1.5, "32"])
def test_a_side_is_a_positive_integer(published, side):
    with pytest.raises(ValueError, match="side: given .*, expected a positive integer"):
        load_gtsrb(published[0], side)


LINE = "00000_00000.ppm;6;6;1;1;4;4;7"


@pytest.mark.parametrize(
    ("lines", "flaw"),
    [
        ([], "the first line is not Filename;Width"),
        ([GTSRB_COLUMNS], "the list is empty"),
        ([GTSRB_COLUMNS.replace(";", ","), LINE], "the first line is not Filename;Width"),
        ([GTSRB_COLUMNS, LINE, "00000_00001.ppm;6;6;1;1;4;4"], "line 3 is none of Filename, Width"),
        ([GTSRB_COLUMNS, LINE.replace(";6", ";-6")], "line 2 is none of"),
        ([GTSRB_COLUMNS, LINE.replace(";6", ";" + "6" * 5000)], "line 2 is none of"),
        ([GTSRB_COLUMNS, LINE + "x"], "line 2 is none of"),
        ([GTSRB_COLUMNS, "../" + LINE], r"line 2 names '../00000_00000.ppm', expected a file such as"),
        ([GTSRB_COLUMNS, "/etc/passwd;6;6;1;1;4;4;7"], "line 2 names '/etc/passwd'"),
        ([GTSRB_COLUMNS, LINE.replace(";7", ";43")], "there is a label 43, expected 0 to 42"),
        ([GTSRB_COLUMNS, LINE.replace("00000_00000", "00000")], "00000.ppm: the name is none of track and frame"),
        ([GTSRB_COLUMNS, '"' + "a" * 200000], "cannot be read as a list with semicolons"),
    ],
)
def test_a_wrong_list_is_refused(published, lines, flaw):
    folder, _ = published
    path = folder / "Final_Training/Images/00007/GT-00007.csv"
    content = path.read_bytes()
    try:
        save_lines(path, *lines)
        with pytest.raises(DamagedFileError, match=flaw):
            load_gtsrb(folder, 4)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("y_train", "there are 18 pictures x_train, and 17 of y_train"),
        ("track_frame_train", "there are 18 pictures x_train, and 17 of track_frame_train"),
        ("roi_test", "there are 2 pictures x_test, and 1 of roi_test"),
    ],
)
def test_arrays_of_the_subset_belong_together(tmp_path, name, flaw):
    arrays = write_gtsrb_subset(tmp_path)
    np.savez(tmp_path / "gtsrb32_subset.npz", **{**arrays, name: arrays[name][1:]})
    with pytest.raises(DamagedFileError, match=flaw):
        load_gtsrb(tmp_path)
