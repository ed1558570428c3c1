"""The golden file: what is written is read, twice the same, and nothing broken is believed."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from refwarp.golden.build import GENERATOR_VERSION, build
from refwarp.golden.case import ELEMENT, SEAM, Case, Truth
from refwarp.golden.families import all_cases
from refwarp.golden.flags import FLAGS
from refwarp.golden.format import GoldenFileError, digest, read, write
from refwarp.golden.operations import OPERATIONS

CASE = "grid_sample/interior_3x4"
OUTPUT, SEAMS = f"{CASE}/vjp/ggrid", f"{CASE}/seams/vjp/ggrid"


@pytest.fixture(scope="session")
def seamed(few) -> list[Case]:
    """Cases of every kind, one of them with seams."""
    case = next(case for case in few if case.name == CASE)
    value = case.outputs["vjp/ggrid"].elements["value"]
    hulls = np.empty(value.shape, SEAM)
    hulls["low"], hulls["high"], hulls["distance"] = value - 1.0, value + 1.0, 2.0**-20
    bare = Case("affine_basis/bare", {"size": [1, 1, 1, 2]}, {}, ("Shape",), "No inputs at all.", "invalid")
    single = Case(
        "smoothness/single",
        {"reduction": "sum"},
        {"field": np.arange(4.0).reshape(1, 1, 2, 2).swapaxes(2, 3), "gpenalty": np.array(0.5)},
        ("Shape",),
        "Arrays of one number without axes.",
        outputs={"forward/penalty": Truth(4.0, np.array((4.0, 0.0, 2, 4.0, 0.0), ELEMENT))},
        seams={"forward/penalty": np.array((3.0, 5.0, 2.0**-12), SEAM)},
    )
    return [*(other for other in few if other is not case), replace(case, seams={"vjp/ggrid": hulls}), bare, single]


@pytest.fixture
def file(seamed, tmp_path) -> Path:
    path = tmp_path / "few.h5"
    write(path, seamed, "7")
    return path


def test_what_is_written_is_read(seamed, file):
    found = read(file)
    assert found.generator == "7" and found.flags == {name: flag._asdict() for name, flag in FLAGS.items()}
    assert [case.name for case in found.cases] == sorted(case.name for case in seamed)
    for case, other in zip(sorted(seamed, key=lambda case: case.name), found.cases, strict=True):
        for attribute in ("operation", "options", "flags", "comment", "dtype", "result"):
            assert getattr(case, attribute) == getattr(other, attribute)
        assert {path: truth.c for path, truth in case.outputs.items()} == {
            path: truth.c for path, truth in other.outputs.items()
        }
        assert arrays(case) == arrays(other)


def arrays(case: Case) -> dict[str, tuple]:
    """Return the shape, the type and the bytes of all arrays of a case, in row-major order."""
    outputs = {path: truth.elements for path, truth in case.outputs.items()}
    assert all(isinstance(array, np.ndarray) for part in (case.inputs, outputs, case.seams) for array in part.values())
    return {
        f"{number} {path}": (array.shape, array.dtype, array.tobytes())
        for number, part in enumerate((case.inputs, outputs, case.seams))
        for path, array in part.items()
    }


def test_the_same_cases_give_the_same_bytes(seamed, file, tmp_path):
    write(tmp_path / "again.h5", seamed[::-1], "7")
    assert (tmp_path / "again.h5").read_bytes() == file.read_bytes()


def test_no_time_is_written(file):
    """Two files of the same second would have the same bytes all the same."""
    made = []
    with h5py.File(file) as opened:
        opened.visititems(lambda name, member: made.append(member))
        assert len(made) > 100
        for member in (opened["/"], *made):
            assert not member.id.get_create_plist().get_obj_track_times(), member.name


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_shipped_suite_is_what_its_cases_make(suite, operation):
    assert suite.generator == GENERATOR_VERSION
    cases = build(case for case in all_cases() if case.operation == operation)
    shipped = {case.name: case for case in suite.cases if case.operation == operation}
    assert {case.name for case in cases} == set(shipped)
    for case in cases:
        # One case at a time: a failure says which case the shipped file is behind on.
        assert digest([case], "", {}) == digest([shipped[case.name]], "", {}), case.name


def test_the_digest_sees_every_part_of_a_case(seamed):
    case = next(case for case in seamed if case.name == CASE)
    truth = case.outputs["vjp/ggrid"]
    elements = truth.elements.copy()
    elements["G"].flat[3] = np.nextafter(elements["G"].flat[3], 0)
    hulls = case.seams["vjp/ggrid"].copy()
    hulls["high"].flat[3] += 1.0
    changed = [
        replace(case, comment=case.comment + " "),
        replace(case, flags=(*case.flags, "Kink")),
        replace(case, options={**case.options, "align_corners": True}),
        replace(case, inputs={**case.inputs, "gout": -case.inputs["gout"]}),
        replace(case, inputs={**case.inputs, "gout": case.inputs["gout"].swapaxes(1, 2)}),
        replace(case, outputs={**case.outputs, "vjp/ggrid": replace(truth, c=5.0)}),
        replace(case, outputs={**case.outputs, "vjp/ggrid": replace(truth, elements=elements)}),
        replace(case, seams={"vjp/ggrid": hulls}),
        replace(case, seams={"second_vjp/ggrid": case.seams["vjp/ggrid"]}),
        replace(case, seams={}),
    ]
    digests = {digest([other], "7", {}) for other in [case, *changed]}
    assert len(digests) == len(changed) + 1


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


def change_value(content):
    content[OUTPUT][0, 0, 0, 0] = (1.0, 0.0, 1, 1.0, 1.0)


def change_input(content):
    content[f"{CASE}/inputs/grid"][0, 0, 0, 0] += 2.0**-10


def change_constant(content):
    content[OUTPUT].attrs["c"] = 1e9


def change_comment(content):
    content[CASE].attrs["comment"] = "Something else."


def change_flags(content):
    content.attrs["flags"] = "{}"


def remove_case(content):
    del content[CASE]


def remove_output(content):
    del content[OUTPUT]


def remove_attribute(content):
    del content[CASE].attrs["options"]


def remove_count(content):
    del content.attrs["cases"]


def add_case(content):
    content.copy(CASE, "grid_sample/interior_again")


def remove_inputs(content):
    del content[f"{CASE}/inputs"]


def narrow_input(content):
    array = content[f"{CASE}/inputs/grid"][()]
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = array.astype(np.float32)


def put_objects(content):
    del content[f"{CASE}/inputs/grid"]
    content.create_dataset(f"{CASE}/inputs/grid", data=["a", "b"], dtype=h5py.string_dtype())


def put_group(content):
    del content[f"{CASE}/inputs/grid"]
    content.create_group(f"{CASE}/inputs/grid")


def put_soft_link(content):
    content.move(f"{CASE}/inputs/grid", f"{CASE}/inputs/other")
    content[f"{CASE}/inputs/grid"] = h5py.SoftLink(f"/{CASE}/inputs/other")


def put_external_link(content):
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = h5py.ExternalLink("elsewhere.h5", "/grid")


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


def swap_byte_order(content):
    replace_array(content, OUTPUT, content[OUTPUT].dtype.newbyteorder(">"))


def reorder_members(content):
    names = content[OUTPUT].dtype.names[::-1]
    replace_array(content, OUTPUT, [(name, content[OUTPUT].dtype[name]) for name in names])


def make_k_a_float(content):
    replace_array(content, OUTPUT, [(name, "<f8") for name in content[OUTPUT].dtype.names])


def pad_members(content):
    replace_array(content, OUTPUT, np.dtype([*content[OUTPUT].dtype.descr, ("", "V8")]))


def make_outputs_seams(content):
    replace_array(content, OUTPUT, SEAM)


def make_seams_outputs(content):
    replace_array(content, SEAMS, content[OUTPUT].dtype)


def narrow_seams(content):
    replace_array(content, SEAMS, [(name, "<f4") for name in SEAM.names])


def make_seams_plain(content):
    replace_array(content, SEAMS, "<f8")


def reshape_seams(content):
    replace_array(content, SEAMS, SEAM, (*content[SEAMS].shape, 1))


def change_seam(content):
    content[SEAMS][0, 0, 0, 0] = (-1e9, 1e9, 0.0)


def remove_seams(content):
    del content[f"{CASE}/seams"]


def empty_seams(content):
    del content[SEAMS]


def move_seams(content):
    content.move(SEAMS, f"{CASE}/seams/vjp/ginput")


def add_seams(content):
    content.copy(SEAMS, f"{CASE}/seams/vjp/ginput")


def put_seams_in_no_part(content):
    content.move(f"{CASE}/seams/vjp", f"{CASE}/seams/sideways")


def make_seams_an_array(content):
    del content[f"{CASE}/seams"]
    content[f"{CASE}/seams"] = np.zeros(3)


def link_seams(content):
    content.move(SEAMS, "elsewhere")
    content[SEAMS] = h5py.SoftLink("/elsewhere")


def link_seams_outside(content):
    del content[f"{CASE}/seams"]
    content[f"{CASE}/seams"] = h5py.ExternalLink("elsewhere.h5", "/seams")


def add_part(content):
    content.copy(f"{CASE}/vjp", f"{CASE}/third_vjp")


def add_array_to_case(content):
    content[f"{CASE}/notes"] = np.zeros(3)


def add_array_to_file(content):
    content["notes"] = np.zeros(3)


def link_to_nothing(content):
    content[f"{CASE}/vjp/ghost"] = h5py.SoftLink("/nowhere")


def store_outside(content):
    shape = content[f"{CASE}/inputs/grid"].shape
    del content[f"{CASE}/inputs/grid"]
    content.create_dataset(f"{CASE}/inputs/grid", shape, "<f8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def make_virtual(content):
    layout = h5py.VirtualLayout(content[f"{CASE}/inputs/grid"].shape, "<f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "grid", shape=layout.shape)
    del content[f"{CASE}/inputs/grid"]
    content.create_virtual_dataset(f"{CASE}/inputs/grid", layout)


def make_input_null(content):
    del content[f"{CASE}/inputs/grid"]
    content[f"{CASE}/inputs/grid"] = h5py.Empty("<f8")


def make_options_a_list(content):
    content[CASE].attrs["options"] = "[]"


def make_options_no_json(content):
    content[CASE].attrs["options"] = "{'mode': 'bilinear'}"


def nest_options(content):
    content[CASE].attrs["options"] = "[" * 60_000


def make_comment_a_number(content):
    content[CASE].attrs["comment"] = 7


def break_encoding(content):
    content[CASE].attrs["comment"] = np.bytes_(b"\xff\xfe")


def make_constant_text(content):
    content[OUTPUT].attrs["c"] = "four"


def remove_constant(content):
    del content[OUTPUT].attrs["c"]


def name_unknown_operation(content):
    content[CASE].attrs["operation"] = "warp"


def name_unknown_result(content):
    content[CASE].attrs["result"] = "fine"


def move_operation(content):
    content.move("grid_sample", "warp")


def make_flags_no_json(content):
    content.attrs["flags"] = "Kink"


def make_version_text(content):
    content.attrs["version"] = "one"


def remove_version(content):
    del content.attrs["version"]


def remove_digest(content):
    del content.attrs["digest"]


def change_generator(content):
    content.attrs["generator"] = "8"


@pytest.mark.parametrize(
    "damage",
    [
        change_value,
        change_input,
        change_constant,
        change_comment,
        change_flags,
        remove_case,
        remove_output,
        remove_attribute,
        remove_count,
        add_case,
        remove_inputs,
        narrow_input,
        put_objects,
        put_group,
        put_soft_link,
        put_external_link,
        claim_more_than_memory,
        swap_byte_order,
        reorder_members,
        make_k_a_float,
        pad_members,
        make_outputs_seams,
        make_seams_outputs,
        narrow_seams,
        make_seams_plain,
        reshape_seams,
        change_seam,
        remove_seams,
        empty_seams,
        move_seams,
        add_seams,
        put_seams_in_no_part,
        make_seams_an_array,
        link_seams,
        link_seams_outside,
        add_part,
        add_array_to_case,
        add_array_to_file,
        link_to_nothing,
        store_outside,
        make_virtual,
        make_input_null,
        make_options_a_list,
        make_options_no_json,
        nest_options,
        make_comment_a_number,
        break_encoding,
        make_constant_text,
        remove_constant,
        name_unknown_operation,
        name_unknown_result,
        move_operation,
        make_flags_no_json,
        make_version_text,
        remove_version,
        remove_digest,
        change_generator,
    ],
)
def test_damaged_content(file, damage):
    with h5py.File(file, "r+") as content:
        damage(content)
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


def test_files_within_the_file_are_small(file):
    """From 512 bytes on arrays are compressed, smaller ones are not, and none is in more than one piece."""
    chunked = []

    def look(path, found):
        if isinstance(found, h5py.Dataset):
            compressed = found.size * found.dtype.itemsize >= 512
            assert found.compression == ("gzip" if compressed else None) and found.shuffle == compressed
            assert found.chunks == (found.shape if compressed else None)
            chunked.append(compressed)

    with h5py.File(file) as content:
        content.visititems(look)
    assert set(chunked) == {True, False}


def test_a_failed_write_leaves_the_old_file(file, few):
    before = file.read_bytes()
    broken = [*few, replace(few[0], name="affine_grid/broken", inputs={"theta": np.array(["no number"])})]
    with pytest.raises((TypeError, ValueError)):
        write(file, broken, "8")
    assert file.read_bytes() == before
    assert [other.name for other in file.parent.iterdir()] == [file.name]
