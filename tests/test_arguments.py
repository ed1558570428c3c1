"""What every public function takes and refuses, beside arrays of the right shape.

The functions are found in the package, and a valid call of each in the golden suite; so a function that comes later is
held to the same.
"""

import inspect
import math
import re
import sys
from collections import Counter
from enum import StrEnum

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor
from refwarp.arguments import LARGEST_LENGTH, shown
from refwarp.golden.families import all_cases
from refwarp.golden.operations import OPERATIONS

FUNCTIONS = sorted(
    name
    for name in refwarp.__all__
    if inspect.isfunction(getattr(refwarp, name))
    and getattr(refwarp, name).__module__.startswith(("refwarp.grids", "refwarp.samplers", "refwarp.penalties"))
)


def valid_calls():
    """Return for each function all its arguments by name: the smallest call with the most arrays, and the defaults."""
    found = {}
    for case in all_cases():
        arrays = {name: case.inputs[name] for name in OPERATIONS[case.operation][0].arguments if name in case.inputs}
        usual = all(array.size and np.isfinite(array).all() for array in arrays.values())
        if case.result == "valid" and usual and 0 not in case.options.get("size", ()):
            rank = len(arrays), -sum(array.size for array in arrays.values())
            if case.operation not in found or rank > found[case.operation][0]:
                found[case.operation] = rank, arrays, case.options
    calls = {}
    for operation, (_, arrays, options) in found.items():
        signature = inspect.signature(getattr(refwarp, operation)).parameters
        defaults = {name: p.default for name, p in signature.items() if p.default is not p.empty}
        chosen = {name: value for name, value in options.items() if name in signature}
        chosen |= {name: tuple(value) for name, value in chosen.items() if isinstance(value, list)}
        if "kernel" in chosen:
            chosen["kernel"] = refwarp.kernel_functions.TENT
        calls[operation] = {**defaults, **chosen, **{name: a.astype(np.float64) for name, a in arrays.items()}}
    return calls


CALLS = valid_calls()


def arguments(wanted):
    """Return (function, argument) for every argument with a value that is wanted."""
    return [(name, argument) for name in FUNCTIONS for argument, value in CALLS[name].items() if wanted(value)]


ARRAYS = arguments(lambda value: isinstance(value, np.ndarray))
LENGTHS = arguments(lambda value: isinstance(value, tuple) and all(isinstance(n, int) for n in value))


def call(name, **changed):
    return getattr(refwarp, name)(**{**CALLS[name], **changed})


def assert_same(result, expected, kind=np.ndarray):
    assert type(result) is kind
    values = result.data if kind is Tensor else result
    assert type(values) is np.ndarray and values.dtype == expected.dtype and values.shape == expected.shape
    assert values.tobytes() == expected.tobytes()


def refusal(name, argument, value):
    """Return how a call is refused: in one line that begins with the name of an argument."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(name, **{argument: value})
    message = str(caught.value)
    assert re.match(rf"({'|'.join(CALLS[name])}): given ", message) and "\n" not in message, message
    return message


def test_every_operation_of_the_suite_is_found():
    assert set(OPERATIONS) == set(FUNCTIONS) == set(CALLS)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_masks_are_not_ignored(name, argument):
    masked = np.ma.masked_array(CALLS[name][argument], mask=False)
    assert refusal(name, argument, masked).startswith(f"{argument}: given a masked array, expected one without")


class Odd(np.ndarray):
    """An array with another meaning of its operators."""

    def __array_ufunc__(self, *arguments, **options):
        raise AssertionError("used as it is")


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_subclasses_of_ndarray_are_taken_as_ndarray(name, argument, tmp_path):
    given, expected = CALLS[name][argument], call(name)
    assert_same(call(name, **{argument: given.view(Odd)}), expected)
    mapped = np.memmap(tmp_path / "array", given.dtype, "w+", shape=given.shape)
    mapped[...] = given
    assert_same(call(name, **{argument: mapped}), expected)
    if given.ndim == 2:
        assert_same(call(name, **{argument: given.view(np.matrix)}), expected)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_an_array_and_a_tensor_of_it_are_judged_alike(name, argument):
    given, expected = CALLS[name][argument], call(name)
    swapped = given.astype(given.dtype.newbyteorder())
    assert_same(call(name, **{argument: swapped}), expected)
    if name != "thin_plate_spline_basis":  # which takes no Tensor
        assert_same(call(name, **{argument: Tensor(swapped)}), expected, Tensor)
    masked = np.ma.masked_array(given, mask=False)
    with pytest.raises(TypeError) as caught:
        Tensor(masked)
    assert refusal(name, argument, masked) == str(caught.value).replace("data: ", f"{argument}: ", 1)
    assert refusal(name, argument, np.array(1.0)).startswith(f"{argument}: given ")


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_one_tensor_in_gives_a_tensor_out(name, argument):
    tensor = Tensor(CALLS[name][argument])
    if name == "thin_plate_spline_basis":  # a basis is a constant
        assert refusal(name, argument, tensor) == "control: given Tensor, expected a NumPy array"
    else:
        assert_same(call(name, **{argument: tensor}), call(name), Tensor)


def numpys(value):
    """Return what NumPy and others have in the place of a value of Python."""
    if isinstance(value, bool):
        return [np.bool_(value), np.array(value)]
    if isinstance(value, str):
        return [np.str_(value), StrEnum("Choice", {"IT": value}).IT, np.array(value)]
    if isinstance(value, int):
        return [np.int64(value), np.uint8(value), np.array(value)]
    if isinstance(value, float):
        return [np.float64(value), np.array(value), *([np.float32(value)] if np.float32(value) == value else [])]
    if isinstance(value, tuple):
        return [list(value), np.array(value), tuple(np.array(value)), tuple(map(np.array, value))]
    return []


@pytest.mark.parametrize(("name", "argument"), arguments(numpys))
def test_numpys_scalars_are_taken_as_pythons(name, argument):
    expected = call(name)
    for value in numpys(CALLS[name][argument]):
        assert_same(call(name, **{argument: value}), expected)


@pytest.mark.parametrize(("name", "argument"), LENGTHS)
def test_lengths_are_integers(name, argument):
    given = CALLS[name][argument]
    for k, length in enumerate(given):
        for wrong in (float(length), True, np.float64(length), np.True_, str(length), None, -1, np.array([length])):
            message = refusal(name, argument, (*given[:k], wrong, *given[k + 1 :]))
            assert message.startswith(f"{argument}: given ") and " integers (" in message
    for wrong in (given[:-1], (*given, 1), 3, None, "1111", set(given), np.array(2), np.array([given]), Tensor(given)):
        assert refusal(name, argument, wrong).startswith(f"{argument}: given ")
    for huge in (LARGEST_LENGTH + 1, 10**30, 10**5000):
        assert refusal(name, argument, (*given[:-1], huge)).startswith(f"{argument}: given ")


@pytest.mark.parametrize("name", sorted({name for name, argument in LENGTHS if argument == "size"}))
def test_more_points_than_can_be_are_refused(name):
    batch, channels, *_ = CALLS[name]["size"]
    message = refusal(name, "size", (batch, channels, 2**25, 2**25))
    assert message.startswith("size: given ") and message.endswith("expected N H W of at most 1,099,511,627,776")


WRONG = [
    None,
    "text",
    b"bytes",
    object(),
    3.5,
    -1,
    math.nan,
    math.inf,
    2 + 1j,
    10**30,
    10**5000,
    [1, 2],
    [[1], [2, 3]],
    {},
    True,
    np.array(2),
    np.array("text"),
    np.array([[1.0, 2.0], [3.0, 4.0]]),
    np.zeros((1, 1, 1, 1), np.int64),
    np.zeros(0),
    np.datetime64("2020-01-01"),
    np.float16(0.5),
    np.ma.masked,
    Tensor(np.arange(3)),
    len,
]


@pytest.mark.parametrize(("name", "argument"), [(name, argument) for name in FUNCTIONS for argument in CALLS[name]])
def test_what_is_wrong_is_refused_in_a_sentence(name, argument):
    """Some of these are right for one argument or another; then there is a result."""
    refused = 0
    for wrong in WRONG:
        try:
            result = call(name, **{argument: wrong})
        except (TypeError, ValueError) as error:
            message = str(error)
            refused += 1
            assert re.match(rf"({'|'.join(CALLS[name])}): given", message), (wrong, message)
            assert "\n" not in message and len(message) < 400
        else:
            assert isinstance(result, np.ndarray | Tensor)
    assert refused > len(WRONG) // 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_number_of_arguments_is_pythons_to_judge(name):
    given = CALLS[name]
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'another'"):
        call(name, another=1)
    with pytest.raises(TypeError, match=rf"{name}\(\) missing "):
        getattr(refwarp, name)()
    with pytest.raises(TypeError, match=rf"{name}\(\) takes "):
        getattr(refwarp, name)(*given.values(), 1, 2, 3)


def test_kernels_take_numbers_of_numpy():
    kernels = refwarp.kernel_functions
    assert kernels.keys(np.float32(-0.5)).name == kernels.keys(-0.5).name
    assert kernels.lanczos(np.uint8(3)).name == kernels.lanczos(3).name
    assert kernels.keys(np.array(-0.5)).name == kernels.keys(-0.5).name
    assert kernels.gaussian(np.float32(0.5)).support == kernels.gaussian(0.5).support
    for make, argument in ((kernels.keys, "a"), (kernels.lanczos, "lobes"), (kernels.gaussian, "deviation")):
        for wrong in (None, "1", True, 10**5000, np.array([1.0]), math.nan):
            with pytest.raises(ValueError, match=f"^{argument}: given .*, expected a"):
                make(wrong)
    for wrong in (None, "1", True, 10**5000, -1.0):
        with pytest.raises(ValueError, match="^support: given .*, expected a number of pixels"):
            refwarp.KernelFunction("box", wrong, (len,))


def test_a_backend_is_one_of_two_names():
    for wrong in (None, 3, 10**5000, np.array(["cpu", "cuda"]), ["cpu"]):
        with pytest.raises(ValueError, match="^backend: given .*, expected 'cpu' or 'cuda'$"):
            refwarp.use_backend(wrong)


def test_what_a_message_shows_is_one_short_line():
    assert shown((1, "a")) == "(1, 'a')"
    assert shown(np.zeros((2, 3), np.float32)) == "ndarray of float32[2, 3]"
    assert shown(Tensor(np.zeros(3))) == "Tensor of float64[3]"
    assert shown(10**5000) == "a value of type int that cannot be shown"
    assert len(shown("x" * 1000)) == 103 and "\n" not in shown([np.eye(9)])


def count_calls(function):
    """Return how often each function of Python is called in a call, by its qualified name."""
    counts = Counter()

    def count(frame, event, argument):
        if event == "call":
            counts[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_a_usual_argument_is_judged_once(kind, dtype):
    """Checks are most of what a call on a small map costs beside its kernel."""
    x, grid = kind(np.ones((1, 1, 2, 2), dtype)), kind(np.zeros((1, 2, 2, 2), dtype))
    theta = kind(np.ones((1, 2, 3), dtype))
    for function, given in (
        (lambda: refwarp.grid_sample(x, grid, mode="bilinear"), 3),
        (lambda: refwarp.affine_grid(theta, (1, 1, 2, 2)), 2),
    ):
        function()  # compiles
        counts = count_calls(function)
        assert counts["plain"] == given
        for slow in ("plain_array", "_is_masked", "_elements", "is_integer", "astype"):
            assert counts[slow] == 0, slow
