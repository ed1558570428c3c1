"""Answers as JSON: as C's printf writes them, judged as calls are; what is missing or strange is named."""

import gzip
import json

import numpy as np
import pytest

from refwarp.cli import run as command
from refwarp.golden.export import hexadecimal
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets import load
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify

NAME = "grid_sample/interior_3x4"


def plain(number):
    return f"{number:.17g}"


def answers_of(cases, dtype, written=hexadecimal):
    """Return what refwarp answers in some cases, one entry for each."""
    target, found = ModuleTarget(own, "refwarp"), []
    for case in cases:
        entry = {"case": case.name, "dtype": dtype}
        for call in OPERATIONS[case.operation] if case.result != "invalid" else OPERATIONS[case.operation][:1]:
            reply = target.reply(case, call, dtype, case.options)
            if reply.raised:
                entry["refused"] = reply.raised
            for path, result in zip(call.paths(), reply.results, strict=False):
                if isinstance(result, str):  # the gradient of an argument that the case leaves out
                    continue
                words = " ".join(written(float(number)) for number in result.ravel())
                entry.setdefault("outputs", {})[path] = {"shape": list(result.shape), "values": words}
        found.append(entry)
    return found


@pytest.fixture
def document(few):
    narrow = [case for case in few if case.dtype in ("float16", "bfloat16", "float32")]
    return {
        "format": "refwarp answers",
        "version": 1,
        "program": "mine 7",
        "answers": answers_of(narrow, "float32") + answers_of(few, "float64", plain),
    }


def put(tmp_path, document, name="mine.json"):
    path = tmp_path / name
    text = json.dumps(document).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return str(path)


def judged(path, cases):
    with load(path) as target:
        return verify(cases, target)


@pytest.mark.parametrize("name", ["mine.json", "mine.json.gz", "MINE.JSON"])
def test_answers_are_judged_as_calls_are(tmp_path, document, few, name):
    found = judged(put(tmp_path, document, name), few)
    assert found.passed and found.grade.word == "faithful" and found.version == "mine 7"
    assert found.skipped == found.remarks == () and {o.layout for o in found.outcomes} == {""}
    direct = verify(few, ModuleTarget(own, "refwarp"), Selection(dtypes=["float32", "float64"]))

    def shares(outcomes):
        return {(o.case.name, o.dtype, o.output): o.share for o in outcomes if o.case.result == "valid"}

    assert shares(found.outcomes) == shares(direct.outcomes)
    assert {case.name for case in few} == {outcome.case.name for outcome in found.outcomes}


def test_a_wrong_number_a_missing_output_and_a_false_refusal_are_wrong(tmp_path, document, few):
    entries = {entry["case"]: entry for entry in document["answers"] if entry["dtype"] == "float32"}
    output = entries[NAME]["outputs"]["forward/output"]
    output["values"] = " ".join(["0x1.8p+9", *output["values"].split()[1:]])
    del entries[NAME]["outputs"]["vjp/ggrid"]
    entries["affine_grid/identity_3x5"].update(refused="not today")
    entries["grid_sample/refused_mode"].pop("refused")
    found = judged(put(tmp_path, document), few)
    problems = {(o.case.name, o.output): o.problem for o in found.failures}
    assert problems == {
        (NAME, "forward/output"): "",
        (NAME, "vjp/ggrid"): "is not in the file",
        ("affine_grid/identity_3x5", "forward/grid"): "says that the call was refused, and has results of it",
        ("affine_grid/identity_3x5", "vjp/gtheta"): "says that the call was refused, and has results of it",
    }
    assert [(s.function, s.reason) for s in found.skipped] == [("grid_sample", "no answers in the file")]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (7, "is no array: expected its shape, and its values as a string"),
        ({"shape": [1], "values": [1.0]}, "is no array: expected its shape, and its values as a string"),
        ({"shape": [2.5], "values": "1"}, "has the shape [2.5], expected a list of lengths"),
        ({"shape": [2], "values": "1 2 3"}, "has 3 numbers for the shape [2]"),
        ({"shape": [2], "values": "1 two"}, "has 'two', which is no number"),
        ({"shape": [2], "values": "1 0xz"}, "has '0xz', which is no number"),
        ({"shape": [2], "values": "1 0x1p+9999"}, "has '0x1p+9999', which is no number"),
        ({"shape": [2], "values": "1 2"}, "returned float32[2], expected float32[1, 2, 2, 3]"),
    ],
)
def test_what_is_no_array_is_a_verdict_on_its_output(tmp_path, document, by_name, entry, problem):
    case = by_name[NAME]
    document["answers"] = [each for each in document["answers"] if each["case"] == NAME and each["dtype"] == "float32"]
    document["answers"][0]["outputs"]["forward/output"] = entry
    (outcome,) = judged(put(tmp_path, document), [case]).failures
    shape = list(case.outputs["forward/output"].elements.shape)
    assert outcome.output == "forward/output" and outcome.problem.split(", expected float32")[0] == problem.split(
        ", expected float32"
    )[0] and ("expected float32" not in problem or outcome.problem.endswith(str(shape)))  # fmt: skip


def test_numbers_are_read_as_c_writes_them(tmp_path, by_name):
    case = by_name["grid_sample/nan_3x4"]
    wanted = case.outputs["forward/output"].elements["value"]
    assert np.isnan(wanted).any()
    words = " ".join("-nan" if np.isnan(number) else f"{number:+.9e}" for number in wanted.ravel())
    entry = {"case": case.name, "dtype": "float32", "outputs": {"forward/output": {
        "shape": list(wanted.shape), "values": words}}}  # fmt: skip
    found = judged(put(tmp_path, {"format": "refwarp answers", "version": 1, "answers": [entry]}), [case])
    assert found.passed and {skip.function for skip in found.skipped} >= {"grid_sample_vjp"}


def test_conventions_have_a_suffix(tmp_path, by_name):
    case = by_name["grid_sample/row_at_pixel"]
    target = ModuleTarget(own, "refwarp")
    call = OPERATIONS["grid_sample"][1]
    outputs = {}
    for kink in ("left", "right"):
        for path, result in zip(
            call.paths(), target.reply(case, call, "float64", {**case.options, "kink": kink}).results, strict=True
        ):
            words = " ".join(map(hexadecimal, result.ravel().tolist()))
            outputs[f"{path}:{kink}"] = {"shape": list(result.shape), "values": words}
    entry = {"case": case.name, "dtype": "float64", "outputs": outputs}
    document = {"format": "refwarp answers", "version": 1, "answers": [entry]}
    found = judged(put(tmp_path, document), [case])
    assert found.passed and {outcome.convention for outcome in found.outcomes} == {"left", "right"}
    outputs["vjp/ggrid:left"] = outputs["vjp/ggrid:right"]
    found = judged(put(tmp_path, document), [case])
    assert {(o.output, o.convention) for o in found.failures} == {("vjp/ggrid", "left")}


def test_what_the_suite_does_not_have_is_named(tmp_path, document, few):
    document["answers"] += [{"case": "grid_sample/mine", "dtype": "float32"}, {"case": 7}, None]
    document["answers"] += [document["answers"][0]]
    found = judged(put(tmp_path, document), few)
    assert found.remarks == (
        "2 of its answers have no case, or no dtype of float16, bfloat16, float32, float64.",
        "In the file, but not in the suite: grid_sample/mine.",
    )
    assert {o.problem for o in found.failures} == {"has 2 answers in the file"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON that can be read"),
        ("[]", "is JSON but holds no answers"),
        ('{"format": "refwarp golden", "version": 1}', "is a golden file; give it with --golden"),
        ('{"format": "refwarp answers", "version": 2, "answers": []}', "has answers of version 2, expected 1"),
        ('{"format": "refwarp answers", "version": 1, "answers": {}}', "has no list of answers"),
        ('{"format": "refwarp answers", "version": 1, "answers": []}', "holds no answer with a case and a dtype"),
        ("[" * 100_000, "is no JSON that can be read"),
    ],
)
def test_a_file_that_holds_no_answers_is_refused(tmp_path, capsys, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"target: .*{message}"):
        load(str(path))
    assert command(["verify", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("refwarp: target: ") and error.count("\n") == 1
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"{}")[:-4])
    with pytest.raises(ValueError, match="is no JSON that can be read"):
        load(str(tmp_path / "cut.json.gz"))


def test_a_report_does_not_take_the_place_of_the_answers(tmp_path, document, capsys):
    path = put(tmp_path, document)
    assert command(["verify", path, "--json", path]) == 2
    assert "which is the file that is read" in capsys.readouterr().err
