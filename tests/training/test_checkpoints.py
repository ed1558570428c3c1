"""State files: what goes in comes out, bit for bit, and what is no state file is refused in one sentence."""

import os
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from refwarp.training import load_state, save_state


def round_trip(folder, state):
    save_state(folder / "state.h5", state)
    return load_state(folder / "state.h5")


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..")
)
dtypes = st.sampled_from([np.bool_, np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64, np.complex128])
arrays = npst.arrays(dtypes, npst.array_shapes(min_dims=0, min_side=0, max_side=3))
numbers = st.integers() | st.floats() | st.booleans()
leaves = arrays | numbers | st.text(st.characters(codec="utf-8")) | st.none() | st.lists(numbers, max_size=3)
parts = st.recursive(leaves, lambda part: st.dictionaries(names, part, max_size=3), max_leaves=6)
states = st.dictionaries(names, parts)


def assert_same(first, second):
    if isinstance(first, dict):
        assert isinstance(second, dict) and list(first) == list(second)
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, np.ndarray):
        assert (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())
    else:
        assert type(first) is type(second) and repr(first) == repr(second)  # so that nan is nan, and -0.0 not 0.0


@given(state=states)
def test_every_bit_comes_back(tmp_path_factory, state):
    assert_same(state, round_trip(tmp_path_factory.mktemp("state"), state))


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_goes_on_where_it_was(tmp_path, bits):
    rng, other = np.random.Generator(bits(1)), np.random.Generator(bits(2))
    rng.random(7), rng.integers(10, size=3, dtype=np.uint8)
    other.bit_generator.state = round_trip(tmp_path, {"rng": rng.bit_generator.state})["rng"]
    assert (rng.integers(2**60, size=50) == other.integers(2**60, size=50)).all()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": object()}}, r"state\['a'\]\['b'\]: given object, expected a dictionary, an array"),
        ({"a": np.array([None])}, r"state\['a'\]: given dtype object, expected numbers or booleans"),
        ({"a": {1: 2}}, r"state\['a'\]: given the key 1, expected a string"),
        ({"a/b": 2}, "state: given the key 'a/b', expected a string without '/'"),
        ({"": 2}, "state: given the key ''"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(tmp_path, state, message):
    path = tmp_path / "state.h5"
    save_state(path, {"old": 1})
    with pytest.raises(TypeError, match=message):
        save_state(path, {"first": np.zeros(3), **state})
    assert load_state(path) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.h5"]


def test_truncated_at_any_length(tmp_path):
    path = tmp_path / "state.h5"
    save_state(path, {"weights": np.arange(50.0), "text": "abc", "part": {"n": 3}})
    content = path.read_bytes()
    for length in [*range(0, len(content) - 1, 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"state\.h5 cannot be read as a checkpoint: it is truncated"):
            load_state(path)


@pytest.mark.parametrize("content", [b"Once upon a time", pickle.dumps({"a": 1}), bytes(5000)])
def test_a_file_of_another_kind(tmp_path, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="foreign cannot be read as a checkpoint"):
        load_state(path)


def test_another_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["state"] = 1.0
    with pytest.raises(ValueError, match=r"other\.h5 is an HDF5 file, but no checkpoint of refwarp"):
        load_state(tmp_path / "other.h5")


def test_a_file_of_a_newer_version(tmp_path):
    path = tmp_path / "state.h5"
    save_state(path, {"a": 1})
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 2
        del file["state"]  # a newer format may hold anything
    with pytest.raises(ValueError, match="checkpoint of format 2, and this refwarp reads format 1; install a newer"):
        load_state(path)


def test_a_state_file_without_its_state(tmp_path):
    path = tmp_path / "state.h5"
    save_state(path, {"a": 1})
    with h5py.File(path, "r+") as file:
        del file["state"]
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_state(path)


@pytest.mark.parametrize("damage", [3.0, ["a", "b"], [b"1", b"2"]])
@pytest.mark.parametrize("place", ["state", "state/part"])
def test_another_dataset_in_place_of_a_part(tmp_path, place, damage):
    """Numbers in a part's place are a state too (`Run` refuses them); lists of text, and numbers for all, are none."""
    path = tmp_path / "state.h5"
    save_state(path, {"part": {"n": 3}})
    with h5py.File(path, "r+") as file:
        del file[place]
        file[place] = damage
    if place == "state" or isinstance(damage, list):
        with pytest.raises(ValueError, match="cannot be read as a checkpoint: it is truncated, damaged"):
            load_state(path)
    else:
        assert load_state(path) == {"part": 3.0}


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_where_no_file_can_be_nothing_is_saved(tmp_path):
    path = tmp_path / "nowhere" / "state.h5"
    with pytest.raises(OSError) as caught:
        save_state(path, {"a": 1})
    assert str(caught.value) == f"{path}: no file can be written there (No such file or directory); give another name"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="path: given '.*pipe', which is no regular file"):
        save_state(tmp_path / "pipe", {"a": 1})


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5: there is no such checkpoint"):
        load_state(tmp_path / "nowhere.h5")
    with pytest.raises(FileNotFoundError, match="there is no such checkpoint"):
        load_state(tmp_path)
