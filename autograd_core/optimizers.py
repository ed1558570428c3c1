"""Optimizers: gradient steps on parameters; and gradient clipping.

A step puts a new array into `parameter.data` and never writes into the old one, which others may hold. The
state is a flat dictionary of arrays, as a Module's is, so that training can be saved and go on with the same
bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from autograd_core.arguments import not_negative
from autograd_core.arrays import Array, array_module, device_of, working_dtype
from autograd_core.state import State, entries
from autograd_core.tensor import Tensor


def _tensors(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return parameters as a list; TypeError if one is no Tensor, ValueError if one is given twice."""
    if isinstance(parameters, Tensor):
        raise TypeError("parameters: given a Tensor, expected a list of Tensors; write [parameter]")
    tensors = list(parameters)
    numbers: dict[int, int] = {}
    for number, parameter in enumerate(tensors):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"parameters[{number}]: given {type(parameter).__name__}, expected a Tensor")
        if (first := numbers.setdefault(id(parameter), number)) != number:
            raise ValueError(
                f"parameters[{number}]: given the Tensor that is parameters[{first}] too, expected each once, "
                "for each place would count"
            )
    return tensors


def clip_gradient_norm(parameters: Iterable[Tensor], largest: float) -> float:
    """Scale gradients so that their common norm is at most `largest`, as PyTorch's `clip_grad_norm_` does.

    The norm is that of all gradients as one vector. Each gradient is multiplied by largest / (norm + 1e-6) if that is
    less than 1, into a new array: others may hold the old one.

    Parameters
    ----------
    parameters : iterable of Tensor
        Whose `grad` is scaled. One without `grad`, or frozen, is passed over, as an optimizer does.
    largest : float
        The largest norm wanted, not negative.

    Returns
    -------
    float
        The norm before, computed in float64. If it is not finite, because a gradient is not, then all gradients stay
        as they are: scaled, they would be zeros and NaN. Whether to make this step is the caller's choice.

    Raises
    ------
    TypeError
        If a parameter is no Tensor.
    ValueError
        If one is given twice, or `largest` is negative or not finite.
    """
    largest = not_negative("largest", largest)
    moving = [(p, p.grad.data) for p in _tensors(parameters) if p.requires_grad and p.grad is not None]
    gradients = [gradient.astype(np.result_type(gradient.dtype, np.float64)) for _, gradient in moving if gradient.size]
    if not gradients:
        return 0.0
    xp = array_module(*gradients)
    size = float(xp.max(xp.stack([xp.max(abs(gradient)) for gradient in gradients])))
    if size == 0:
        return size
    # Divided by a power of two first, so that no square of a finite number is beyond the range of float64.
    scale = 2.0 ** (math.frexp(size)[1] - 1)
    squares = [xp.sum(abs(gradient / scale) ** 2) for gradient in gradients]
    norm = math.sqrt(float(xp.sum(xp.stack(squares)))) * scale
    if math.isfinite(norm) and (factor := largest / (norm + 1e-6)) < 1:
        for parameter, gradient in moving:
            wide = gradient.astype(working_dtype(gradient.dtype), copy=False)
            parameter.grad = Tensor((wide * factor).astype(gradient.dtype, copy=False))
    return norm


class Optimizer:
    """What the optimizers share. A subclass gives `_step`.

    Attributes
    ----------
    parameters : list of Tensor
        What is optimised, by the `grad` that `backward` left there. One without `grad`, or frozen
        (`requires_grad = False`), is passed over.
    learning_rate : float
        The length of a step; may be set between steps.
    memory : list of dict of str to array
        For each parameter, its running quantities, such as the velocity. Those of a parameter in float16 are
        float32, in which its steps are computed and rounded once: squares of small gradients would be zero.

    Raises
    ------
    TypeError
        If a parameter is no Tensor.
    ValueError
        If there is none, one is given twice, one is neither a leaf with `requires_grad=True` nor one that is frozen, or
        a number is out of its range.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = _tensors(parameters)
        if not self.parameters:
            raise ValueError("parameters: given none, expected at least one Tensor")
        for number, parameter in enumerate(self.parameters):
            if not parameter.is_parameter or parameter.source is not None:
                given = "requires_grad=False" if parameter.source is None else "the result of a computation"
                raise ValueError(
                    f"parameters[{number}]: given a Tensor that is {given}, expected a leaf with requires_grad=True"
                )
        self.learning_rate = not_negative("learning_rate", learning_rate)
        self.memory: list[dict[str, Array]] = [{} for _ in self.parameters]
        self._devices = [device_of(parameter.data) for parameter in self.parameters]

    def _remember(self, *names: str) -> None:
        """Give every parameter running quantities that start at zero."""
        for parameter, memory in zip(self.parameters, self.memory, strict=True):
            for name in names:
                kept = working_dtype(parameter.dtype)
                memory[name] = array_module(parameter.data).zeros(parameter.shape, kept)

    def _step(self, data: Array, gradient: Array, memory: dict[str, Array]) -> Array:
        """Return the new values of a parameter, and put new arrays into its memory."""
        raise NotImplementedError

    def step(self) -> None:
        """Move every parameter that has a gradient; RuntimeError if one lies on another device than its memory."""
        self.learning_rate = float(self.learning_rate)  # a numpy.float64 would make float32 parameters float64
        for number, (parameter, memory) in enumerate(zip(self.parameters, self.memory, strict=True)):
            device, expected = device_of(parameter.data), self._devices[number]
            if device != expected:
                raise RuntimeError(
                    f"parameters[{number}]: it lies on {device}, and the optimizer's memory of it on {expected}; "
                    "move a module before making its optimizer"
                )
            if parameter.requires_grad and parameter.grad is not None:
                wide = working_dtype(parameter.dtype)
                data, gradient = (array.astype(wide, copy=False) for array in (parameter.data, parameter.grad.data))
                parameter.data = self._step(data, gradient, memory).astype(parameter.dtype, copy=False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> State:
        """Return a copy of the learning rate and the memory, by name: `velocity.3` is that of parameter 3."""
        state: State = {"learning_rate": np.array(self.learning_rate)}
        for number, memory in enumerate(self.memory):
            state |= {f"{name}.{number}": Tensor(array).numpy().copy() for name, array in memory.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of an optimizer of the same kind and parameters returned.

        Raises
        ------
        ValueError
            If an entry is missing, unexpected, or of another shape or dtype. Nothing is changed then.
        """
        arrays = entries(state, self.state_dict())
        self.learning_rate = float(arrays["learning_rate"])
        for number, memory in enumerate(self.memory):
            for name, array in memory.items():
                memory[name] = array_module(array).asarray(arrays[f"{name}.{number}"])


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    velocity = momentum velocity + gradient + weight_decay parameter, and
    parameter = parameter - learning_rate velocity.

    Parameters
    ----------
    parameters : iterable of Tensor
        What is optimised.
    learning_rate : float
        The length of a step.
    momentum : float
        How much of the velocity stays, 0 <= momentum < 1.
    nesterov : bool
        Step along gradient + momentum velocity instead (I. Sutskever et al., ICML 2013).
    weight_decay : float
        The weight of an L2 penalty, half the squared norm of the parameters.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum: given {momentum}, expected 0 <= momentum < 1")
        if nesterov and not momentum:
            raise ValueError("nesterov: given without momentum, expected a momentum > 0")
        self.momentum, self.nesterov = float(momentum), nesterov
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self._remember("velocity")

    def _step(self, data: Array, gradient: Array, memory: dict[str, Array]) -> Array:
        gradient = gradient + self.weight_decay * data if self.weight_decay else gradient
        velocity = memory["velocity"] = self.momentum * memory["velocity"] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return data - self.learning_rate * direction


class Adam(Optimizer):
    """Adam (D. Kingma and J. Ba, ICLR 2015, Algorithm 1), with decoupled weight decay if wanted.

    Parameters
    ----------
    parameters : iterable of Tensor
        What is optimised.
    learning_rate : float
        The length of a step.
    betas : (float, float)
        How much of the running mean, and of the running mean square, of the gradient stays.
    eps : float
        Added to the root of the mean square, after its bias correction.
    weight_decay : float
        Each step also takes learning_rate weight_decay parameter away (I. Loshchilov and F. Hutter,
        "Decoupled weight decay regularization", ICLR 2019).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not (isinstance(betas, tuple | list) and len(betas) == 2 and all(0 <= beta < 1 for beta in betas)):
            raise ValueError(f"betas: given {betas}, expected two numbers, 0 <= beta < 1")
        self.betas = float(betas[0]), float(betas[1])
        self.eps, self.weight_decay = not_negative("eps", eps), not_negative("weight_decay", weight_decay)
        self._remember("mean", "mean_square")
        for memory in self.memory:
            memory["steps"] = np.array(0)

    def _step(self, data: Array, gradient: Array, memory: dict[str, Array]) -> Array:
        first, second = self.betas
        mean = memory["mean"] = first * memory["mean"] + (1 - first) * gradient
        square = memory["mean_square"] = second * memory["mean_square"] + (1 - second) * (gradient * gradient)
        memory["steps"] = memory["steps"] + 1
        steps = int(memory["steps"])
        # Both means start at zero, so after a few steps they are too small by these factors.
        root = array_module(square).sqrt(square / (1 - second**steps))  # rounded the same everywhere, unlike a power
        direction = mean / (1 - first**steps) / (root + self.eps)
        return data - self.learning_rate * (direction + self.weight_decay * data)
