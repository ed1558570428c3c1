"""Reading golden files: one case alone, both kinds, what is broken, and how much it costs."""

import gzip
import json
import sys
from dataclasses import replace

import h5py
import pytest

from refwarp.cli import run
from refwarp.golden import SUITE, SUITE_AS_JSON, format
from refwarp.golden.export import export
from refwarp.golden.format import GoldenFileError, digest
from refwarp.golden.reading import read, read_case
from refwarp.golden.report import html

CASE, OTHER = "grid_sample/interior_3x4", "affine_grid/identity_3x5"


@pytest.fixture
def files(few, tmp_path):
    """The same cases in each kind of file."""
    format.write(tmp_path / "few.h5", few, "7")
    for name in ("few.json", "few.json.gz"):
        export(tmp_path / name, format.read(tmp_path / "few.h5"))
    return {path.name: path for path in tmp_path.iterdir()}


def refused(path, word="is truncated or damaged ("):
    with pytest.raises(GoldenFileError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path} ") and "\n" not in message and len(message) < 400 and word in message
    return message


# ---- one case ----


@pytest.mark.parametrize("kind", ["few.h5", "few.json", "few.json.gz"])
def test_one_case_is_the_same_alone(files, kind):
    (whole,) = (case for case in read(files[kind]).cases if case.name == CASE)
    alone = read_case(files[kind], CASE)
    assert digest([alone], "", {}) == digest([whole], "", {}) and set(alone.outputs) == set(whole.outputs)
    with pytest.raises(ValueError, match=f"^case: given .*, which there is not; the nearest are {CASE}, "):
        read_case(files[kind], f"{CASE}5")


def test_of_one_case_no_other_is_read(files, monkeypatch):
    read_array, paths = format._read_array, []

    def note(group, path, kind):
        paths.append(path)
        return read_array(group, path, kind)

    monkeypatch.setattr(format, "_read_array", note)
    case = read_case(files["few.h5"], CASE)
    inputs, seams = (f"inputs/{name}" for name in case.inputs), (f"seams/{path}" for path in case.seams)
    assert sorted(paths) == sorted([*inputs, *case.outputs, *seams])
    with h5py.File(files["few.h5"], "r+") as file:
        del file[f"{OTHER}/inputs"]
    assert digest([read_case(files["few.h5"], CASE)], "", {}) == digest([case], "", {})
    refused(files["few.h5"])
    with pytest.raises(GoldenFileError, match="damaged"):
        read_case(files["few.h5"], OTHER)


def test_the_command_shows_a_case_of_either_kind(files, capsys):
    printed = set()
    for path in files.values():
        assert run(["golden", "show", CASE, "--golden", str(path)]) == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


# ---- what it costs ----


def test_an_array_is_read_in_few_calls(files):
    """Counted, since a clock would measure the machine: of h5py's upper level an array takes some 350 calls."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        found = format.read(files["few.h5"])
    finally:
        sys.setprofile(None)
    arrays = sum(len(part) for case in found.cases for part in (case.inputs, case.outputs, case.seams))
    assert arrays > 40 and calls < 150 * arrays


# ---- JSON ----


def test_the_shipped_files_are_read_alike(suite, capsys):
    found = read(SUITE_AS_JSON)
    assert (found.digest, found.generator, found.flags) == (suite.digest, suite.generator, suite.flags)
    assert digest(found.cases, found.generator, found.flags) == suite.digest
    assert [case.name for case in found.cases] == [case.name for case in suite.cases]
    assert run(["golden", "check", str(SUITE_AS_JSON)]) == 0
    assert f"{len(suite.cases)} cases" in capsys.readouterr().out
    assert read(SUITE).digest == suite.digest


def change(path, change_document):
    document = json.loads(path.read_text())
    change_document(document, next(case for case in document["cases"] if case["name"] == CASE))
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "damage",
    [
        lambda document, case: case["outputs"]["vjp/ggrid"].update(c="0x1p+9"),
        lambda document, case: case["outputs"]["vjp/ggrid"].update(value="0x1p+9"),
        lambda document, case: case["inputs"]["grid"].update(shape=[-1, 2]),
        lambda document, case: case["inputs"]["grid"].update(shape="3"),
        lambda document, case: case["inputs"]["grid"].update(values=7),
        lambda document, case: case["inputs"].pop("grid"),
        lambda document, case: case["outputs"].update({"third_vjp/ggrid": case["outputs"]["vjp/ggrid"]}),
        lambda document, case: case.update(comment="Something else."),
        lambda document, case: case.update(comment="\ud800"),
        lambda document, case: case.update(dtype="float64"),
        lambda document, case: case.update(operation="affine_grid"),
        lambda document, case: case.update(result="fine"),
        lambda document, case: case.update(name="warp/interior_3x4"),
        lambda document, case: case.update(name=7),
        lambda document, case: case.update(flags=[7]),
        lambda document, case: case.update(options=[]),
        lambda document, case: case.pop("options"),
        lambda document, case: document["cases"].pop(),
        lambda document, case: document["cases"].append(7),
        lambda document, case: document.update(count=2),
        lambda document, case: document.update(generator="8"),
        lambda document, case: document.update(flags={}),
        lambda document, case: document.pop("digest"),
    ],
)
def test_damaged_documents(files, damage):
    change(files["few.json"], damage)
    refused(files["few.json"])


def test_truncated_and_foreign_documents(files, tmp_path):
    for name in ("few.json", "few.json.gz"):
        content = files[name].read_bytes()
        for share in (0.1, 0.5, 0.999):
            files[name].write_bytes(content[: int(len(content) * share)])
            refused(files[name])
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 0x10
    files["few.json.gz"].write_bytes(flipped)
    refused(files["few.json.gz"])
    (tmp_path / "other.json").write_text('{"format": "another"}')
    refused(tmp_path / "other.json", "is JSON but no golden file")
    (tmp_path / "list.json.gz").write_bytes(gzip.compress(b"[]"))
    refused(tmp_path / "list.json.gz", "is JSON but no golden file")
    (tmp_path / "deep.json").write_text('{"format":' + "[" * 100_000)
    refused(tmp_path / "deep.json")


@pytest.mark.parametrize("start", ["\ufeff", " \n\t", "\ufeff\r\n "], ids=ascii)
def test_what_stands_before_a_document_is_no_matter_of_its_kind(files, start):
    """An editor's mark makes no HDF5 file of it; JSON's own rules decide whether it may be there."""
    content = files["few.json"].read_text()
    files["few.json"].write_text(start + content, encoding="utf-8")
    assert read(files["few.json"]).digest == read(files["few.h5"]).digest
    assert read_case(files["few.json"], CASE).name == CASE


@pytest.mark.parametrize("content", ["[]", " [1, 2]", "\ufeff[]"], ids=ascii)
def test_a_list_is_json_and_no_golden_file(tmp_path, content):
    (tmp_path / "list.json").write_text(content, encoding="utf-8")
    refused(tmp_path / "list.json", "is JSON but no golden file")


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (2, "2"),
        ("1", "'1'"),
        (1.0, "1.0"),
        (True, "True"),
        ("\x1b[31m", r"'\x1b[31m'"),
        (10**400, "1000"),
        (["x" * 500] * 500, "["),
    ],
    ids=["newer", "text", "float", "bool", "codes", "digits", "list"],
)
def test_a_document_of_another_version(files, version, shown):
    change(files["few.json"], lambda document, case: document.update(version=version))
    message = refused(files["few.json"], f"has format version {shown}")
    assert message.isprintable() and " while this refwarp reads version 1; install" in message


# ---- files that are not broken ----


@pytest.mark.parametrize("command", [("check",), ("show", CASE, "--golden")])
def test_a_file_that_another_program_has_open_is_not_called_damaged(files, open_elsewhere, capsys, command):
    path = files["few.h5"]
    with open_elsewhere(path):
        assert run(["golden", *command, str(path)]) == 2
    expected = f"refwarp: {path} is open in another program; try again when that has closed it\n"
    assert capsys.readouterr().err == expected
    assert run(["golden", *command, str(path)]) == 0


def test_a_flag_of_another_version_is_named_on_the_page(few):
    assert html._flag("<Unheard>") == "&lt;Unheard&gt;"


def test_the_dtype_of_a_case_follows_its_inputs(few):
    case = next(case for case in few if case.name == CASE)
    finer = replace(case, inputs={**case.inputs, "grid": case.inputs["grid"] + 2.0**-50})
    assert (case.dtype, finer.dtype) == ("float16", "float64")
