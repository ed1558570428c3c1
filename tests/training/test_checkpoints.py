"""State files: what goes in comes out, bit for bit, and what is no state file is refused in one sentence."""

import enum
import json
import math
import os
import pickle
import subprocess
import sys
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from refwarp.training import load_state, save_state
from tests.training.altered import alter, seal


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


class Word(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    one: int
    two: int


def circle_of_dictionaries():
    circle = {"c": {}}
    circle["c"]["d"] = circle
    return circle


def circle_of_lists():
    circle = [1]
    circle.append({"a": circle})
    return circle


def nested(levels):
    state = {}
    for _ in range(levels):
        state = {"n": state}
    return state


def nested_lists(levels):
    state = []
    for _ in range(levels):
        state = [state]
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": object()}}, r"state\['a'\]\['b'\]: given object, expected a dictionary, an array"),
        ({"a": np.array([None])}, r"state\['a'\]: given dtype object, expected numbers or booleans"),
        ({"a": {1: 2}}, r"state\['a'\]: given the key 1, expected a string"),
        ({"a/b": 2}, "state: given the key 'a/b', expected a string without '/'"),
        ({"": 2}, "state: given the key ''"),
        ({"a\0b": 2}, r"state: given the key 'a\\x00b', expected a string without '/', NUL and lone surrogates"),
        ({"a\0b": 2, "a\0c": 3}, r"state: given the key 'a\\x00b'"),
        ({"a": {"\ud800": 2}}, r"state\['a'\]: given the key '\\ud800', expected a string without"),
        ({Word.A: 2}, "state: given the key <Word.A: 'a'>, expected a string"),
        ({"a": [{1: 2}]}, r"state\['a'\]\[0\]: given the key 1, expected a string that JSON can keep"),
        ({"a": [{"1": 2, 1: 2}]}, r"state\['a'\]\[0\]: given the key 1, expected a string that JSON can keep"),
        ({"a": [0, {"b": [None, {True: 2}]}]}, r"state\['a'\]\[1\]\['b'\]\[1\]: given the key True, expected"),
        ({"a": [{(1, 2): 3}]}, r"state\['a'\]: JSON cannot hold it \(keys must be"),
        ({"a": [{"\ud83d\ude00": 3}]}, r"state\['a'\]\[0\]: given the key '\\ud83d\\ude00', expected"),
        ({"a": ["\ud83d\ude00"]}, r"state\['a'\]\[0\]: given '\\ud83d\\ude00', which would come back as"),
        ({"a": [Word.A]}, r"state\['a'\]\[0\]: given Word, expected a dictionary, an array"),
        ({"a": Word.A}, r"state\['a'\]: given Word, expected a dictionary, an array"),
        ({"a": [np.float64(1)]}, r"state\['a'\]\[0\]: given float64, expected a dictionary, an array"),
        ({"a": [{"b": np.zeros(3)}]}, r"state\['a'\]\[0\]\['b'\]: given ndarray, expected a dictionary, an array"),
        ({"a": Pair(1, 2)}, r"state\['a'\]: given Pair, expected a dictionary, an array"),
        ({"a": b"text"}, r"state\['a'\]: given bytes, expected a dictionary, an array"),
        ({"a": np.ma.array([1.0, 2.0], mask=[False, True])}, r"state\['a'\]: given MaskedArray, which would come back"),
        ({"a": 10**5000}, r"state\['a'\]: JSON cannot hold it \(Exceeds the limit"),
        ({"a": {"b": circle_of_dictionaries()}}, r"state\['a'\]\['b'\]\['c'\]\['d'\]: it contains itself"),
        ({"a": circle_of_lists()}, r"state\['a'\]: JSON cannot hold it \(Circular reference detected\)"),
        ({"a": nested(100)}, r"\['n'\]: it contains itself, or has more than 100 levels"),
        ({"a": nested_lists(100)}, r"state\['a'\]\[0\].*: given more than 100 levels"),
        ({"a": nested_lists(100_000)}, r"state\['a'\]: JSON cannot hold it \(maximum recursion depth"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(tmp_path, state, message):
    path = tmp_path / "state.h5"
    save_state(path, {"old": 1})
    with pytest.raises(TypeError, match=message):
        save_state(path, {"first": np.zeros(3), **state})
    assert load_state(path) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.h5"]


def test_a_state_that_is_no_dictionary_is_refused(tmp_path):
    with pytest.raises(TypeError, match="state: given list, expected a dictionary"):
        save_state(tmp_path / "state.h5", [1])
    assert not list(tmp_path.iterdir())


def test_what_comes_back_as_something_else_is_what_the_documentation_names(tmp_path):
    back = round_trip(tmp_path, {"scalar": np.float32(0.1), "tuple": (1, (2, 3))})
    assert back["tuple"] == [1, [2, 3]]
    assert_same(back["scalar"], np.array(0.1, np.float32))


def test_unusual_values_are_kept(tmp_path):
    state = {
        "text": "a\0b/\ud800",
        "deep": nested(98),
        "lists": nested_lists(98),
        "keys": [{"": 1, "/": 2, "\0": 3, "\ud800": 4, "..": 5}],
        "k" * 70_000: 10**4000,
        "swapped": np.arange(3, dtype=">f4"),
        "long": np.arange(3, dtype=np.longdouble) / 3,
        "empty": {"array": np.zeros((0, 3)), "list": [], "dictionary": {}},
        "strided": np.arange(12.0).reshape(3, 4).T[::2],
    }
    assert_same(round_trip(tmp_path, state), {**state, "strided": np.ascontiguousarray(state["strided"])})


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
    path.write_bytes(b"refwarp state 3\n" + bytes(1000))  # a newer format may hold anything
    with pytest.raises(ValueError, match="checkpoint of format 3, and this refwarp reads format 2; install a newer"):
        load_state(path)


def test_a_file_of_the_older_version_has_no_digest_and_is_refused(tmp_path):
    path = tmp_path / "state.h5"
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["format"], file.attrs["version"] = "refwarp state", 1
        file.create_group("state")["a"] = "1"
    with pytest.raises(ValueError, match="no checkpoint of refwarp in format 2, which begins with a digest"):
        load_state(path)


def test_a_checkpoint_is_an_hdf5_file_for_other_programs_too(tmp_path):
    path = tmp_path / "state.h5"
    save_state(path, {"part": {"weights": np.arange(3.0), "n": 3}})
    with h5py.File(path) as file:
        assert (file["state/part/weights"][()] == [0, 1, 2]).all() and file["state/part/n"][()] == b"3"
    assert path.read_bytes().startswith(b"refwarp state 2\nsha256 ")


STATE = {"weights": np.arange(20.0), "text": "abc", "part": {"n": 3, "rates": [0.5, None]}}


def test_any_damaged_byte_is_noticed(tmp_path):
    """Without the digest, HDF5 reads other weights from some of these files, and crashes on others."""
    path = tmp_path / "state.h5"
    save_state(path, STATE)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= rng.integers(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state\.h5 (cannot be read as|is) a checkpoint"):
            load_state(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_state(path)
    path.write_bytes(content)
    assert_same(load_state(path), STATE)


def test_nan_is_refused_where_it_is_damage_and_kept_where_it_was_saved(tmp_path):
    path = tmp_path / "state.h5"
    save_state(path, {"weights": np.array([1.0, 0.1])})
    content, number = path.read_bytes(), np.float64(0.1).tobytes()
    assert content.count(number) == 1
    path.write_bytes(content.replace(number, np.float64(np.nan).tobytes()))
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_state(path)
    diverged = {"weights": np.array([np.nan, -np.nan, np.inf]), "loss": [math.inf, math.nan]}
    assert_same(round_trip(tmp_path, diverged), diverged)


def loop(file):
    file["state/part/again"] = file["state/part"]


def outside(file):
    file["state"].create_dataset("weights", (3,), "f8", external="/dev/zero")


def elsewhere(file):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("another.h5", "weights", (3,))
    file["state"].create_virtual_dataset("weights", layout)


CHANGES = {
    "another group": lambda file: file.move("state", "stat"),
    "a dangling link": lambda file: file.__setitem__("state/weights", h5py.SoftLink("/nowhere")),
    "a link": lambda file: file.__setitem__("state/weights", h5py.SoftLink("/state/part/n")),
    "a link as state": lambda file: (file.move("state", "other"), file.__setitem__("state", h5py.SoftLink("/other"))),
    "a link to another file": lambda file: file.__setitem__("state/weights", h5py.ExternalLink("another.h5", "/a")),
    "a circle": loop,
    "bytes of another file": outside,
    "a dataset of others": elsewhere,
    "more numbers than bytes": lambda file: file["state"].create_dataset("weights", (10**12,), "f8", chunks=(10,)),
    "text of any length": lambda file: file.__setitem__("state/weights", "1"),
    "no JSON": lambda file: file.__setitem__("state/weights", np.bytes_("[1")),
    "nothing": lambda file: file.__setitem__("state/weights", h5py.Empty("f8")),
    "a type": lambda file: file.__setitem__("state/weights", np.dtype("f8")),
    "a table": lambda file: file.__setitem__("state/weights", np.zeros(2, [("a", "f8")])),
    "lists of text": lambda file: file.__setitem__("state/weights", [b"1", b"2"]),
    "numbers for all": lambda file: (file.__delitem__("state"), file.__setitem__("state", 3.0)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_save_state_does_not_write_is_refused_although_the_digest_fits(tmp_path, change):
    path = tmp_path / "state.h5"
    save_state(path, {"part": {"n": 3}})
    with h5py.File(tmp_path / "another.h5", "w") as file:
        file["a"] = file["weights"] = np.zeros(3)
    alter(path, CHANGES[change])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint: it is truncated, damaged") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)


def test_no_hdf5_file_with_a_digest_that_fits(tmp_path):
    seal(tmp_path / "state.h5", b"Once upon a time")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_state(tmp_path / "state.h5")


def test_a_file_that_another_program_writes_is_not_called_damaged(tmp_path, open_elsewhere):
    path = tmp_path / "state.h5"
    save_state(path, STATE)
    with open_elsewhere(path), pytest.raises(BlockingIOError) as caught:
        load_state(path)
    assert str(caught.value) == f"{path} is open in another program; try again when that has closed it"


def extend(path):
    """Let a file have two terabytes, of which the disk keeps none."""
    with open(path, "r+b") as file:
        file.truncate(2**41)


def test_of_a_huge_file_that_is_no_checkpoint_the_head_alone_is_read(tmp_path):
    path = tmp_path / "huge.h5"
    for content, message in (
        (b"", "cannot be read as a checkpoint: it is truncated, damaged, of another kind, or another program has"),
        (b"refwarp state 3\n", "is a checkpoint of format 3"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, but no checkpoint"),
    ):
        path.write_bytes(content)
        extend(path)
        with pytest.raises(ValueError, match=rf"huge\.h5 {message}"):
            load_state(path)


LARGE = """
import resource, sys
from refwarp.training import load_state
resource.setrlimit(resource.RLIMIT_AS, (2**40, resource.RLIM_INFINITY))
try:
    load_state(sys.argv[1])
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits on memory are POSIX's")
def test_a_checkpoint_that_is_larger_than_the_memory_is_one_sentence(tmp_path):
    path = tmp_path / "huge.h5"
    save_state(path, STATE)
    extend(path)
    ended = subprocess.run([sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == (
        f"{path} is larger than the memory that is free; name another, or free memory\n",
        "",
    )


FULL = """
import errno, json, os, resource, sys
from pathlib import Path
import numpy as np
from refwarp.training import load_state, save_state
path = Path(sys.argv[1])
save_state(path, {"old": 1})
state = {"weights": np.arange(2000.0)}
save_state(path.with_name("whole.h5"), state)
size = path.with_name("whole.h5").stat().st_size
path.with_name("whole.h5").unlink()
for limit in (0, 100, 512, 4096, 10240, size - 1, size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save_state(path, state)
        found = "saved"
    except OSError as error:
        assert error.errno == errno.EFBIG
        found = str(error)
    print(json.dumps([limit == size, found, sorted(os.listdir(path.parent)), sorted(load_state(path))]), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
def test_without_room_there_is_one_sentence_and_the_old_file(tmp_path):
    """A file may have so many bytes and no more, as on a disk that is full: HDF5's own writes end in a crash there."""
    path = tmp_path / "state.h5"
    ended = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    sentence = (
        f"{path}: the file cannot be written (File too large), and what was there is as before; "
        "make room, or give another name"
    )
    *failed, saved = [json.loads(line) for line in ended.stdout.splitlines()]
    assert failed == [[False, sentence, ["state.h5"], ["old"]]] * 6
    assert saved == [True, "saved", ["state.h5"], ["weights"]]


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
    with pytest.raises(FileNotFoundError, match="path: given '.*nowhere.h5', but there is no such file; expected a ch"):
        load_state(tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="path: given '.*', which is a folder; expected a checkpoint"):
        load_state(tmp_path)
