"""Arrays of `.mat` files, as SciPy writes them, and what is refused."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from refwarp.data import DamagedFileError
from refwarp.data.arrays import Layout
from refwarp.data.matlab import read_mat
from tests.data.damage import damaged_bytes, one_sentence_at_most

ANY = {"x": Layout(np.number, (None, None))}
VALUES = np.array([[1.0, 2, 3], [4, 5, 6]])


def element(order, kind, content):
    return struct.pack(f"{order}2I", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(order, code, values, shape, name=b"x", stored=9):
    """Return an element that is an array, by hand: the class's code, and the values' bytes and type."""
    content = element(order, 6, struct.pack(f"{order}2I", code, 0))
    content += element(order, 5, struct.pack(f"{order}{len(shape)}i", *shape))
    content += element(order, 1, name) + element(order, stored, values)
    return element(order, 14, content)


def resized(element, by):
    """Return an element that claims to be longer or shorter than it is."""
    kind, length = struct.unpack("<2I", element[:8])
    return struct.pack("<2I", kind, length + by) + element[8:]


def mat(*elements, order="<"):
    end = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    return b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + end + b"".join(elements)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (5, 2, 3)])
def test_what_scipy_writes_comes_back(tmp_path, compressed, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    # In front of it others that are no arrays of numbers, and behind it one more.
    others = {"text": "abc", "cell": np.array([1, "a"], object), "struct": {"x": 1}, "sparse": csc_array(np.eye(3))}
    savemat(tmp_path / "a.mat", {**others, "x": array, "y": VALUES}, do_compression=compressed)
    found = read_mat(tmp_path / "a.mat", {"x": Layout(np.number, (None,) * len(shape)), "y": ANY["x"]})
    assert found["x"].dtype == array.dtype and (found["x"] == array).all() and (found["y"] == VALUES).all()


@pytest.mark.parametrize("order", "<>")
def test_values_in_a_smaller_type_are_of_their_class(tmp_path, order):
    """As MATLAB stores a double whose values are small integers."""
    small = VALUES.T.astype(f"{order}i2").tobytes()
    (tmp_path / "a.mat").write_bytes(mat(matrix(order, 6, small, (2, 3), stored=3), order=order))
    found = read_mat(tmp_path / "a.mat", ANY)["x"]
    assert found.dtype == np.float64 and found.dtype.isnative and (found == VALUES).all()
    assert (loadmat(tmp_path / "a.mat", mat_dtype=True)["x"] == VALUES).all()


DOUBLES = VALUES.T.tobytes()


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"", "truncated: 128 of 128 bytes"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM\x89HDF", "no MATLAB file of version 5"),
        (mat(), "lacks the array 'x'; it has none"),
        (mat(matrix("<", 6, DOUBLES, (2, 3), b"other")), "lacks the array 'x'; it has other"),
        (mat(matrix("<", 6, DOUBLES, (2, 3)))[:-1], "truncated: 1 bytes are missing"),
        (mat(resized(matrix("<", 6, DOUBLES, (2, 3)), -8)), "part of an array claims 48 bytes"),
        (mat(element("<", 15, zlib.compress(resized(matrix("<", 6, DOUBLES, (2, 3)), -8)))), "part of an array claims"),
        (mat(resized(matrix("<", 6, DOUBLES, (2, 3)), 8) + bytes(8)), "'x' is longer than it says"),
        (mat(matrix("<", 6, DOUBLES, (2, 4))), "values of 'x' are 48 bytes of type 9"),
        (mat(matrix("<", 6, DOUBLES, (2, 2))), "part of an array claims 48 bytes"),
        (mat(matrix("<", 9, DOUBLES[:6], (2, 3), stored=0xFE09)), "values of 'x' are 6 bytes of type 65033"),
        (mat(matrix("<", 9, DOUBLES, (2, 3))), "values of 'x' are 48 bytes of type 9"),  # doubles as uint8
        (mat(matrix("<", 9, bytes(6), (2, 3), stored=1)), "values of 'x' are 6 bytes of type 1"),  # int8 as uint8
        (mat(matrix("<", 6, DOUBLES, (50000, 50000))), r"claims to be an array \(50000, 50000\) of float64"),
        (mat(matrix("<", 6, DOUBLES, (-2, -3))), r"an array \(-2, -3\) of float64, expected one of number"),
        (mat(matrix("<", 6, DOUBLES, (6,))), r"an array \(6,\) of float64, expected one of number, NxN"),
        (mat(matrix("<", 0x0806, DOUBLES, (2, 3))), r"'x' is no array of real numbers \(class 6 of MATLAB\)"),
        (mat(element("<", 15, zlib.compress(bytes(99)))), "element of type 0, expected an array"),
        (mat(element("<", 15, zlib.compress(matrix("<", 6, DOUBLES, (2, 3)) + b"a"))), "'x' is longer than it says"),
        (mat(element("<", 15, zlib.compress(matrix("<", 6, DOUBLES, (2, 3)))[:-4])), "compressed array is truncated"),
        (mat(element("<", 15, zlib.compress(matrix("<", 6, DOUBLES, (2, 3)))[:-8])), "truncated|missing"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path, content, flaw):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"/a.mat: .*({flaw})"):
        read_mat(tmp_path / "a.mat", ANY)


@pytest.mark.parametrize("value", ["text", {"a": 1}, np.array([[1, "a"]], object), csc_array(np.eye(3)), VALUES * 1j])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_no_array_of_real_numbers_is_refused(tmp_path, value, compressed):
    savemat(tmp_path / "a.mat", {"x": value}, do_compression=compressed)
    with pytest.raises(DamagedFileError, match="'x' is no array of real numbers"):
        read_mat(tmp_path / "a.mat", ANY)


def test_no_more_is_unpacked_than_an_array_says(tmp_path):
    whole = matrix("<", 6, DOUBLES, (2, 3))
    (tmp_path / "a.mat").write_bytes(mat(element("<", 15, zlib.compress(whole + bytes(10**8)))))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match="longer than it says"):
            read_mat(tmp_path / "a.mat", ANY)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@given(data=st.data(), compressed=st.booleans())
def test_damage_gives_an_array_or_one_sentence(tmp_path_factory, data, compressed):
    path = tmp_path_factory.mktemp("fuzzed") / "a.mat"
    savemat(path, {"x": VALUES}, do_compression=compressed)
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    with one_sentence_at_most(path):
        found = read_mat(path, ANY)["x"]
        assert found.ndim == 2
        assert not compressed or (found == VALUES).all()  # there is a checksum
