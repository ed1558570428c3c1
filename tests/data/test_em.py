"""Sections under the electron microscope, their membranes, and blocks of them."""

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_em
from tests.data.tiny_sets import save, write_em, write_set


def test_sections_and_membranes_are_in_their_order(tmp_path):
    _, (sections, membranes) = write_set(tmp_path, "em")
    found = load_em(tmp_path)
    assert len(found) == 4 and found.images.dtype == np.float32 and found.membranes.dtype == bool
    assert (found.images[:, 0] == (sections.astype(np.float64) / 255).astype(np.float32)).all()
    assert (found.membranes == membranes).all()


def test_blocks_are_contiguous(tmp_path):
    write_em(tmp_path)
    every = load_em(tmp_path)
    blocks = every.split(2, 1, 1)
    for block, part in zip(blocks, (slice(0, 2), slice(2, 3), slice(3, 4)), strict=True):
        assert (block.images == every.images[part]).all() and (block.membranes == every.membranes[part]).all()
    for counts in ((), (3,), (5,), (4, 0), (5, -1)):
        with pytest.raises(ValueError, match="expected positive numbers of sections that add up to 4"):
            every.split(*counts)


def test_sections_and_membranes_have_one_size(tmp_path):
    write_em(tmp_path)
    save(tmp_path / "membranes/02.png", np.zeros((8, 6), bool), "PNG")
    with pytest.raises(DamagedFileError, match=r"/02.png: the membranes .* \(8, 6\), and their section \(6, 8\)"):
        load_em(tmp_path)
    save(tmp_path / "raw/02.tif", np.zeros((8, 6), np.uint8), "TIFF")
    with pytest.raises(DamagedFileError, match=r"/02.tif: the section has the shape \(8, 6\), and the first \(6, 8\)"):
        load_em(tmp_path)
