"""Files of results: what is in them is judged, what is missing or strange is named, and nothing broken is believed."""

import h5py
import numpy as np
import pytest

from refwarp.golden.operations import OPERATIONS, choice
from refwarp.golden.report import summary
from refwarp.golden.targets import load
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify

NAME = "grid_sample/interior_3x4"
PATH = f"float32/{NAME}"


def put_case(file, case, dtype, rule=""):
    """Write what refwarp computes in a case: by one rule, or where rules decide by each that it knows."""
    target = ModuleTarget(own, "refwarp")
    group, option = file.require_group(f"{dtype}/{case.name}"), choice(case.operation, case.options)
    calls = OPERATIONS[case.operation] if case.result != "invalid" else OPERATIONS[case.operation][:1]
    known = target.choices.get(option, ()) if case.result == "acceptable" and not rule else ()
    for call in calls:
        for convention in known or [rule]:
            options = {**case.options, option: convention} if convention else case.options
            reply = target.reply(case, call, dtype, options)
            if reply.raised:
                group.attrs["refused"] = reply.raised
            for output, result in zip(call.outputs, reply.results, strict=False):
                group[f"{call.part}/{output}:{convention}" if known else f"{call.part}/{output}"] = result


@pytest.fixture
def results(few, tmp_path):
    """Write the results of a few cases in float32 and float64."""
    path = tmp_path / "results.h5"
    with h5py.File(path, "w") as file:
        file.attrs["version"] = "7"
        for dtype in ("float32", "float64"):
            for case in few:
                put_case(file, case, dtype)
    return path


def run(path, cases):
    with load(str(path)) as target:
        return verify(cases, target)


def test_results_are_judged_as_calls_are(results, few):
    found, direct = run(results, few), verify(few, ModuleTarget(own, "refwarp"))
    assert found.passed and found.version == "7" and found.skipped == found.remarks == ()

    def graded(outcomes):
        return {(o.case.name, o.dtype, o.output, o.convention): o.share for o in outcomes if o.case.result != "valid"}

    assert graded(found.outcomes) == graded(o for o in direct.outcomes if o.dtype != "float16")
    assert {case.name for case in few} == {outcome.case.name for outcome in found.outcomes}


@pytest.mark.parametrize("rule", own.CHOICES["kink"])
def test_any_stated_answer_will_do_without_a_convention(by_name, tmp_path, rule):
    case = by_name["grid_sample/row_at_pixel"]
    with h5py.File(tmp_path / "results.h5", "w") as file:
        put_case(file, case, "float32", rule)
    found = run(tmp_path / "results.h5", [case])
    assert found.passed and {outcome.convention for outcome in found.outcomes} == {""}


def test_by_its_name_a_convention_must_be_met(by_name, tmp_path):
    case = by_name["grid_sample/row_at_pixel"]
    with h5py.File(tmp_path / "results.h5", "w") as file:
        put_case(file, case, "float32", "left")
        file.move(f"float32/{case.name}/vjp/ggrid", f"float32/{case.name}/vjp/ggrid:right")
    found = run(tmp_path / "results.h5", [case])
    assert ("vjp/ggrid", "right") in {(outcome.output, outcome.convention) for outcome in found.failures}


def test_results_in_bfloat16_lie_in_float32_arrays(few, tmp_path):
    narrow = [case for case in few if case.dtype in ("float16", "bfloat16") and case.operation == "affine_grid"]
    with h5py.File(tmp_path / "results.h5", "w") as file:
        for case in narrow:
            file[f"bfloat16/{case.name}/forward/grid"] = case.outputs["forward/grid"].elements["value"].astype("f4")
    found = run(tmp_path / "results.h5", narrow)
    assert {outcome.dtype for outcome in found.outcomes} == {"bfloat16"} and found.passed


def test_missing_cases_are_counted_and_nothing_at_all_does_not_pass(results, few):
    with h5py.File(results, "r+") as file:
        del file[PATH], file["float64/affine_grid"]
    found = run(results, few)
    assert found.passed
    missing = {call for skip in found.skipped for call in skip.calls}
    assert {skip.reason for skip in found.skipped} == {"no results in the file"}
    assert (NAME, "float32") in missing and ("affine_grid/identity_3x5", "float64") in missing
    assert f"{sum(skip.count for skip in found.skipped)} calls were skipped." in summary(found)
    with h5py.File(results, "w") as file:
        file.create_group("float32")
    found = run(results, few)
    assert not found.passed and summary(found).startswith("No case ran, so nothing is verified.")


def test_a_missing_output_of_a_call_is_wrong(results, few):
    with h5py.File(results, "r+") as file:
        del file[f"{PATH}/vjp/ggrid"]
    (outcome,) = run(results, few).failures
    assert (outcome.output, outcome.dtype, outcome.problem) == ("vjp/ggrid", "float32", "is not in the file")


def test_what_the_suite_does_not_have_is_named(results, few):
    with h5py.File(results, "r+") as file:
        file["notes"] = "computed at night"
        file["float32/grid_sample/my_own/forward/output"] = np.ones(3, "f4")
        file[f"{PATH}/forward/outptu"] = np.ones(3, "f4")
        file[f"{PATH}/forward/output:rigth"] = np.ones(3, "f4")
        file[f"{PATH}/froward/output"] = np.ones(3, "f4")
    found = run(results, few)
    assert found.passed
    (remark,) = found.remarks
    assert remark == (
        "In the file, but not in the suite: /float32/grid_sample/interior_3x4/forward/outptu, "
        "/float32/grid_sample/interior_3x4/forward/output:rigth, /float32/grid_sample/interior_3x4/froward, "
        "/float32/grid_sample/my_own, /notes."
    )
    with h5py.File(results, "r+") as file:
        for i in range(50):
            file.create_group(f"float64/grid_sample/extra_{i}")
    (remark,) = run(results, few).remarks
    assert remark.endswith(" and 50 more.") and len(remark) < 400


def test_calls_that_are_refused(results, few):
    with h5py.File(results, "r+") as file:
        for part in list(file[PATH]):
            del file[PATH][part]
        file[PATH].attrs["refused"] = "not on this device"
        refused = file["float32/grid_sample/refused_mode"]
        del refused.attrs["refused"]
        refused["forward/output"] = np.ones(3, "f4")
    problems = {(o.case.name, o.output): o.problem for o in run(results, few).failures}
    assert problems[NAME, "forward/output"] == problems[NAME, "vjp/ggrid"] == "raised refused: not on this device"
    assert problems["grid_sample/refused_mode", "refusal"] == "was not refused"


def test_a_refusal_is_text_and_has_no_results(results, few):
    with h5py.File(results, "r+") as file:
        file[PATH].attrs["refused"] = "not on this device"
        file["float32/grid_sample/refused_mode"].attrs["refused"] = [1, 2, 3]
    problems = {(o.case.name, o.output): o.problem for o in run(results, few).failures}
    assert problems[NAME, "forward/output"] == "says that the call was refused, and has results of it"
    assert "where text belongs" in problems["grid_sample/refused_mode", "refusal"]


# ---- files that are not what they should be ----


def refused(path) -> str:
    with pytest.raises(ValueError) as caught:
        load(str(path))
    message = str(caught.value)
    assert message.startswith(f"target: {path} ") and "\n" not in message and len(message) < 400
    return message


def test_files_that_hold_no_results(tmp_path, suite):
    path = tmp_path / "results.h5"
    path.write_text("not HDF5")
    assert "no HDF5 file" in refused(path)
    with h5py.File(path, "w"):
        pass
    assert "holds nothing at its top, expected a group for each dtype" in refused(path)
    with h5py.File(path, "w") as file:
        file["grid_sample/interior_3x4/forward/output"] = np.ones(3)
    assert "holds grid_sample at its top" in refused(path)
    with h5py.File(path, "w") as file:
        file["float32"] = np.ones(3)
    assert "holds no results that can be read ('float32' is no group)" in refused(path)
    with h5py.File(path, "w") as file:
        file["float32"] = h5py.ExternalLink("other.h5", "/float32")
    assert "'float32' is a link, which is not followed" in refused(path)


def test_a_dtype_that_cannot_be_read_is_wrong_and_the_others_are_judged(results, few):
    with h5py.File(results, "r+") as file:
        file["float16"] = h5py.SoftLink("/nowhere")
        del file["float64"]
        file["float64"] = np.ones(3)
    found = run(results, few)
    problems = {(outcome.dtype, outcome.problem) for outcome in found.failures}
    assert problems == {
        ("float16", "cannot be read from the file ('float16' is a link, which is not followed)"),
        ("float64", "cannot be read from the file ('float64' is no group)"),
    }
    assert found.remarks == ()
    good = {outcome.case.name for outcome in found.outcomes if outcome.dtype == "float32"}
    assert good == {case.name for case in few if case.dtype != "float64"}


def test_a_link_beside_the_results_is_named_and_all_are_judged(results, few):
    with h5py.File(results, "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("missing.h5", "/float32")
    found = run(results, few)
    assert found.passed and found.remarks == ("In the file, but not in the suite: /elsewhere.",)


def test_a_file_that_another_program_writes_is_not_called_damaged(results, open_elsewhere):
    with open_elsewhere(results), pytest.raises(BlockingIOError) as caught:
        load(str(results))
    assert str(caught.value) == f"target: {results} is open in another program; try again when that has closed it"


# ---- what other programs write: they have no scalars, neither of text nor of numbers ----


@pytest.mark.parametrize("kind", [h5py.string_dtype(), h5py.string_dtype("utf-8", 40), h5py.string_dtype("ascii", 40)])
def test_text_in_an_array_of_one_element(results, few, kind):
    with h5py.File(results, "r+") as file:
        file.attrs["version"] = np.array(["8.1"], kind)
        refused = file["float32/grid_sample/refused_mode"].attrs
        refused["refused"] = np.array([["no such mode"]], kind)
    found = run(results, few)
    assert found.passed and found.version == "8.1" and found.remarks == ()


@pytest.mark.parametrize(
    ("stored", "words"),
    [(2.5, "found float64 where text belongs"), (np.array(["a", "b"], h5py.string_dtype()), "found ndarray where")],
)
def test_a_version_that_is_no_text_is_a_remark(results, few, stored, words):
    with h5py.File(results, "r+") as file:
        file.attrs["version"] = stored
    found = run(results, few)
    assert found.passed and found.version == ""
    (remark,) = found.remarks
    assert remark.startswith(f"The attribute `version` of the file cannot be read ({words}")


def test_text_of_no_characters(results, few):
    with h5py.File(results, "r+") as file:
        file.attrs["version"] = h5py.Empty(h5py.string_dtype("ascii", 1))
    found = run(results, few)
    assert found.passed and found.version == "" and found.remarks == ()


@pytest.mark.parametrize(
    "above",
    ["/", "float32", "float32/grid_sample", PATH, f"{PATH}/forward"],
    ids=["top", "dtype", "operation", "case", "part"],
)
def test_a_name_that_is_no_utf8_is_named(results, few, above):
    """Of such names h5py gives the bytes, of others text."""
    with h5py.File(results, "r+") as file:
        h5py.h5g.create(file[above].id, b"caf\xe9")
    found = run(results, few)
    assert found.passed
    place = f"/{above}/".replace("///", "/")
    assert found.remarks == (f"In the file, but not in the suite: {place}caf\\xe9.",)


def test_a_top_of_names_that_are_no_utf8_holds_no_results(tmp_path):
    with h5py.File(tmp_path / "results.h5", "w") as file:
        h5py.h5g.create(file.id, b"caf\xe9")
        file.create_group("notes")
    assert "holds caf\\xe9, notes at its top" in refused(tmp_path / "results.h5")


def test_what_stands_where_an_operation_does_is_named_though_it_is_empty(results, few):
    with h5py.File(results, "r+") as file:
        file["float32/notes"] = "computed at night"
        file.create_group("float32/grid_sampel")
        file.create_group(f"{PATH}/froward")
    (remark,) = run(results, few).remarks
    assert remark == (f"In the file, but not in the suite: /float32/grid_sampel, /{PATH}/froward, /float32/notes.")


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_number_in_an_array_of_one_element(suite, tmp_path, shape):
    case = next(case for case in suite.cases if case.operation == "smoothness" and case.result == "valid")
    path = tmp_path / "results.h5"
    with h5py.File(path, "w") as file:
        put_case(file, case, "float64")
        group = file[f"float64/{case.name}"]
        penalty = group["forward/penalty"][()]
        assert penalty.shape == ()
        del group["forward/penalty"]
        group["forward/penalty"] = penalty.reshape(shape)
    assert run(path, [case]).passed
    with h5py.File(path, "r+") as file:  # but nothing else loses its axes
        gradient = file[f"float64/{case.name}/vjp/gfield"]
        group = gradient.parent
        wrong = gradient[()].reshape(-1)
        del group["gfield"]
        group["gfield"] = wrong
    (outcome,) = run(path, [case]).failures
    assert outcome.problem.startswith(f"returned float64[{wrong.size}], expected float64[")


@pytest.mark.parametrize("share", [0.01, 0.4, 0.9, 0.999])
def test_truncated_files(results, share):
    content = results.read_bytes()
    results.write_bytes(content[: int(len(content) * share)])
    assert "truncated or damaged" in refused(results)


def replace(content, value, **options):
    del content[f"{PATH}/forward/output"]
    if value is not None:
        content[f"{PATH}/forward/output"] = value
    else:
        content.create_dataset(f"{PATH}/forward/output", **options)


def put_objects(content):
    replace(content, None, shape=(2,), dtype=h5py.string_dtype())


def put_compounds(content):
    replace(content, np.zeros(3, [("real", "f4"), ("imaginary", "f4")]))


def put_nothing(content):
    replace(content, h5py.Empty("f4"))


def put_group(content):
    del content[f"{PATH}/forward/output"]
    content.create_group(f"{PATH}/forward/output")


def put_too_much(content):
    replace(content, None, shape=(2**40,), dtype="f4", chunks=(2**10,))


def put_wrong_shape(content):
    replace(content, np.ones((1, 2), "f4"))


def put_wrong_dtype(content):
    replace(content, content[f"{PATH}/forward/output"][()].astype("f8"))


def put_outside(content):
    replace(content, None, shape=(3,), dtype="f4", external=[("elsewhere.bin", 0, 12)])


def put_virtual(content):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", (3,))
    del content[f"{PATH}/forward/output"]
    content.create_virtual_dataset(f"{PATH}/forward/output", layout)


def put_soft_link(content):
    replace(content, h5py.SoftLink(f"/{PATH}/vjp/ginput"))


def put_external_link(content):
    replace(content, h5py.ExternalLink("elsewhere.h5", "/data"))


def put_link_to_part(content):
    content.move(f"{PATH}/forward", "elsewhere")
    content[f"{PATH}/forward"] = h5py.SoftLink("/elsewhere")


def put_array_for_part(content):
    del content[f"{PATH}/forward"]
    content[f"{PATH}/forward"] = np.ones(3, "f4")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (put_objects, "is no array of numbers"),
        (put_compounds, "is no array of numbers"),
        (put_nothing, "is no array of numbers"),
        (put_group, "is no array of numbers"),
        (put_too_much, "is float32[1099511627776], which is too large"),
        (put_wrong_shape, "returned float32[1, 2], expected float32["),
        (put_wrong_dtype, "returned float64["),
        (put_outside, "lies outside of the file"),
        (put_virtual, "lies outside of the file"),
        (put_soft_link, "cannot be read from the file ('output' is a link, which is not followed)"),
        (put_external_link, "cannot be read from the file ('output' is a link, which is not followed)"),
        (put_link_to_part, "cannot be read from the file ('forward' is a link, which is not followed)"),
        (put_array_for_part, "cannot be read from the file ('forward' is no group)"),
    ],
)
def test_broken_results_have_a_verdict_and_the_rest_is_judged(results, few, damage, problem):
    with h5py.File(results, "r+") as content:
        damage(content)
    found = run(results, few)
    assert [(o.case.name, o.dtype, o.output) for o in found.failures] == [(NAME, "float32", "forward/output")]
    assert found.failures[0].problem.startswith(problem)


def test_the_order_of_bytes_does_not_matter(results, few):
    with h5py.File(results, "r+") as content:
        replace(content, content[f"{PATH}/forward/output"][()].astype(">f4"))
    assert run(results, few).passed


def test_flipped_bytes(results, few):
    """Whatever is flipped: a refusal, or a verdict on each case; never a crash."""
    content, seen = results.read_bytes(), set()
    for position in range(0, len(content), len(content) // 60):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        results.write_bytes(flipped)
        try:
            seen.add(run(results, few).passed)
        except ValueError as error:
            assert str(error).startswith("target: ")
            seen.add("refused")
    assert seen == {True, False, "refused"}
