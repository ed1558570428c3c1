"""The golden file: what is written is read, and twice the same."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from refwarp.golden.build import GENERATOR_VERSION, build
from refwarp.golden.case import Case
from refwarp.golden.families import all_cases
from refwarp.golden.flags import FLAGS
from refwarp.golden.format import digest, read, write
from refwarp.golden.operations import OPERATIONS
from tests.golden.seamed import CASE


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
