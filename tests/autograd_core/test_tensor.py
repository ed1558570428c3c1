"""Tensors: what becomes one, what compares with one, what indexes one, and what goes through one."""

import array
import collections
import operator

import numpy as np
import pytest

from autograd_core import Tensor, functions, grad
from autograd_core.optimizers import SGD


class Convertible:
    """What NumPy takes as an array, and knows nothing else of."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def leaf(*shape):
    return Tensor(np.arange(float(np.prod(shape))).reshape(shape), requires_grad=True)


# What is data


@pytest.mark.parametrize("make", [np.matrix, np.asmatrix], ids=["copied", "a view"])
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_becomes_an_array(make):
    x, m = leaf(2, 2), np.array([[1.0, 2.0], [3.0, 4.0]])
    out = Tensor(make(m)) * x
    np.testing.assert_array_equal(out.data, m * x.data)
    np.testing.assert_array_equal(grad(out, x, np.ones((2, 2)))[0].data, m)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ma.array([1.0, 2.0], mask=[False, True]), "data: given a masked array"),
        ([np.ma.array([1.0, 2.0], mask=[False, True])], "data: given a masked array"),
        ([[1.0, np.ma.masked]], "data: given a masked array"),
        (["a"], "data: given an array of dtype <U1, expected numbers"),
        (None, "data: given an array of dtype object"),
        ([10**40], "data: given an array of dtype object"),
        (np.array(["2001-01-01"], "M8[D]"), r"data: given an array of dtype datetime64\[D\]"),
        (np.zeros(2, [("x", "f8")]), "data: given an array of dtype"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(data, message):
    with pytest.raises(TypeError, match=message):
        Tensor(data)
    with pytest.raises(TypeError, match=message):
        leaf(2) * data


def test_a_history_is_not_lost_in_a_list():
    a = leaf(2)
    for convert in (
        lambda: Tensor([[functions.cos(a[0]), 0.0]]),
        lambda: Tensor([a]),
        lambda: functions.mean([a * 2, a]),
        lambda: np.asarray(a),
        lambda: np.stack([a, a]),
    ):
        with pytest.raises(TypeError, match="a Tensor whose gradient is wanted .* join Tensors with .*stack"):
            convert()
    np.testing.assert_array_equal(Tensor([[a.detach()[1], 5.0]]).data, [[1.0, 5.0]])
    np.testing.assert_array_equal(np.asarray(a.detach(), np.float32), np.array([0, 1], np.float32), strict=True)


def test_an_array_is_kept():
    values = np.ones(3)
    assert Tensor(values).data is values
    assert np.shares_memory(Tensor(values[::-1], requires_grad=True).data, values)


def test_an_array_of_a_tensor_is_read_only_or_a_copy():
    x = Tensor(np.ones(3))
    for view in (np.asarray(x), np.array(x, copy=False), np.asarray(x, np.float64)):
        assert np.shares_memory(view, x.data) and not view.flags.writeable
    for copied in (np.array(x), np.array(x, copy=True), np.asarray(x, np.float32)):
        assert copied.flags.writeable and not np.shares_memory(copied, x.data)
    with pytest.raises(ValueError, match="copy"):
        np.array(x, np.float32, copy=False)
    assert x.data.flags.writeable


# requires_grad


def test_requires_grad_is_checked_also_when_it_is_set():
    whole, x = Tensor([1, 2]), Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match="requires_grad: given for an array of int64"):
        whole.requires_grad = True
    x.requires_grad = True
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 3.0
    out = x * 2
    with pytest.raises(ValueError, match=r"requires_grad: given False for the result .*detach"):
        out.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_only_leaves_are_parameters():
    x = leaf(2)
    assert x.is_parameter and not (x * 2).is_parameter and not x.detach().is_parameter
    with pytest.raises(ValueError, match="the result of a computation"):
        SGD([x * 2], 0.1)


# Comparisons


COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize(
    "other", [0.0, 1, np.float64(1), np.array([0.0, 2.0, 2.0]), np.array([[1], [2]]), [0.0, 1.0, 5.0], True]
)
def test_comparisons_are_numpys(compare, other):
    x = leaf(3)
    for out, expected in (
        (compare(x, other), compare(x.data, np.asarray(other))),
        (compare(x, Tensor(other)), compare(x.data, np.asarray(other))),
        (compare(other, x), compare(np.asarray(other), x.data)),
    ):
        assert isinstance(out, Tensor) and not out.requires_grad
        np.testing.assert_array_equal(out.data, expected, strict=True)


def test_comparisons_choose():
    x = leaf(3)
    np.testing.assert_array_equal(functions.where(x == 0.0, 10.0, 20.0).data, [10.0, 20.0, 20.0])
    out = functions.where((x > 0.0) & ~(x != 1.0) | (x >= 2.0), x, 0.0)
    np.testing.assert_array_equal(grad(out, x, np.ones(3))[0].data, [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(x[x > 0.5].data, [1.0, 2.0])


def test_comparisons_with_what_is_no_number():
    x = leaf(3)
    assert not x == None and x != None  # noqa: E711
    assert x != "zeros" and x not in (None, "zeros")
    with pytest.raises(TypeError, match="not supported between"):
        x < None  # noqa: B015
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x == x)
    with pytest.raises(ValueError, match="shape"):
        x == np.ones(2)  # noqa: B015


def test_comparisons_with_objects_are_theirs_to_answer():
    class Anything:
        def __eq__(self, other):
            return "equal"

        def __and__(self, other):
            return "and"

        __rand__ = __and__

    x = leaf(3)
    assert (x == Anything()) == (Anything() == x) == "equal" and (x & Anything()) == "and"
    assert (x == object()) is False and (x != object()) is True and x != ["zero"]
    for compare in (operator.lt, operator.and_, operator.or_, operator.xor):
        with pytest.raises(TypeError, match="not supported between|unsupported operand"):
            compare(x, object())
    with pytest.raises(TypeError, match="given a masked array"):
        x == np.ma.array([1.0, 2.0, 3.0], mask=[True, False, False])  # noqa: B015
    with pytest.raises(TypeError, match="a Tensor whose gradient is wanted"):
        x == [x, x]  # noqa: B015


@pytest.mark.parametrize("connect", [operator.and_, operator.or_, operator.xor])
@pytest.mark.parametrize("other", [True, np.True_, [True, False, True], np.array([[False], [True]])])
def test_connectives_are_numpys_from_both_sides(connect, other):
    x = leaf(3) > 0.5
    for out in (connect(x, other), connect(other, x), connect(Tensor(other), x)):
        assert isinstance(out, Tensor)
        np.testing.assert_array_equal(out.data, connect(x.data, np.asarray(other)), strict=True)
    np.testing.assert_array_equal(connect(5, Tensor([3, 6])).data, connect(5, np.array([3, 6])))


def test_tensors_are_told_apart_by_who_they_are():
    x, y = leaf(3), leaf(3)
    assert len({x, y, x}) == 2 and {x: 1, y: 2}[y] == 2 and hash(x) != hash(y)


# Iteration


def test_a_tensor_without_axes_cannot_be_gone_through():
    for go in (sum, list, iter, lambda x: 1.0 in x):
        with pytest.raises(TypeError, match="iteration over a tensor without axes|not iterable"):
            go(Tensor(1.0))


def test_going_through_a_tensor_keeps_the_history():
    x = leaf(3, 2)
    first, *rest = x
    assert len(rest) == 2 and 4.0 in x[2]
    np.testing.assert_array_equal(grad(sum(x)[0] + first[1], x)[0].data, [[1, 1], [1, 0], [1, 0]])


# Indices

REPEATED = {
    "ndarray": np.array([0, 0]),
    "list": [0, 0],
    "tuple in a tuple": ((0, 0),),
    "two tuples": ((0, 0), (1, 1)),
    "array.array": array.array("q", [0, 0]),
    "deque": collections.deque([0, 0]),
    "memoryview": memoryview(np.array([0, 0])),
    "range": range(0, 1),
    "object with __array__": Convertible([0, 0]),
    "Tensor": Tensor([0, 0]),
    "list of Tensors": [Tensor(0), Tensor(0)],
    "list of an integer of NumPy": [np.int8(0), np.int64(0)],
    "big-endian": np.array([0, 0], ">i4"),
    "beside a slice": (slice(None), (1, 1)),
    "mask in a tuple": ((True, False, True),),
    "mask of Tensors": Tensor([True, False, True]),
    "a truth": True,
    "an array without axes": np.array(1),
    "empty list": [],
    "empty list in a tuple": ([],),
    "empty tuple": (),
    "empty tuple in a tuple": ((),),
    "empty integers": np.zeros(0, int),
    "None": None,
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_named_often_gets_the_sum(name):
    index = REPEATED[name]
    x = leaf(3, 2)
    plain = tuple(map(np.asarray, index)) if name == "mask of Tensors" else index
    plain = np.asarray(index) if "Tensor" in name else plain
    expected = x.data[plain]
    out = x[index]
    np.testing.assert_array_equal(out.data, expected, strict=True)
    w = 1.0 + np.arange(float(out.size)).reshape(out.shape)
    (gx,) = grad(out, x, w, create_graph=True)
    counted = np.zeros(6)
    for place, weight in zip(np.arange(6).reshape(3, 2)[plain].ravel(), w.ravel(), strict=True):
        counted[place] += weight
    np.testing.assert_array_equal(gx.data.ravel(), counted)


class Second:
    """What names an element, and is nothing else."""

    def __index__(self):
        return 1


def test_what_has_an_index_is_one():
    x = leaf(3, 2)
    for index in (Second(), (slice(None), Second()), (Second(), Second())):
        out = x[index]
        np.testing.assert_array_equal(out.data, x.data[index])
        (gx,) = grad(out, x, np.ones(out.shape))
        expected = np.zeros((3, 2))
        expected[index] = 1.0
        np.testing.assert_array_equal(gx.data, expected)
    for truth in (True, np.True_):
        assert x[truth].shape == (1, 3, 2)


def test_an_index_is_copied_whatever_it_is():
    for index, change in (
        (array.array("q", [0, 1]), lambda i: i.__setitem__(0, 2)),
        (collections.deque([0, 1]), lambda i: i.__setitem__(0, 2)),
        (Tensor(np.array([0, 1])), lambda i: i.data.__setitem__(0, 2)),
    ):
        x = leaf(3)
        out = x[index]
        change(index)
        np.testing.assert_array_equal(grad(out, x, np.ones(2))[0].data, [1.0, 1.0, 0.0])


@pytest.mark.parametrize("index", [1.5, [0.5], np.zeros(0), Tensor([0.0, 1.0])])
def test_indices_that_are_no_integers_are_named(index):
    with pytest.raises(IndexError, match="index: given an array of float64, expected integers or booleans"):
        leaf(3)[index]


def test_other_things_as_index_are_refused():
    with pytest.raises(TypeError, match="index: given a masked array"):
        leaf(3)[np.ma.array([0, 1], mask=[False, True])]
    with pytest.raises(TypeError, match="index: given an array of dtype <U1"):
        leaf(3)["a"]
    with pytest.raises(IndexError, match="out of bounds"):
        leaf(3)[[3]]


# Shapes and axes in NumPy's integers


def test_lengths_and_axes_may_be_numpys_integers_or_lists():
    six, x = np.int64(6), leaf(2, 3)
    assert x.reshape(six).shape == x.reshape([six]).shape == functions.reshape(x, six).shape == (6,)
    assert x.reshape(np.int8(3), -1).shape == x.reshape(np.array([3, 2])).shape == (3, 2)
    assert leaf(6).transpose(np.int64(0)).shape == (6,)
    assert functions.broadcast_to(leaf(1), six).shape == functions.broadcast_to(leaf(1), [6]).shape == (6,)
    assert functions.sum_to(x, [1, np.int64(3)]).shape == functions.sum_to(x, [1, 3]).shape == (1, 3)
    with pytest.raises(TypeError, match="integer"):
        x.reshape(2.0, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.complex64])
@pytest.mark.parametrize("axis", [[0, 1], (0, 1), [0], np.int64(1), [np.int8(-1)], []])
def test_axes_may_be_a_list_in_every_dtype(dtype, axis):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    axes = tuple(axis) if isinstance(axis, list) else axis
    for function, numpys in ((functions.sum, np.sum), (functions.mean, np.mean)):
        for keepdims in (False, True):
            np.testing.assert_array_equal(function(x, axis, keepdims).data, numpys(x, axis=axes, keepdims=keepdims))
    wide = dtype if np.dtype(dtype).kind != "i" else np.float64
    if np.dtype(dtype).kind != "c":
        assert functions.logsumexp(x, axis).dtype == wide
    assert functions.squeeze(x[None], [0]).shape == (2, 3)
