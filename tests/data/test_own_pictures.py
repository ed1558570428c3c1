"""Pictures of any common format: their values, their sizes, and what cannot be read."""

import numpy as np
import pytest
from PIL import Image

from refwarp.data.own_pictures import pictures_below, read_head, read_picture, resized
from tests.data.tiny_sets import save

COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = COLOURS[..., 0].copy()


def unit(values):
    return (values.astype(np.float64) / 255).astype(np.float32)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_colours_come_channels_first_and_exact(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOURS).save(path, **({"lossless": True} if suffix == "webp" else {}))
    found = read_picture(path, 3)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert (found == unit(COLOURS.transpose(2, 0, 1))).all()
    assert read_head(path) == (5, 7, False)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "pgm", "gif"])
def test_grey_has_one_channel_or_three_equal_ones(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    assert (read_picture(path, 1) == unit(GREY)[None]).all()
    assert (read_picture(path, 3) == unit(GREY)[None].repeat(3, axis=0)).all()
    assert read_head(path)[:2] == (5, 7)


def test_sixteen_bits_are_as_bright_as_eight(tmp_path):
    save(tmp_path / "a.png", GREY.astype(np.uint16) * 257, "PNG")
    assert read_head(tmp_path / "a.png").is_grey
    for channels in (1, 3):
        np.testing.assert_allclose(read_picture(tmp_path / "a.png", channels)[0], unit(GREY), rtol=1e-7)  # eps


def test_colours_asked_for_in_grey_are_their_luma(tmp_path):
    save(tmp_path / "a.png", COLOURS, "PNG")
    # ITU-R 601, which Pillow rounds to a grey level.
    expected = COLOURS @ [0.299, 0.587, 0.114] / 255
    assert abs(read_picture(tmp_path / "a.png", 1)[0] - expected).max() < 1.01 / 255


def test_what_is_transparent_is_white(tmp_path):
    alpha = np.zeros((2, 2, 4), np.uint8)
    alpha[0] = 10, 20, 30, 255
    save(tmp_path / "a.png", alpha, "PNG")
    found = read_picture(tmp_path / "a.png", 3)
    assert (found[:, 0] == unit(np.array([[10, 10], [20, 20], [30, 30]]))).all() and (found[:, 1] == 1).all()
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "b.png", transparency=1)
    assert (read_picture(tmp_path / "b.png", 3)[:, 0].T == unit(np.array([[10, 20, 30], [255, 255, 255]]))).all()


def test_a_picture_that_a_camera_took_on_its_side_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    assert (read_picture(tmp_path / "a.png", 1)[0] == unit(np.rot90(GREY, -1))).all()


def test_smaller_is_averaged_and_larger_interpolated():
    """By half, a triangle of pixels: 1, 3, 3, 1 eighths, of which those outside are left out."""
    row = np.array([[[[0.0, 8.0, 16.0, 0.0, 8.0, 8.0]]]], np.float32)
    found = resized(row, (1, 3))[0, 0, 0]
    assert found[1] == (8 * 1 + 16 * 3 + 0 * 3 + 8 * 1) / 8
    assert found[0] == pytest.approx((0 * 3 + 8 * 3 + 16 * 1) / 7, rel=1e-6)  # float32
    assert (resized(row[..., :2], (1, 4))[0, 0, 0] == [0, 2, 6, 8]).all()
    assert resized(np.broadcast_to(row[..., :2], (2, 3, 1, 2)), (2, 2)).shape == (2, 3, 2, 2)


def test_pictures_are_found_by_their_suffixes_in_the_order_of_their_names(tmp_path):
    for name in ("b/2.PNG", "a.jpg", "b/1.tif", "b/c/0.webp", ".hidden/1.png", ".1.png", "notes.txt", "b/x.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in pictures_below(tmp_path)]
    assert found == ["a.jpg", "b/1.tif", "b/2.PNG", "b/c/0.webp"]


def test_what_cannot_be_read_is_one_sentence_that_names_the_file(tmp_path):
    save(tmp_path / "whole.png", np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8), "PNG")
    whole = (tmp_path / "whole.png").read_bytes()
    contents = {
        "empty.png": b"",
        "text.png": b"no picture",
        "truncated.png": whole[: len(whole) // 2],
        "damaged.png": whole[:200] + bytes([whole[200] ^ 255]) + whole[201:],
        "other.png": b"%PDF-1.4\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"^[^\n]*{name}: the picture cannot be read \([^\n]+\); replace it, or"):
            read_picture(tmp_path / name, 1)
    with pytest.raises(FileNotFoundError, match=r"nothing\.png: the picture cannot be read \(No such file"):
        read_head(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError, match=r"the picture cannot be read \(Is a directory\)"):
        read_head(tmp_path)
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(ValueError, match=r"floats\.tif: the picture cannot be read \(it has values of 32 bits"):
        read_picture(tmp_path / "floats.tif", 1)


def test_a_size_that_is_claimed_is_not_believed(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 100000 100000 255\n" + bytes(10))
    with pytest.raises(ValueError, match=r"a\.pgm: the picture cannot be read \("):
        read_head(tmp_path / "a.pgm")
    (tmp_path / "b.pgm").write_bytes(b"P5 10000 10000 255\n" + bytes(10))
    with pytest.raises(ValueError, match=r"\(it claims 10,000 x 10,000 pixels\)"):
        read_head(tmp_path / "b.pgm")
