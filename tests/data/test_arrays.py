"""Arrays of `.npz` files: what is read, and what is refused before it is decoded or allocated."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.data import DamagedFileError
from refwarp.data.arrays import Layout, read_npz
from tests.data.damage import damaged_bytes, one_sentence_at_most

ANY = {"x": Layout(np.number, (None, None))}


def header(descr="'<f4'", shape="(2, 3)", version=b"\x01\x00"):
    """Return the head of an .npy file as it may be forged."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + text


def write(path, member, name="x.npy", method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr(name, member)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "u1", ">i2"])
def test_arrays_come_back_in_this_machines_byte_order(tmp_path, save, dtype):
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    save(tmp_path / "a.npz", x=array, other=np.array([None]))
    found = read_npz(tmp_path / "a.npz", ANY)["x"]
    assert (found == array).all() and found.dtype.isnative and found.dtype == array.dtype.newbyteorder("=")
    assert found.flags.writeable


def test_a_header_of_version_2_is_read(tmp_path):
    path = write(tmp_path / "a.npz", header(version=b"\x02\x00") + np.arange(6, dtype="<f4").tobytes())
    assert read_npz(path, ANY)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("member", "flaw"),
    [
        (header() + bytes(23), "truncated: 1 of 24 bytes are missing"),
        (header() + bytes(25), "'x' is longer than its header says"),
        (
            header(shape="(1000000, 1000000)") + bytes(24),
            r"claims to be an array \(1000000, 1000000\) of",
        ),
        (header(shape="(30000, 10000)") + bytes(24), "truncated: 1,199,999,976 of 1,200,000,000 bytes are missing"),
        (header(shape="(2, -3)") + bytes(24), r"'x' is an array \(2, -3\) of float32, expected one of number, NxN"),
        (header(shape="(6,)") + bytes(24), r"'x' is an array \(6,\)"),
        (header(shape="(0, 3)"), r"'x' is an array \(0, 3\)"),
        (header(descr="'<U1'") + bytes(24), r"'x' is an array \(2, 3\) of <U1, expected one of number"),
        (header(descr="[('a', '<f4')]") + bytes(24), "expected one of number"),
        (header(version=b"\x03\x00") + bytes(24), r"header of version \(3, 0\)"),
        (header(descr="__import__('os').abort()") + bytes(24), "cannot be read as NumPy's .npz"),
        (b"no array", "cannot be read as NumPy's .npz"),
    ],
)
def test_a_damaged_or_forged_array_is_refused(tmp_path, member, flaw):
    with pytest.raises(DamagedFileError, match=f"/a.npz: .*{flaw}"):
        read_npz(write(tmp_path / "a.npz", member), ANY)


def test_pickled_objects_are_refused_and_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    np.savez(tmp_path / "a.npz", x=np.array([[Trap()]], object))
    with pytest.raises(DamagedFileError, match=r"'x' is an array \(1, 1\) of object, expected one of number, NxN"):
        read_npz(tmp_path / "a.npz", ANY)


def test_what_an_array_claims_or_unpacks_to_is_not_allocated(tmp_path):
    bomb = write(tmp_path / "bomb.npz", header() + bytes(10**8))
    claim = write(tmp_path / "claim.npz", header(shape="(30000, 10000)") + bytes(24))
    tracemalloc.start()
    try:
        for path in (bomb, claim):
            with pytest.raises(DamagedFileError):
                read_npz(path, ANY)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_a_wrong_checksum_is_seen(tmp_path):
    path = write(tmp_path / "a.npz", header() + bytes(24), method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(header()) + len(header())] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="cannot be read as NumPy's .npz .Bad CRC-32"):
        read_npz(path, ANY)


def test_what_is_missing_or_encrypted_is_said(tmp_path):
    path = write(tmp_path / "a.npz", b"", "y.npy")
    with pytest.raises(DamagedFileError, match=r"lacks the array 'x'; it has y.npy"):
        read_npz(path, ANY)
    content = bytearray(write(path, header() + bytes(24)).read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="cannot be read as NumPy's .npz .*encrypted"):
        read_npz(path, ANY)


def test_a_layout_says_which_numbers_and_lengths(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4), np.uint8))
    for kind, shape in ((np.uint8, (None, 4)), (np.integer, (2, None)), (np.number, (2, 4))):
        assert read_npz(tmp_path / "a.npz", {"x": Layout(kind, shape)})["x"].shape == (2, 4)
    for kind, shape in ((np.int8, (2, 4)), (np.floating, (2, 4)), (np.uint8, (None, 5)), (np.uint8, (None, 4, None))):
        with pytest.raises(DamagedFileError, match=f"expected one of {kind.__name__}, "):
            read_npz(tmp_path / "a.npz", {"x": Layout(kind, shape)})


@given(data=st.data(), save=st.sampled_from([np.savez, np.savez_compressed]))
def test_a_damaged_file_is_refused_or_has_the_same_values(tmp_path_factory, data, save):
    path = tmp_path_factory.mktemp("fuzzed") / "a.npz"
    save(path, x=np.arange(6.0).reshape(2, 3))
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    with one_sentence_at_most(path):
        assert read_npz(path, ANY)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_lone_array_is_no_npz(tmp_path):
    memory = io.BytesIO()
    np.save(memory, np.zeros((2, 3)))
    (tmp_path / "a.npz").write_bytes(memory.getvalue())
    with pytest.raises(DamagedFileError, match="not a zip file"):
        read_npz(tmp_path / "a.npz", ANY)
