"""Module: a part of a network that knows its parameters, its buffers and its parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from autograd_core.arrays import Array, array_module, as_array, to_device
from autograd_core.tensor import Tensor


def _flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what lists, tuples, deques and mappings hold, or else the value itself, with names."""
    if isinstance(value, Mapping | list | tuple | deque):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _flattened(f"{name}.{key}", inner)
    elif isinstance(value, AbstractSet) and any(isinstance(inner, Tensor | Module) for inner in value):
        raise TypeError(
            f"{name}: given a set of Tensors or Modules, whose order changes from run to run; expected a list or a "
            "dictionary, which name them"
        )
    else:
        yield name, value


def _refuse_twice(name: str, names: Container[str]) -> None:
    """Raise ValueError for a second entry of one name."""
    if name in names:
        raise ValueError(
            f"{name!r}: the name of two parameters or buffers, of which a state would keep one; rename an attribute or "
            "a key"
        )


class Module:
    """Base of layers and networks. A subclass sets attributes and gives `forward`.

    Attributes that are leaf Tensors with `requires_grad=True` are parameters; attributes that are Modules are parts.
    Both may lie in lists, tuples, deques and mappings, one inside another; a set of them is refused, and in objects of
    other kinds they are not looked for. Names join attributes, positions and keys by dots: `features.0.weight`.

    A parameter stays one when it is frozen (`requires_grad = False`), and any leaf Tensor that has its name later is
    one too, whether it replaces the parameter or what was there in between. A module learns the names when an attribute
    is set and whenever its parameters are listed: of a parameter that is appended to a list and replaced before that,
    it knows nothing.

    Attributes
    ----------
    training : bool
        Whether the module behaves as in training (dropout, batch statistics). Set by `train` and `eval`.
    buffers : mapping of str to array
        What belongs to the state but has no gradient, such as running statistics.
    """

    training: bool = True
    buffers: Mapping[str, Array] = MappingProxyType({})
    # Given by the subclass, with its own parameters.
    forward: Callable[..., Any]

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Return `forward(*inputs, **options)`."""
        return self.forward(*inputs, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, and learn of the parameters in it, and in what it replaces.

        Raises
        ------
        TypeError
            If it is, or holds, a set of Tensors or Modules.
        """
        members = list(_flattened(name, value))
        self._learn(_flattened(name, vars(self).get(name)))
        super().__setattr__(name, value)
        self._learn(members)

    def _learn(self, members: Iterable[tuple[str, Any]]) -> list[tuple[str, Tensor]]:
        """Return the parameters among members, and remember their names."""
        known = vars(self).setdefault("_parameter_names", set())
        found = []
        for name, value in members:
            if isinstance(value, Tensor) and value.source is None and (value.is_parameter or name in known):
                value.is_parameter = True
                known.add(name)
                found.append((name, value))
        return found

    def _members(self) -> Iterator[tuple[str, Any]]:
        """Yield every attribute, and in place of lists, tuples and dictionaries what is in them."""
        for name, value in vars(self).items():
            yield from _flattened(name, value)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield the module itself and all its parts, each after its owner, with the prefix of their names."""
        yield prefix, self
        for name, part in self._members():
            if isinstance(part, Module):
                yield from part.named_modules(f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter, also a frozen one, with its name; a shared one under each of its names.

        Raises
        ------
        ValueError
            If two have one name, such as those under the keys 1 and "1" of a dictionary.
        """
        seen: set[str] = set()
        for prefix, module in self.named_modules():
            for name, value in module._learn(module._members()):
                _refuse_twice(prefix + name, seen)
                seen.add(prefix + name)
                yield prefix + name, value

    def parameters(self) -> list[Tensor]:
        """List every parameter once."""
        return list({id(parameter): parameter for _, parameter in self.named_parameters()}.values())

    def train(self, training: bool = True) -> None:
        """Behave as in training, here and in all parts (or not, with False)."""
        for _, module in self.named_modules():
            module.training = training

    def eval(self) -> None:
        """Behave as in evaluation, here and in all parts."""
        self.train(False)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Behave as in evaluation within a `with` block; afterwards every part behaves as before."""
        before = [(module, module.training) for _, module in self.named_modules()]
        self.eval()
        try:
            yield
        finally:
            for module, training in before:
                module.training = training

    def to(self, device: str) -> Self:
        """Move every parameter, its gradient and every buffer to a device, here and in all parts.

        Move a module before making an optimizer for its parameters, as the optimizer's memory lies where they lie
        then. The parameters stay the same Tensors.

        Parameters
        ----------
        device : {"cpu", "cuda"}
            Where the arrays shall lie: with NumPy, or with CuPy on the GPU.

        Returns
        -------
        Module
            The module itself.

        Raises
        ------
        ValueError
            If there is no such device.
        ImportError
            If CuPy is not installed.
        """
        for parameter in self.parameters():
            parameter.data = to_device(parameter.data, device)
            if parameter.grad is not None:
                parameter.grad = Tensor(to_device(parameter.grad.data, device))
        for _, module in self.named_modules():
            if module.buffers:
                module.buffers = {name: to_device(array, device) for name, array in module.buffers.items()}
        return self

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return a copy of every parameter and buffer as a NumPy array, by name; ValueError if two have one name."""
        state = {name: parameter.numpy().copy() for name, parameter in self.named_parameters()}
        for prefix, module in self.named_modules():
            for name, array in module.buffers.items():
                _refuse_twice(prefix + name, state)
                state[prefix + name] = Tensor(array).numpy().copy()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a module of the same structure returned.

        Raises
        ------
        ValueError
            If an entry is missing, unexpected, or of another shape or dtype. Nothing is changed then.
        TypeError
            If an entry is no array of numbers. Nothing is changed then.
        """
        own = self.state_dict()
        missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unexpected:
            raise ValueError(
                f"state: missing entries {missing}, unexpected entries {unexpected}; "
                f"expected exactly those of a {type(self).__name__} of this structure"
            )
        given = {name: as_array(f"state[{name!r}]", state[name]) for name in own}
        for name, array in own.items():
            new = given[name]
            if new.shape != array.shape or new.dtype != array.dtype:
                raise ValueError(f"state[{name!r}]: given {new.dtype}{new.shape}, expected {array.dtype}{array.shape}")
        for name, parameter in self.named_parameters():
            parameter.data = array_module(parameter.data).array(given[name])
        for prefix, module in self.named_modules():
            if module.buffers:
                module.buffers = {
                    name: array_module(array).array(given[prefix + name]) for name, array in module.buffers.items()
                }


class Sequential(Module):
    """Modules (or plain functions of one Tensor) applied one after the other."""

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        self.layers = list(layers)

    def forward(self, input: Any) -> Any:
        """Return the last layer's output."""
        for layer in self.layers:
            input = layer(input)
        return input
