"""The suite as JSON: the same bits as in HDF5, in lines of a fixed layout that its schema describes."""

import gzip
import hashlib
import json
import struct
from dataclasses import replace

import h5py
import jsonschema
import numpy as np
import pytest

from refwarp.cli import run
from refwarp.golden import SUITE, SUITE_AS_JSON
from refwarp.golden.build import GENERATOR_VERSION
from refwarp.golden.export import export, hexadecimal
from refwarp.golden.format import read, write

ELEMENTS = ("value", "remainder", "k", "M", "G")
SEAMS = ("low", "high", "distance")


@pytest.fixture(scope="module")
def shipped() -> bytes:
    """The JSON that the package brings."""
    return gzip.decompress(SUITE_AS_JSON.read_bytes())


@pytest.fixture(scope="module")
def document(shipped) -> dict:
    return json.loads(shipped)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SUITE.with_name("suite.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def golden(few, tmp_path):
    write(tmp_path / "few.h5", few, "7")
    return read(tmp_path / "few.h5")


# ---- the files that ship ----


def test_both_files_are_of_today_and_small(suite, document):
    assert document["generator"] == suite.generator == GENERATOR_VERSION
    assert document["digest"] == suite.digest
    assert SUITE.stat().st_size + SUITE_AS_JSON.stat().st_size < 20_000_000


def test_the_shipped_json_is_the_shipped_file_exported(suite, tmp_path, shipped):
    export(tmp_path / "suite.json", suite)
    assert (tmp_path / "suite.json").read_bytes() == shipped


def test_the_schema_describes_the_document(validator, document):
    for error in validator.iter_errors(document):
        raise AssertionError(f"{error.json_path}: {error.message[:300]}")


def test_both_files_hold_the_same_bits(document):
    """Neither file is read by the code that wrote it."""
    with h5py.File(SUITE) as file:
        assert json.loads(file.attrs["flags"]) == document["flags"]
        assert file.attrs["cases"] == document["count"] == len(document["cases"])
        for case in document["cases"]:
            group = file[case["name"]]
            attributes = {name: bytes(text).decode() for name, text in group.attrs.items()}
            assert json.loads(attributes.pop("options")) == case["options"]
            assert attributes.pop("flags").split() == case["flags"]
            assert attributes == {name: case[name] for name in ("operation", "comment", "dtype", "result")}
            found = {}
            group.visititems(lambda path, at, found=found: found.update({path: at} if hasattr(at, "shape") else {}))
            stored = {
                **{f"inputs/{name}": (entry, ("values",)) for name, entry in case["inputs"].items()},
                **{path: (entry, ELEMENTS) for path, entry in case["outputs"].items()},
                **{f"seams/{path}": (entry, SEAMS) for path, entry in case["seams"].items()},
            }
            assert set(found) == set(stored)
            for path, (entry, members) in stored.items():
                array = found[path][()]
                assert list(array.shape) == entry["shape"]
                assert path not in case["outputs"] or found[path].attrs["c"] == float.fromhex(entry["c"])
                for member in members:
                    held = array if member == "values" else array[member]
                    assert parsed(entry[member], member).tobytes() == np.ascontiguousarray(held).tobytes(), path


def test_the_digest_can_be_computed_from_the_json(document):
    """As docs/golden-format.md says, and not as `refwarp.golden.format` does."""

    def line(content) -> bytes:
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    def text(content) -> str:
        return line(content).decode().rstrip("\n")

    header = {name: document[name] for name in ("format", "generator", "version")}
    sha = hashlib.sha256(line({**header, "cases": document["count"], "flags": text(document["flags"])}))
    for case in document["cases"]:
        content = {
            **{name: case[name] for name in ("name", "operation", "comment", "dtype", "result")},
            "options": text(case["options"]),
            "flags": " ".join(case["flags"]),
            "inputs": {name: entry["shape"] for name, entry in case["inputs"].items()},
            "outputs": {path: [float.fromhex(entry["c"]), entry["shape"]] for path, entry in case["outputs"].items()},
            "seams": {path: entry["shape"] for path, entry in case["seams"].items()},
        }
        sha.update(line(content))
        for part, members in (("inputs", ("values",)), ("outputs", ELEMENTS), ("seams", SEAMS)):
            for _, entry in sorted(case[part].items()):
                columns = [parsed(entry[member], member).view(np.uint64) for member in members]
                sha.update(np.stack(columns, axis=-1).tobytes())
    assert sha.hexdigest() == document["digest"]


def parsed(numbers: str, member: str):
    if member == "k":
        return np.array(numbers.split(), "<i8")
    return np.array([float.fromhex(number) for number in numbers.split()], "<f8")


# ---- the layout ----


def test_one_case_per_line_with_keys_in_order(golden, tmp_path):
    export(tmp_path / "few.json", golden)
    first, *lines, last, end = (tmp_path / "few.json").read_text("ascii").split("\n")
    header = json.loads(first + "]}")
    assert list(header) == ["format", "version", "generator", "digest", "flags", "count", "cases"]
    assert (last, end, header["count"]) == ("]}", "", len(lines))
    for position, line in enumerate(lines):
        assert line.endswith("},") == (position < len(lines) - 1)
        case = json.loads(line.rstrip(","))
        assert case["name"] == golden.cases[position].name
        assert line.rstrip(",") == json.dumps(case, separators=(",", ":"))
        assert " ".join(case) == "name operation options flags comment dtype result inputs outputs seams"
        for output in case["outputs"].values():
            assert " ".join(output) == "c shape value remainder k M G"


def test_quotes_in_a_comment_hide_no_key(golden, tmp_path):
    case = replace(golden.cases[0], comment='Not the "inputs":{} of the case, nor \\"outputs\\":\n.')
    export(tmp_path / "quoted.json", replace(golden, cases=(case,)))
    line = (tmp_path / "quoted.json").read_text().splitlines()[1]
    assert line.count('"inputs":') == line.count('"outputs":') == 1
    assert json.loads(line)["comment"] == case.comment


def test_the_same_suite_gives_the_same_bytes(golden, tmp_path):
    for name in ("one.json", "two.json", "one.json.gz", "two.json.gz"):
        export(tmp_path / name, golden)
    one, two, compressed, again = (
        (tmp_path / name).read_bytes() for name in ("one.json", "two.json", "one.json.gz", "two.json.gz")
    )
    assert one == two and compressed == again
    assert gzip.decompress(compressed) == one and len(compressed) < len(one) / 3
    # Neither a time nor a name.
    assert compressed[:2] == b"\x1f\x8b" and compressed[3:8] == bytes(5)


@pytest.mark.parametrize("bits", [0, 1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 3 << 61])
def test_numbers_come_back_in_their_shortest_form(bits):
    number = struct.unpack("<d", struct.pack("<Q", bits))[0]
    text = hexadecimal(number)
    assert struct.pack("<d", float.fromhex(text)) == struct.pack("<Q", bits)
    assert "0p" not in text.partition(".")[2] and ".p" not in text


def test_a_failed_export_leaves_the_old_file(golden, tmp_path):
    path = tmp_path / "suite.json.gz"
    export(path, golden)
    before = path.read_bytes()
    broken = replace(golden.cases[0], options={"smoothing": float("nan")})
    with pytest.raises(ValueError):
        export(path, replace(golden, cases=(broken,)))
    assert path.read_bytes() == before and sorted(other.name for other in tmp_path.iterdir()) == ["few.h5", path.name]


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["version"], 2),
        (["digest"], "0"),
        (["flags", "Kink", "kind"], "OTHER"),
        (["cases", 0, "result"], "right"),
        (["cases", 0, "dtype"], "int8"),
        (["cases", 0, "flags"], []),
        (["cases", 0, "more"], 1),
        (["cases", 0, "inputs", "theta", "shape"], [-1]),
        (["cases", 0, "inputs", "theta", "values"], "1.5"),
        (["cases", 0, "inputs", "theta", "values"], "0x1.80p+0"),
        (["cases", 0, "inputs", "theta", "values"], "0x1p+0  0x1p+0"),
        (["cases", 0, "inputs", "theta", "values"], "0x1p+0 "),
        (["cases", 0, "outputs", "forward/grid", "k"], "0x1p+0"),
        (["cases", 0, "outputs", "forward/grid", "c"], 4.0),
        (["cases", 0, "outputs", "sideways/grid"], {}),
        (["cases", 0, "seams", "forward/grid"], {"shape": [], "low": "", "high": ""}),
    ],
)
def test_the_schema_refuses_what_the_page_does_not_say(validator, golden, tmp_path, keys, value):
    export(tmp_path / "few.json", golden)
    document = json.loads((tmp_path / "few.json").read_text())
    assert validator.is_valid(document) and "forward/grid" in document["cases"][0]["outputs"]
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    assert not validator.is_valid(document)


# ---- the command ----


def test_the_command_exports_a_given_file(golden, tmp_path, capsys):
    assert run(["golden", "export", "--golden", str(tmp_path / "few.h5"), "--out", str(tmp_path / "a" / "b.json")]) == 0
    assert golden.digest in capsys.readouterr().out
    assert json.loads((tmp_path / "a" / "b.json").read_text())["digest"] == golden.digest


def test_the_command_refuses_what_it_cannot_do(golden, tmp_path, capsys):
    for arguments in (["--out", str(tmp_path)], ["--golden", str(tmp_path / "no.h5"), "--out", str(tmp_path / "a")]):
        assert run(["golden", "export", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("refwarp: ") and error.count("\n") == 1
