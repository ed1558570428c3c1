"""Tensors, Functions, the record and the reverse sweep."""

import asyncio
import gc
import weakref

import numpy as np
import pytest

from autograd_core import Function, Tensor, functions, grad, no_grad, recording
from autograd_core.optimizers import SGD


def leaf(*values):
    return Tensor(np.array(values, float), requires_grad=True)


def test_diamond():
    x = leaf(3.0)
    a, b = x * x, 5 * x
    out = a * b + a  # 5 x^3 + x^2
    assert grad(out, x)[0].item() == 15 * 9 + 2 * 3


def test_shared_subexpressions_are_swept_once():
    # 2^60 paths from output to input: following each would never end.
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    assert grad(y, x)[0].item() == 2.0**60


def test_same_tensor_as_both_operands():
    x = leaf(3.0)
    assert grad(x * x, x)[0].item() == 6.0


def test_long_chains_need_no_recursion_neither_forward_nor_backward_nor_when_let_go():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = -y
    assert grad(y, x)[0].item() == 1.0
    last = weakref.ref(y)
    del y
    gc.collect()
    assert last() is None


def test_record_is_freed_with_its_result_and_holds_no_cycle():
    gc.disable()
    try:
        x = leaf(1.0)
        y = functions.exp(x * 2)
        grad(y, x)
        middle = weakref.ref(y.source.inputs[0])
        del y
        assert middle() is None
    finally:
        gc.enable()


def test_gradients_of_results_in_between():
    x = leaf(2.0)
    y = x * x
    z = y * y
    gy, gx = grad(z, [y, x])
    assert (gy.item(), gx.item()) == (8.0, 32.0)


def test_gradient_of_an_output_with_respect_to_itself():
    x = leaf(2.0)
    y = x * x
    w = np.array([3.0])
    assert grad(y, y, w)[0].item() == 3.0
    assert grad(x, x, w)[0].item() == 3.0


def test_several_outputs_and_cotangents():
    x, y = leaf(2.0), leaf(5.0)
    gx, gy = grad([x * y, x + y], [x, y], [np.array([3.0]), np.array([7.0])])
    assert (gx.item(), gy.item()) == (3 * 5 + 7, 3 * 2 + 7)


def test_several_scalar_outputs_need_no_cotangents():
    x = leaf(2.0)
    assert grad([x * x, 3 * x], x)[0].item() == 4 + 3


class Split(Function):
    """x -> (x^2, x^3): a Function with two results."""

    @staticmethod
    def forward(ctx, x):
        return x**2, x**3

    @staticmethod
    def backward(ctx, gsquare, gcube):
        (x,) = ctx.inputs
        return 2 * x * gsquare + 3 * x**2 * gcube


def test_functions_with_several_results_some_unused():
    x = leaf(2.0)
    square, cube = Split.call(x)
    assert grad(square, x)[0].item() == 4.0
    assert grad(cube, x)[0].item() == 12.0
    assert grad(square + 10 * cube, x)[0].item() == 124.0
    (first,) = grad(cube, x, create_graph=True)
    assert grad(first, x)[0].item() == 12.0


def test_independent_inputs_get_zeros():
    x, y = leaf(1.0), Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    _, gy = grad(x * 2, [x, y])
    assert gy.dtype == np.float32
    np.testing.assert_array_equal(gy.data, np.zeros((2, 3)))


def test_higher_derivatives():
    x = leaf(2.0)
    y = x**5
    values = []
    for _ in range(5):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    assert values == [80.0, 160.0, 240.0, 240.0, 120.0]


def test_without_create_graph_gradients_have_no_history():
    x, w = leaf(2.0), leaf(3.0)
    (first,) = grad(x + 1, x, w)
    assert not first.requires_grad
    assert grad(x + 1, x, w, create_graph=True)[0] is w
    (second,) = grad(x * x, x)
    assert not second.requires_grad


def test_hessian_vector_product():
    # f = x^T A x / 2, so the Hessian is (A + A^T) / 2: exact on integers.
    rng = np.random.default_rng(0)
    a, v = rng.integers(-5, 6, (3, 3)).astype(float), rng.integers(-5, 6, 3).astype(float)
    x = Tensor(rng.integers(-5, 6, 3).astype(float), requires_grad=True)
    (first,) = grad(x @ a @ x / 2, x, create_graph=True)
    (product,) = grad(first, x, v)
    np.testing.assert_array_equal(product.data, (a + a.T) @ v / 2)


def test_a_second_backward_gives_the_same_bits():
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(4, 4)), requires_grad=True)
    y = functions.tanh(functions.solve(x, functions.exp(x))) / functions.logsumexp(x)
    w = rng.normal(size=(4, 4))
    assert grad(y, x, w)[0].data.tobytes() == grad(y, x, w)[0].data.tobytes()


def test_no_grad_as_block_and_as_decorator():
    x = leaf(2.0)
    with no_grad():
        assert not (x * x).requires_grad

    @no_grad()
    def square(value):
        return value * value

    assert not square(x).requires_grad
    assert (x * x).requires_grad


def test_a_decorated_generator_computes_each_step_without_a_record_and_its_caller_with_one():
    x, ends = leaf(2.0), []

    @no_grad()
    def steps(count):
        """Yield results."""
        try:
            while count:
                count = yield x * count
        except ZeroDivisionError:
            yield x
        finally:
            ends.append((x * x).requires_grad)
        return x * x

    assert steps.__name__ == "steps" and steps.__doc__ == "Yield results."
    generator = steps(3)
    assert not next(generator).requires_grad and (x * x).requires_grad
    assert not generator.send(5).requires_grad and (x * x).requires_grad
    assert generator.throw(ZeroDivisionError) is x and (x * x).requires_grad
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert not end.value.value.requires_grad and (x * x).requires_grad
    for interrupted in (steps(1), steps(1)):
        next(interrupted)
        interrupted.close()
    assert ends == [False] * 3 and (x * x).requires_grad
    assert [out.item() for out in no_grad()(lambda: (value for value in x.reshape(1)))()] == [2.0]


def test_a_decorated_coroutine_computes_without_a_record_and_other_tasks_with_one():
    x, wanted = leaf(2.0), {}

    @no_grad()
    async def without():
        await asyncio.sleep(0)
        wanted["without"] = (x * x).requires_grad

    async def beside():
        for _ in range(3):
            wanted.setdefault("beside", []).append((x * x).requires_grad)
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(without(), beside())

    asyncio.run(both())
    assert wanted == {"without": False, "beside": [True] * 3} and (x * x).requires_grad


def test_an_object_whose_call_is_a_generator_is_decorated_like_one():
    class Steps:
        def __call__(self, x):
            yield (x * 2.0).requires_grad

    x = Tensor(1.0, requires_grad=True)
    steps = no_grad()(Steps())(x)
    assert list(steps) == [False]
    assert (x * 2.0).requires_grad


def test_an_asynchronous_generator_is_no_function_to_decorate():
    async def steps():
        yield 1

    with pytest.raises(TypeError, match="steps: given an asynchronous generator function, expected one of another"):
        no_grad()(steps)


def test_recording_blocks_nest_and_are_used_again():
    x, block = leaf(2.0), no_grad()
    with block, recording(True):
        assert (x * x).requires_grad
        with block:
            assert not (x * x).requires_grad
        assert (x * x).requires_grad
    assert (x * x).requires_grad


def test_integers_among_the_results_have_no_history():
    class Largest(Function):
        @staticmethod
        def forward(ctx, x):
            return x.max(), x.argmax()

        @staticmethod
        def backward(ctx, gout, gindex):
            (x,) = ctx.inputs
            return gout * (x.data == x.data.max())

    x = leaf(1.0, 4.0, 2.0)
    largest, index = Largest.call(x)
    assert largest.requires_grad and not index.requires_grad and index.source is None
    np.testing.assert_array_equal(grad(largest * x[index], x)[0].data, [0.0, 8.0, 0.0])


def test_only_what_leads_to_a_wanted_input_runs_backward():
    calls = []

    class Spy(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, gout):
            calls.append(ctx.needs)
            return tuple(gout if needed else None for needed in ctx.needs)

    x, y, z = leaf(1.0), leaf(2.0), leaf(3.0)
    out = Spy.apply(Spy.apply(x, y), z)
    grad(out, z)
    assert calls == [(False, True)]
    calls.clear()
    grad(out, x)
    assert calls == [(True, False), (True, False)]


def test_backward_accumulates_in_leaves():
    x, y = leaf(2.0), leaf(5.0)
    (x * y).backward()
    (x * 3).backward(np.array([2.0]))
    assert (x.grad.item(), y.grad.item()) == (5.0 + 6.0, 2.0)
    z = leaf(1.0)
    z.backward()
    assert z.grad.item() == 1.0


def test_inputs_and_caches_are_read_only():
    class Careless(Function):
        @staticmethod
        def forward(ctx, x):
            x += 1
            return x

        backward = None

    x = leaf(1.0)
    with pytest.raises(ValueError, match="read-only"):
        Careless.apply(x)
    assert x.item() == 1.0

    class Forgetful(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save(x * 2)
            return x * x

        @staticmethod
        def backward(ctx, gout):
            (double,) = ctx.saved
            double *= gout.data
            return Tensor(double)

    with pytest.raises(ValueError, match="read-only"):
        grad(Forgetful.apply(x), x)


def test_a_record_does_not_outlive_its_parameters_values():
    w = leaf(2.0)
    loss = w * w
    loss.backward()
    SGD([w], 0.1).step()
    with pytest.raises(RuntimeError, match="_Multiply: an input's data was replaced since the forward"):
        loss.backward()


def returning(*gradients):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, gout):
            return gradients

    return Wrong


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ((Tensor([1.0]), Tensor([1.0])), "returned 2 gradients for 1 inputs"),
        ((None,), "returned no gradient for input 0, which needs one"),
        ((Tensor([1.0, 2.0]),), r"returned float64\(2,\) for input 0, which is float64\(1,\)"),
        ((Tensor(np.ones(1, np.float32)),), r"returned float32\(1,\) for input 0"),
    ],
)
def test_backwards_that_return_the_wrong_thing_are_named(gradients, message):
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=message):
        grad(returning(*gradients).apply(x), x)


def test_grad_takes_tensors_only():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match="inputs: given ndarray, expected a Tensor or a list of Tensors"):
        grad(x.sum(), x.data)
    with pytest.raises(TypeError, match=r"inputs\[1\]: given ndarray"):
        grad(x.sum(), [x, x.data])
    with pytest.raises(TypeError, match="outputs: given float, expected"):
        grad(1.0, x)


def test_bad_calls_of_grad():
    x, constant = leaf(1.0, 2.0), Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"outputs\[0\] has no history"):
        grad(constant * 2, x)
    with pytest.raises(ValueError, match=r"inputs\[0\] has requires_grad=False"):
        grad(x.sum(), constant)
    with pytest.raises(ValueError, match="needs a cotangent"):
        grad(x * 2, x)
    with pytest.raises(ValueError, match=r"grad_outputs\[0\]: given float64\(3,\)"):
        grad(x * 2, x, np.ones(3))
    with pytest.raises(ValueError, match=r"grad_outputs\[0\]: given float32\(2,\)"):
        grad(x * 2, x, np.ones(2, np.float32))
    with pytest.raises(ValueError, match="given 1, expected one for each of 2 outputs"):
        grad([x.sum(), x.sum()], x, [np.ones(())])


def test_tensors():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert (x.shape, x.ndim, x.size, len(x)) == ((1, 2), 2, 2, 1)
    assert repr(x) == "Tensor(array([[1., 2.]]), requires_grad=True)"
    assert float(Tensor(3.0)) == 3.0 and bool(Tensor(True))
    assert x.detach().data is x.data and not x.detach().requires_grad
    with pytest.raises(TypeError, match="given a Tensor, expected an array"):
        Tensor(x)
    with pytest.raises(TypeError, match="given for an array of int64"):
        Tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="tensor without axes"):
        len(Tensor(1.0))


def test_functions_without_a_backward_say_so():
    class Forward(Function):
        @staticmethod
        def forward(ctx, x):
            return x

    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="Forward has no backward"):
        grad(Forward.apply(x), x)
