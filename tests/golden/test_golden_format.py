"""The golden file: what is written is read, twice the same, and nothing broken is believed."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from refwarp.golden import SUITE
from refwarp.golden.build import GENERATOR_VERSION, build
from refwarp.golden.format import GoldenFileError, digest, read, write


@pytest.fixture
def file(few, tmp_path) -> Path:
    path = tmp_path / "few.h5"
    write(path, few, "7")
    return path


def test_what_is_written_is_read(few, file):
    found = read(file)
    assert found.generator == "7"
    assert [case.name for case in found.cases] == sorted(case.name for case in few)
    for case, other in zip(sorted(few, key=lambda case: case.name), found.cases, strict=True):
        for attribute in ("operation", "options", "flags", "comment", "dtype", "result"):
            assert getattr(case, attribute) == getattr(other, attribute)
        assert {name: array.tobytes() for name, array in case.inputs.items()} == {
            name: array.tobytes() for name, array in other.inputs.items()
        }
        assert {name: (t.c, t.elements.shape, t.elements.tobytes()) for name, t in case.outputs.items()} == {
            name: (t.c, t.elements.shape, t.elements.tobytes()) for name, t in other.outputs.items()
        }


def test_the_same_cases_give_the_same_bytes(few, file, tmp_path):
    write(tmp_path / "again.h5", few[::-1], "7")
    assert (tmp_path / "again.h5").read_bytes() == file.read_bytes()


def test_the_shipped_suite_is_what_its_cases_make(suite):
    assert suite.generator == GENERATOR_VERSION
    cases = build()
    names = {case.name for case in cases}
    assert names == {case.name for case in suite.cases}
    for case, shipped in zip(sorted(cases, key=lambda case: case.name), suite.cases, strict=True):
        # One case at a time: a failure says which case the shipped file is behind on.
        assert digest([case], "", "") == digest([shipped], "", ""), case.name


def test_the_digest_sees_every_part_of_a_case(few):
    case = next(case for case in few if case.name == "grid_sample/interior_3x4")
    truth = case.outputs["vjp/ggrid"]
    elements = truth.elements.copy()
    elements["G"].flat[3] = np.nextafter(elements["G"].flat[3], 0)
    changed = [
        replace(case, comment=case.comment + " "),
        replace(case, flags=(*case.flags, "Kink")),
        replace(case, options={**case.options, "align_corners": True}),
        replace(case, inputs={**case.inputs, "gout": -case.inputs["gout"]}),
        replace(case, inputs={**case.inputs, "gout": case.inputs["gout"].swapaxes(1, 2)}),
        replace(case, outputs={**case.outputs, "vjp/ggrid": replace(truth, c=5.0)}),
        replace(case, outputs={**case.outputs, "vjp/ggrid": replace(truth, elements=elements)}),
    ]
    digests = {digest([other], "7", "") for other in [case, *changed]}
    assert len(digests) == len(changed) + 1


def refused(path) -> str:
    """Return the message with which a file is refused, which must be one sentence."""
    with pytest.raises(GoldenFileError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 400
    return message


def test_missing_files_and_folders(tmp_path):
    assert "is no file" in refused(tmp_path / "missing.h5")
    assert "is no file" in refused(tmp_path)


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


CASE = "grid_sample/interior_3x4"


def change_value(content):
    content[f"{CASE}/vjp/ggrid"][0, 0, 0, 0] = (1.0, 0.0, 1, 1.0, 1.0)


def change_input(content):
    content[f"{CASE}/inputs/grid"][0, 0, 0, 0] += 2.0**-10


def change_constant(content):
    content[f"{CASE}/vjp/ggrid"].attrs["c"] = 1e9


def change_comment(content):
    content[CASE].attrs["comment"] = "Something else."


def change_flags(content):
    content.attrs["flags"] = "{}"


def remove_case(content):
    del content[CASE]


def remove_output(content):
    del content[f"{CASE}/vjp/ggrid"]


def remove_attribute(content):
    del content[CASE].attrs["options"]


def remove_count(content):
    del content.attrs["cases"]


def add_case(content):
    content.copy(CASE, "grid_sample/interior_again")


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
        narrow_input,
        put_objects,
        put_group,
        put_soft_link,
        put_external_link,
        claim_more_than_memory,
    ],
)
def test_damaged_content(file, damage):
    with h5py.File(file, "r+") as content:
        damage(content)
    assert "damaged" in refused(file)


def test_flipped_bytes(file, few):
    expected, content = digest(few, "7", read_flags(file)), file.read_bytes()
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
            assert found.digest == expected == digest(found.cases, found.generator, read_flags(file))
    assert refusals > 40


def read_flags(file) -> str:
    with h5py.File(file, "r") as content:
        return content.attrs["flags"].decode() if isinstance(content.attrs["flags"], bytes) else content.attrs["flags"]


def test_a_failed_write_leaves_the_old_file(file, few):
    before = file.read_bytes()
    broken = [*few, replace(few[0], name="affine_grid/broken", inputs={"theta": np.array(["no number"])})]
    with pytest.raises((TypeError, ValueError)):
        write(file, broken, "8")
    assert file.read_bytes() == before
    assert [other.name for other in file.parent.iterdir()] == [file.name]


def test_the_suite_is_small():
    assert SUITE.stat().st_size < 2_000_000
