"""Files that are no golden files, or damaged ones: nothing broken is believed, and the message is one sentence."""

import h5py
import numpy as np
import pytest

from refwarp.golden.case import SEAM
from refwarp.golden.format import GoldenFileError, digest, read
from tests.golden.seamed import CASE

OUTPUT, SEAMS = f"{CASE}/vjp/ggrid", f"{CASE}/seams/vjp/ggrid"


def refused(path) -> str:
    """Return the message with which a file is refused, which must be one sentence."""
    with pytest.raises(GoldenFileError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 400
    return message


def test_missing_files_and_folders(tmp_path):
    assert "but there is no such file; expected a golden file" in refused(tmp_path / "missing.h5")
    assert "which is a folder; expected a golden file" in refused(tmp_path)


def test_foreign_files(tmp_path):
    (tmp_path / "text.h5").write_text("not a golden file")
    assert "no HDF5 file" in refused(tmp_path / "text.h5")
    (tmp_path / "empty.h5").write_bytes(b"")
    assert "no HDF5 file" in refused(tmp_path / "empty.h5")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["weights"] = np.ones(3)
    assert "no golden file" in refused(tmp_path / "weights.h5")


def test_a_newer_version(file):
    with h5py.File(file, "r+") as content:
        content.attrs["version"] = np.int64(2)
    assert "format version 2" in refused(file)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    assert "truncated or damaged" in refused(file)


# ---- attributes ----

CHANGED = [
    (OUTPUT, "c", 1e9),
    (CASE, "comment", "Something else."),
    ("/", "flags", "{}"),
    (CASE, "options", "[]"),
    (CASE, "options", "{'mode': 'bilinear'}"),
    (CASE, "options", "[" * 60_000),
    (CASE, "comment", 7),
    (CASE, "comment", np.bytes_(b"\xff\xfe")),
    (OUTPUT, "c", "four"),
    (CASE, "operation", "warp"),
    (CASE, "result", "fine"),
    ("/", "flags", "Kink"),
    ("/", "version", "one"),
    ("/", "generator", "8"),
]
REMOVED = [(CASE, "options"), ("/", "cases"), (OUTPUT, "c"), ("/", "version"), ("/", "digest")]


@pytest.mark.parametrize(("member", "attribute", "value"), CHANGED, ids=lambda value: repr(value)[:24])
def test_changed_attributes(file, member, attribute, value):
    with h5py.File(file, "r+") as content:
        content[member].attrs[attribute] = value
    assert "damaged" in refused(file)


@pytest.mark.parametrize(("member", "attribute"), REMOVED)
def test_removed_attributes(file, member, attribute):
    with h5py.File(file, "r+") as content:
        del content[member].attrs[attribute]
    assert "damaged" in refused(file)


# ---- groups and arrays ----

DAMAGES = []


def damage(function):
    """Have the function damage a file in one of the tests."""
    DAMAGES.append(function)
    return function


@damage
def change_value(content):
    content[OUTPUT][0, 0, 0, 0] = (1.0, 0.0, 1, 1.0, 1.0)


@damage
def change_input(content):
    content[f"{CASE}/inputs/grid"][0, 0, 0, 0] += 2.0**-10


@damage
def remove_case(content):
    del content[CASE]


@damage
def remove_output(content):
    del content[OUTPUT]


@damage
def add_case(content):
    content.copy(CASE, "grid_sample/interior_again")


@damage
def remove_inputs(content):
    del content[f"{CASE}/inputs"]


@damage
def narrow_input(content):
    array = content[f"{CASE}/inputs/grid"][()]
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = array.astype(np.float32)


@damage
def put_objects(content):
    del content[f"{CASE}/inputs/grid"]
    content.create_dataset(f"{CASE}/inputs/grid", data=["a", "b"], dtype=h5py.string_dtype())


@damage
def put_group(content):
    del content[f"{CASE}/inputs/grid"]
    content.create_group(f"{CASE}/inputs/grid")


@damage
def put_soft_link(content):
    content.move(f"{CASE}/inputs/grid", f"{CASE}/inputs/other")
    content[f"{CASE}/inputs/grid"] = h5py.SoftLink(f"/{CASE}/inputs/other")


@damage
def put_external_link(content):
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = h5py.ExternalLink("elsewhere.h5", "/grid")


@damage
def claim_more_than_memory(content):
    del content[f"{CASE}/inputs/grid"]
    content.create_dataset(f"{CASE}/inputs/grid", shape=(2**40,), dtype="<f8", chunks=(2**10,))


def replace_array(content, path, dtype, shape=None):
    """Put another array in the place of one, with its attributes."""
    old = content[path]
    array, attributes = np.zeros(shape or old.shape, dtype), dict(old.attrs)
    del content[path]
    content[path] = array
    content[path].attrs.update(attributes)


@damage
def swap_byte_order(content):
    replace_array(content, OUTPUT, content[OUTPUT].dtype.newbyteorder(">"))


@damage
def reorder_members(content):
    names = content[OUTPUT].dtype.names[::-1]
    replace_array(content, OUTPUT, [(name, content[OUTPUT].dtype[name]) for name in names])


@damage
def make_k_a_float(content):
    replace_array(content, OUTPUT, [(name, "<f8") for name in content[OUTPUT].dtype.names])


@damage
def pad_members(content):
    replace_array(content, OUTPUT, np.dtype([*content[OUTPUT].dtype.descr, ("", "V8")]))


@damage
def make_outputs_seams(content):
    replace_array(content, OUTPUT, SEAM)


@damage
def make_seams_outputs(content):
    replace_array(content, SEAMS, content[OUTPUT].dtype)


@damage
def narrow_seams(content):
    replace_array(content, SEAMS, [(name, "<f4") for name in SEAM.names])


@damage
def make_seams_plain(content):
    replace_array(content, SEAMS, "<f8")


@damage
def reshape_seams(content):
    replace_array(content, SEAMS, SEAM, (*content[SEAMS].shape, 1))


@damage
def change_seam(content):
    content[SEAMS][0, 0, 0, 0] = (-1e9, 1e9, 0.0)


@damage
def remove_seams(content):
    del content[f"{CASE}/seams"]


@damage
def empty_seams(content):
    del content[SEAMS]


@damage
def move_seams(content):
    content.move(SEAMS, f"{CASE}/seams/vjp/ginput")


@damage
def add_seams(content):
    content.copy(SEAMS, f"{CASE}/seams/vjp/ginput")


@damage
def put_seams_in_no_part(content):
    content.move(f"{CASE}/seams/vjp", f"{CASE}/seams/sideways")


@damage
def make_seams_an_array(content):
    del content[f"{CASE}/seams"]
    content[f"{CASE}/seams"] = np.zeros(3)


@damage
def link_seams(content):
    content.move(SEAMS, "elsewhere")
    content[SEAMS] = h5py.SoftLink("/elsewhere")


@damage
def link_seams_outside(content):
    del content[f"{CASE}/seams"]
    content[f"{CASE}/seams"] = h5py.ExternalLink("elsewhere.h5", "/seams")


@damage
def add_part(content):
    content.copy(f"{CASE}/vjp", f"{CASE}/third_vjp")


@damage
def add_array_to_case(content):
    content[f"{CASE}/notes"] = np.zeros(3)


@damage
def add_array_to_file(content):
    content["notes"] = np.zeros(3)


@damage
def link_to_nothing(content):
    content[f"{CASE}/vjp/ghost"] = h5py.SoftLink("/nowhere")


@damage
def store_outside(content):
    shape = content[f"{CASE}/inputs/grid"].shape
    del content[f"{CASE}/inputs/grid"]
    content.create_dataset(f"{CASE}/inputs/grid", shape, "<f8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


@damage
def make_virtual(content):
    layout = h5py.VirtualLayout(content[f"{CASE}/inputs/grid"].shape, "<f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "grid", shape=layout.shape)
    del content[f"{CASE}/inputs/grid"]
    content.create_virtual_dataset(f"{CASE}/inputs/grid", layout)


@damage
def make_input_null(content):
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = h5py.Empty("<f8")


@damage
def move_operation(content):
    content.move("grid_sample", "warp")


@pytest.mark.parametrize("do_damage", DAMAGES)
def test_damaged_content(file, do_damage):
    with h5py.File(file, "r+") as content:
        do_damage(content)
    assert "damaged" in refused(file)


def test_flipped_bytes(file):
    expected, content = read(file).digest, file.read_bytes()
    refusals = 0
    for position in range(0, len(content), len(content) // 80):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        file.write_bytes(flipped)
        try:
            found = read(file)
        except GoldenFileError:
            refusals += 1
        else:  # a byte that nobody uses
            assert found.digest == expected == digest(found.cases, found.generator, found.flags)
    assert refusals > 40
