"""Vectors of four numbers, which fast kernels for the CPU load, compute with and store at once.

LLVM forms such vectors automatically only with an option that Numba does not set. So intrinsics emit them as LLVM
instructions into the kernel that calls them. Indices are not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

LANES = 4

_DOUBLE, _INDEX, _LANE = ir.DoubleType(), ir.IntType(64), ir.IntType(32)


class Vectors:
    """Emits instructions on vectors of four numbers of one type.

    Parameters
    ----------
    context, builder
        What Numba passes to an intrinsic.
    number
        LLVM's type of the numbers: doubles, unless another is given. Loaded numbers are widened to it, stored ones
        rounded to the type of the array.
    """

    def __init__(self, context: Any, builder: Any, number: Any = _DOUBLE) -> None:
        self.context, self.builder, self.number = context, builder, number

    # ---- in memory ----

    def pointer(self, kind: Any, array: Any, index: Any) -> Any:
        """Return where an element of a flat array lies; `kind` is Numba's type of the array."""
        return self.builder.gep(self.context.make_array(kind)(self.context, self.builder, array).data, [index])

    def load(self, pointer: Any, position: int = 0, length: int = LANES) -> Any:
        """Load the numbers from a pointer on, or those `position` vectors after it."""
        place, align = self._neighbours(pointer, position, length)
        return self._widened(self.builder.load(place, align=align))

    def store(self, vector: Any, pointer: Any, position: int = 0) -> None:
        """Store a vector from a pointer on, or `position` vectors after it."""
        place, align = self._neighbours(pointer, position, LANES)
        self.builder.store(self._rounded(vector, place.type.pointee), place, align=align)

    def _neighbours(self, pointer: Any, position: int, length: int) -> tuple[Any, int]:
        """Return a pointer to neighbours as one vector, aligned like one number, and that alignment in bytes."""
        number = pointer.type.pointee
        if position:
            pointer = self.builder.gep(pointer, [_INDEX(position * LANES)])
        place = self.builder.bitcast(pointer, ir.VectorType(number, length).as_pointer())
        return place, 8 if number == _DOUBLE else 4

    def add_product(self, a: Any, b: Any, pointer: Any, wide: bool, exact: bool = False) -> None:
        """Add a b to four numbers in memory.

        If wide, the next four receive the rounding error of the sum, and if exact also that of the product.
        """
        total = self.load(pointer)
        if not wide:
            self.store(self.multiply_add(a, b, total), pointer)
            return
        term = self.builder.fmul(a, b)
        new, lost = self.two_sum(total, term)
        if exact:
            lost = self.builder.fadd(lost, self.multiply_add(a, b, self.builder.fneg(term)))
        self.store(new, pointer)
        self.store(self.builder.fadd(self.load(pointer, 1), lost), pointer, 1)

    # ---- four rows of an array at once ----

    def rows_between(self, row: Any, first: Any, last: Any) -> list[Any]:
        """Return four rows from `row` on; those outside first to last - 1 are replaced by the nearest one inside."""
        found, final = [], self.builder.sub(last, _INDEX(1))
        for lane in range(LANES):
            r = self.builder.add(row, _INDEX(lane))
            r = self.builder.select(self.builder.icmp_signed("<", r, first), first, r)
            found.append(self.builder.select(self.builder.icmp_signed("<", r, last), r, final))
        return found

    def column(self, kind: Any, array: Any, rows: Sequence[Any], i: Any) -> list[Any]:
        """Return where the elements i of four rows lie, in an array of two axes."""
        rows_of = self.context.make_array(kind)(self.context, self.builder, array)
        length = self.builder.extract_value(rows_of.shape, 1)
        places = [self.builder.add(self.builder.mul(row, length), i) for row in rows]
        return [self.builder.gep(rows_of.data, [place]) for place in places]

    def load_each(self, pointers: Sequence[Any]) -> list[Any]:
        """Load a number from each of four places."""
        return [self.builder.load(pointer) for pointer in pointers]

    def store_each(self, vector: Any, pointers: Sequence[Any], order: Sequence[int]) -> None:
        """Store a vector's numbers to four places, in order: where several share a place, the last one remains."""
        vector = self._rounded(vector, ir.VectorType(pointers[0].type.pointee, LANES))
        for lane in order:
            self.builder.store(self.builder.extract_element(vector, _LANE(lane)), pointers[lane])

    # ---- vectors ----

    def of(self, numbers: Sequence[Any]) -> Any:
        """Return a vector of four numbers."""
        found = ir.Constant(ir.VectorType(numbers[0].type, LANES), ir.Undefined)
        for lane, number in enumerate(numbers):
            found = self.builder.insert_element(found, number, _LANE(lane))
        return self._widened(found)

    def broadcast(self, number: Any) -> Any:
        """Return a vector that holds a number four times."""
        number = number if number.type == self.number else self.builder.fpext(number, self.number)
        undefined = ir.Constant(ir.VectorType(self.number, LANES), ir.Undefined)
        return self.shuffle(self.builder.insert_element(undefined, number, _LANE(0)), undefined, [0] * LANES)

    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any:
        """Return a vector of selected numbers of two vectors, which are counted through both."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes)))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once."""
        name = f"llvm.fma.v{LANES}{'f64' if self.number == _DOUBLE else 'f32'}"
        fma = self.builder.module.declare_intrinsic(name, (), ir.FunctionType(a.type, [a.type] * 3))
        return self.builder.call(fma, [a, b, c])

    def two_sum(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return a + b rounded, and the rounding error (Knuth), as `arithmetic.two_sum` does."""
        builder = self.builder
        total = builder.fadd(a, b)
        shadow = builder.fsub(total, a)
        return total, builder.fadd(builder.fsub(a, builder.fsub(total, shadow)), builder.fsub(b, shadow))

    def where_positive(self, number: Any, vector: Any) -> Any:
        """Return a vector, or zeros unless a number is positive."""
        positive = self.builder.fcmp_ordered(">", number, number.type(0.0))
        return self.builder.select(positive, vector, ir.Constant(vector.type, None))

    def sums(self, a: Any, b: Any) -> list[Any]:
        """Return the sum of the four numbers of each of two vectors."""
        pairs = self.builder.fadd(self.shuffle(a, b, [0, 4, 2, 6]), self.shuffle(a, b, [1, 5, 3, 7]))
        both = self.builder.fadd(self.shuffle(pairs, pairs, [0, 1]), self.shuffle(pairs, pairs, [2, 3]))
        return [self.builder.extract_element(both, _LANE(k)) for k in range(2)]

    def _widened(self, vector: Any) -> Any:
        wide = ir.VectorType(self.number, vector.type.count)
        return vector if vector.type == wide else self.builder.fpext(vector, wide)

    def _rounded(self, vector: Any, kind: Any) -> Any:
        return vector if vector.type == kind else self.builder.fptrunc(vector, kind)
