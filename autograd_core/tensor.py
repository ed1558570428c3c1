"""Tensor: an array, whether its gradient is wanted, and where it came from.

This file knows no operation. `functions/operators.py` binds the operators (`+`, `@`, `x[...]`, `x.sum()`,
...) to the class, so that the layers of the engine stay one above the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from autograd_core.arrays import Array, as_array, read_only, to_device

if TYPE_CHECKING:
    from autograd_core.function import Context

Operator = Callable[..., "Tensor"]


class Tensor:
    """An array in a recorded computation.

    Parameters
    ----------
    data : array_like
        A NumPy or CuPy array, or anything `numpy.asarray` takes. Python floats become float64. An array is
        kept, not copied (but for one in another byte order than the machine's): whoever made it must not write
        into it while a record that uses it is needed. A `numpy.matrix` becomes an ordinary array.
    requires_grad : bool
        Whether gradients with respect to this tensor are wanted. Only floating-point (or, for the complex
        step, complex) tensors can have one.

    Attributes
    ----------
    data : array
        The values. The engine never writes into them; an optimizer puts a new array in their place. Where
        `requires_grad` is set, and from the first recorded application that takes or gives the tensor, this is
        a read-only view (of a NumPy array): writing into it raises ValueError instead of making gradients wrong.
    requires_grad : bool
        As given; may be set. A leaf that is set to False is frozen: no gradient is computed for it.
    is_parameter : bool
        Whether this is a leaf whose gradient is or was wanted. A Module keeps such a tensor in its state, frozen or
        not, and passes this on to what is put in its place.
    grad : Tensor or None
        What `backward` has accumulated here (leaves only).
    source : Context or None
        The recorded application of a Function that made this tensor; None for a leaf.
    index : int
        Which of the outputs of `source` this is.

    Raises
    ------
    TypeError
        If the data are no numbers, have a mask, or contain a Tensor whose gradient is wanted; if `requires_grad` is
        asked for an integer or boolean array.
    ValueError
        If `requires_grad` is set to False for the result of a computation.
    """

    __slots__ = ("data", "grad", "index", "is_parameter", "source", "_requires_grad", "__weakref__")
    # NumPy must not take `array + tensor` apart element by element: it hands the operator to the Tensor.
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise TypeError("data: given a Tensor, expected an array; x.detach() cuts one off its history")
        self.data: Array = as_array("data", data)
        self.grad: Tensor | None = None
        self.source: Context | None = None
        self.index = 0
        self.is_parameter = False
        self._requires_grad = False  # past the checks of the property, which cost as much as all the rest
        if requires_grad:
            self.requires_grad = True

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are wanted."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and self.dtype.kind not in "fc":
            raise TypeError(f"requires_grad: given for an array of {self.dtype}, expected a floating-point dtype")
        if not wanted and self.source is not None:
            raise ValueError(
                "requires_grad: given False for the result of a computation; x.detach() cuts one off its history"
            )
        self._requires_grad = wanted
        if wanted:
            self.freeze()
            self.is_parameter = self.source is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        shape: tuple[int, ...] = self.data.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array."""
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.data.size)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        """Go through the first axis."""
        if not self.shape:
            raise TypeError("iteration over a tensor without axes")
        return map(self.__getitem__, range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return the values for `numpy.asarray`, read-only unless they are copied.

        Raises
        ------
        TypeError
            If the gradient is wanted, for an array has no history.
        ValueError
            If `copy` is False and another dtype is asked for.
        """
        if self.requires_grad:
            raise TypeError(
                "given a Tensor whose gradient is wanted in the place of an array, expected one without history; join "
                "Tensors with autograd_core.functions.stack or concatenate, or take their values with x.numpy()"
            )
        return np.array(read_only(self.data), dtype, copy=copy)

    # Equal by their elements, but told apart in sets and dictionaries by who they are.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        """Show the values, and whether a gradient is wanted."""
        wanted = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({self.data!r}{wanted})"

    def __bool__(self) -> bool:
        """Return the truth of the one element."""
        return bool(self.data)

    def __int__(self) -> int:
        """Return the one element."""
        return int(self.data)

    def __float__(self) -> float:
        """Return the one element."""
        return float(self.data)

    def __complex__(self) -> complex:
        """Return the one element."""
        return complex(self.data)

    def item(self) -> float:
        """Return the one element as a Python number."""
        value: float = self.data.item()
        return value

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array: `data` itself, or a copy if they lie on the device."""
        values: np.ndarray[Any, Any] = to_device(self.data, "cpu")
        return values

    def freeze(self) -> None:
        """Refuse to be written to from here on, since a record rests on the values."""
        self.data = read_only(self.data)

    def detach(self) -> Tensor:
        """Return a leaf with the same array and no history."""
        return Tensor(self.data)

    # Bound in functions/operators.py.
    __add__: ClassVar[Operator]
    __radd__: ClassVar[Operator]
    __sub__: ClassVar[Operator]
    __rsub__: ClassVar[Operator]
    __mul__: ClassVar[Operator]
    __rmul__: ClassVar[Operator]
    __truediv__: ClassVar[Operator]
    __rtruediv__: ClassVar[Operator]
    __pow__: ClassVar[Operator]
    __neg__: ClassVar[Operator]
    __abs__: ClassVar[Operator]
    __matmul__: ClassVar[Operator]
    __rmatmul__: ClassVar[Operator]
    __getitem__: ClassVar[Operator]
    __eq__: ClassVar[Operator]  # type: ignore[assignment]
    __ne__: ClassVar[Operator]  # type: ignore[assignment]
    __lt__: ClassVar[Operator]
    __le__: ClassVar[Operator]
    __gt__: ClassVar[Operator]
    __ge__: ClassVar[Operator]
    __and__: ClassVar[Operator]
    __rand__: ClassVar[Operator]
    __or__: ClassVar[Operator]
    __ror__: ClassVar[Operator]
    __xor__: ClassVar[Operator]
    __rxor__: ClassVar[Operator]
    __invert__: ClassVar[Operator]
    sum: ClassVar[Operator]
    mean: ClassVar[Operator]
    reshape: ClassVar[Operator]
    transpose: ClassVar[Operator]
    # Bound in sweep.py.
    backward: ClassVar[Callable[..., None]]


def as_tensor(value: Any) -> Tensor:
    """Return `value` itself if it is a Tensor, else a leaf that holds it."""
    return value if isinstance(value, Tensor) else Tensor(value)
