"""Pictures: each format's values, sizes that are claimed, and pictures that stay in their files."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refwarp.data import DamagedFileError, PictureFiles
from refwarp.data.pictures import read_grey, read_indices, read_mask, read_rgb
from tests.data.damage import damaged_bytes, one_sentence_at_most
from tests.data.tiny_sets import plain_colour, save

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 7, 3), np.uint8)
GREY = COLOURS[..., 0].copy()


def scaled(bytes):
    return (bytes.astype(np.float64) / 255).astype(np.float32)


def png(width, height, data=b""):
    """Return the bytes of a grey PNG that claims a size."""
    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n"
    for kind, part in parts:
        content += struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
    return content


@pytest.mark.parametrize("format", ["PNG", "PPM", "BMP", "TIFF"])
def test_colours_are_channels_first_and_exact(tmp_path, format):
    save(tmp_path / "a", COLOURS, format)
    found = read_rgb(tmp_path / "a", format)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert (found == scaled(COLOURS.transpose(2, 0, 1))).all()


@pytest.mark.parametrize("format", ["PNG", "PPM", "BMP", "TIFF"])
def test_a_grey_picture_has_one_channel_or_three_equal_ones(tmp_path, format):
    save(tmp_path / "a", GREY, format)
    assert (read_grey(tmp_path / "a", format) == scaled(GREY)[None]).all()
    assert (read_rgb(tmp_path / "a", format) == scaled(GREY)[None].repeat(3, axis=0)).all()


def test_masks_of_one_bit_and_of_eight_are_the_same(tmp_path):
    mask = GREY < 100
    save(tmp_path / "1", mask, "PNG")
    save(tmp_path / "8", (255 * mask).astype(np.uint8), "PNG")
    for name in "18":
        found = read_mask(tmp_path / name, "PNG")
        assert found.dtype == bool and (found == mask).all()
    save(tmp_path / "grey", GREY, "PNG")
    with pytest.raises(DamagedFileError, match="shades of grey, expected black and white"):
        read_mask(tmp_path / "grey", "PNG")


def test_a_palette_picture_keeps_its_indices(tmp_path):
    save(tmp_path / "p", GREY, "PNG", "P")
    save(tmp_path / "l", GREY, "PNG")
    assert (read_indices(tmp_path / "p", "PNG") == GREY).all()
    assert (read_indices(tmp_path / "l", "PNG") == GREY).all()


def test_resizing_averages_what_falls_into_a_pixel(tmp_path):
    """Bilinear with antialiasing: halving weights pixels at 1/2 and 3/2 from the new centre by 3/8 and 1/8."""
    row = np.array([0, 40, 120, 200, 80, 240, 0, 160], np.uint8)
    save(tmp_path / "a", np.broadcast_to(row, (6, 8)).copy(), "PNG")
    found = read_rgb(tmp_path / "a", "PNG", (6, 4)) * 255
    middle = [(row[2 * k - 1] + 3.0 * row[2 * k] + 3.0 * row[2 * k + 1] + row[2 * k + 2]) / 8 for k in (1, 2)]
    assert found.shape == (3, 6, 4)
    assert np.abs(found[:, :, 1:3] - middle).max() <= 1  # Pillow rounds to bytes
    assert read_rgb(tmp_path / "a", "PNG", (3, 8)).shape == (3, 3, 8)


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (png(7, 5, bytes(40)), None),
        (png(10**5, 10**4), "claims 100000x10000 pixels|could be decompression bomb"),
        (png(8193, 8192), "claims 8193x8192 pixels, more than any data set's"),
        (png(0, 5), "cannot be read as a PNG picture"),
        (png(7, 5, bytes(20)), "cannot be read as a PNG picture .*truncated"),
        (png(7, 5, bytes(40))[:-20], "cannot be read as a PNG picture"),
        (b"", "cannot be read as a PNG picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 5\n", "cannot be read as a PNG picture .cannot identify"),
    ],
)
def test_what_a_file_claims_is_checked_before_it_is_decoded(tmp_path, content, flaw):
    (tmp_path / "a.png").write_bytes(content)
    if flaw is None:
        assert read_grey(tmp_path / "a.png", "PNG").shape == (1, 5, 7)
        return
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match=f"/a.png: .*({flaw})"):
            read_grey(tmp_path / "a.png", "PNG")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@given(data=st.data(), mode=st.sampled_from(["P", "L"]))
def test_a_damaged_png_is_refused_or_has_the_same_values(tmp_path_factory, data, mode):
    path = tmp_path_factory.mktemp("fuzzed") / "a.png"
    save(path, GREY, "PNG", mode)
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    with one_sentence_at_most(path):
        assert (read_indices(path, "PNG") == GREY).all()


def test_another_format_or_mode_is_refused(tmp_path):
    save(tmp_path / "a", COLOURS, "PNG")
    with pytest.raises(DamagedFileError, match="cannot be read as a JPEG picture"):
        read_rgb(tmp_path / "a", "JPEG")
    with pytest.raises(DamagedFileError, match="has Pillow's mode RGB, expected L"):
        read_grey(tmp_path / "a", "PNG")
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "16", "PNG")
    with pytest.raises(DamagedFileError, match="has Pillow's mode I;16, expected RGB or L"):
        read_rgb(tmp_path / "16", "PNG")


@pytest.fixture
def files(tmp_path):
    pictures = [plain_colour(RNG, 6 + number // 3, 8) for number in range(4)]
    for number, picture in enumerate(pictures):
        save(tmp_path / str(number), picture, "PPM")
    paths = tuple(tmp_path / str(number) for number in range(4))
    return pictures, PictureFiles(paths, np.array([5, 6, 7, 8]), "PPM")


def test_pictures_stay_in_their_files_until_they_are_asked_for(files):
    pictures, lazy = files
    assert len(lazy) == 4
    lazy.paths[1].unlink()
    assert (lazy.image(3) == scaled(pictures[3].transpose(2, 0, 1))).all()
    some = lazy.examples([2, 0])
    assert some.labels.tolist() == [7, 5]
    for image, number in zip(some.images, (2, 0), strict=True):
        assert (image == scaled(pictures[number].transpose(2, 0, 1))).all()
    with pytest.raises(FileNotFoundError):
        lazy.examples()


def test_pictures_of_several_sizes_need_one_to_be_resized_to(files):
    pictures, lazy = files
    with pytest.raises(ValueError, match=r"size: .*/3 has 7x8 pixels, and .*/0 6x8; give a size to resize them to"):
        lazy.examples()
    every = lazy.examples(size=(4, 5))
    assert every.images.shape == (4, 3, 4, 5) and every.labels.tolist() == [5, 6, 7, 8]
    for image, picture in zip(every.images, pictures, strict=True):
        assert (image == scaled(picture[0, 0])[:, None, None]).all()
    with pytest.raises(ValueError, match="indices: given none"):
        lazy.examples([])
