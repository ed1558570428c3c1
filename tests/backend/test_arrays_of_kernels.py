"""What kernels are given: arrays whose elements lie row by row, and whole ones to write into."""

import ast
from pathlib import Path

import numpy as np
import pytest

import autograd_core
import refwarp
from refwarp.backend.jit import kernel
from refwarp.backend.launch import argument, run

SOURCES = [
    source for package in (autograd_core, refwarp) for source in sorted(Path(package.__file__).parent.rglob("*.py"))
]
KEEPERS = ("empty_like", "zeros_like", "ones_like", "full_like")


@kernel
def fill(start, stop, source, result):
    for k in range(start, stop):
        result[k, 0] = source[k, 0]


def shuffled():
    return np.asfortranarray(np.arange(12.0).reshape(3, 4))


def unaligned():
    return np.frombuffer(b"\0" + np.arange(12.0).tobytes(), offset=1).reshape(3, 4)


@pytest.mark.parametrize("make", [shuffled, unaligned, lambda: shuffled()[::-1], lambda: shuffled().T])
def test_an_argument_is_read_row_by_row_aligned_and_not_written(make):
    given = make()
    taken = argument(given)
    assert taken.flags.c_contiguous and taken.flags.aligned and not taken.flags.writeable
    assert np.array_equal(taken, given)


def test_an_argument_that_lies_well_is_not_copied_and_stays_writeable_for_its_owner():
    given = np.arange(12.0).reshape(3, 4)
    assert np.shares_memory(argument(given), given)
    assert given.flags.writeable


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (shuffled(), "fill: given an array float64.3, 4. whose elements do not lie row by row and aligned; expected"),
        (unaligned(), "fill: given an array float64.3, 4. whose elements do not lie row by row and aligned; expected"),
        (shuffled().reshape(-1, 2), "fill: given an array float64.6, 2. that can be written to and is a view, perhaps"),
        (np.zeros((3, 4))[1:], "fill: given an array float64.2, 4. that can be written to and is a view, perhaps of a"),
    ],
)
def test_a_kernel_writes_into_nothing_but_whole_new_arrays(array, message):
    """Of these the third is the one to fear: a reshape that is a copy, so that the result would never be written."""
    with pytest.raises(TypeError, match=message):
        run(fill, 2, 2, argument(np.ones((2, 2))), array)
    with pytest.raises(TypeError, match=message):
        run(fill, 2, 2, array, np.ones((2, 2)))


def layout_keepers(tree):
    """Yield the lines that name a function which allocates in the memory layout of another array."""
    in_order = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(word.arg == "order" and ast.unparse(word.value) == "'C'" for word in node.keywords)
    }
    for node in ast.walk(tree):
        name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
        if name in KEEPERS and id(node) not in in_order:
            yield getattr(node, "lineno", 0)


def test_nothing_is_allocated_in_the_memory_layout_of_an_input():
    found = [f"{source}:{line}" for source in SOURCES for line in layout_keepers(ast.parse(source.read_text()))]
    assert not found, "allocate by shape and dtype"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("x = xp.empty_like(a)", [1]),
        ("make = np.zeros_like\ny = (xp.ones_like if a else xp.full_like)(b)", [1, 2, 2]),
        ("from numpy import zeros_like\nzeros_like(a)", [1, 2]),
        ("x = xp.empty_like(a, order='C')", []),
        ("x = xp.empty_like(a, order='K')", [1]),
        ("x = xp.empty(a.shape, a.dtype)", []),
    ],
)
def test_the_lint_sees_them(code, lines):
    assert sorted(layout_keepers(ast.parse(code))) == lines
