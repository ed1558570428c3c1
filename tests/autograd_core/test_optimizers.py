"""Optimizers against steps computed by hand, in fractions where the rule is rational."""

import math
from fractions import Fraction

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.optimizers import SGD, Adam, clip_gradient_norm
from autograd_core.schedules import StepSchedule

EPS = np.finfo(np.float64).eps


def parameter(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def set_gradient(tensor, *values):
    tensor.grad = Tensor(np.array(values, tensor.dtype))


# Every number is a multiple of a power of two and the sums are short, so float64 computes them exactly.
GRADIENTS = [Fraction(3), Fraction(-5), Fraction(1, 2), Fraction(7)]


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(Fraction(0), False), (Fraction(1, 2), False), (Fraction(1, 2), True)]
)
@pytest.mark.parametrize("decay", [Fraction(0), Fraction(1, 4)])
def test_sgd_makes_the_exact_steps(momentum, nesterov, decay):
    p = parameter(2.0)
    optimizer = SGD([p], 0.125, float(momentum), nesterov=nesterov, weight_decay=float(decay))
    value, velocity = Fraction(2), Fraction(0)
    for gradient in GRADIENTS:
        set_gradient(p, float(gradient))
        optimizer.step()
        g = gradient + decay * value
        velocity = momentum * velocity + g
        value -= Fraction(1, 8) * (g + momentum * velocity if nesterov else velocity)
        assert Fraction(p.item()) == value


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_makes_the_steps_of_its_algorithm(decay):
    p = parameter(2.0)
    optimizer = Adam([p], 0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=decay)
    value, gradients = 2.0, [3.0, -5.0, 0.5, 7.0, 1e-4]
    for t, gradient in enumerate(gradients, 1):
        set_gradient(p, gradient)
        optimizer.step()
        # The running means written out: weights (1 - beta) beta^(t - i), corrected by 1 - beta^t.
        first = math.fsum(0.2 * 0.8 ** (t - i) * g for i, g in enumerate(gradients[:t], 1)) / (1 - 0.8**t)
        second = math.fsum(0.05 * 0.95 ** (t - i) * g * g for i, g in enumerate(gradients[:t], 1)) / (1 - 0.95**t)
        value -= 0.05 * (first / (math.sqrt(second) + 1e-6) + decay * value)
        # A step is at most some 0.05 times numbers of size 1; 1 - beta^t loses a digit; few steps.
        assert abs(p.item() - value) <= 64 * EPS


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size():
    p = parameter(1.0, 1.0, 1.0)
    optimizer = Adam([p], 0.5, eps=0.0)
    set_gradient(p, 1e-100, -3.0, 1e100)
    optimizer.step()
    np.testing.assert_allclose(p.data, [0.5, 1.5, 0.5], rtol=16 * EPS)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9), lambda p: Adam(p, 0.1, weight_decay=0.1)])
def test_steps_keep_float32_and_never_write_into_arrays(make):
    p = parameter(1.0, 2.0, dtype=np.float32)
    optimizer = make([p])
    for _ in range(3):
        old, copy = p.data, p.data.copy()
        old.flags.writeable = False
        set_gradient(p, 0.5, -1.0)
        gradient = p.grad.data.copy()
        optimizer.step()
        assert p.data is not old and p.dtype == np.float32
        np.testing.assert_array_equal(old, copy)
        np.testing.assert_array_equal(p.grad.data, gradient)
    assert {value.dtype for name, value in optimizer.state_dict().items() if name[0] in "mv"} == {p.dtype}


def test_parameters_without_gradient_stay_and_gradients_are_forgotten():
    p, q = parameter(1.0), parameter(1.0)
    optimizer = Adam([p, q], 0.5)
    set_gradient(p, 1.0)
    optimizer.step()
    assert q.item() == 1.0 and p.item() != 1.0
    optimizer.zero_grad()
    assert p.grad is None
    # The step count is each parameter's own: q's first step is a whole learning rate.
    set_gradient(q, 1.0)
    optimizer.step()
    assert abs(q.item() - 0.5) <= 0.5 * 2e-8  # eps = 1e-8 in the denominator


def run(optimizer, schedule, p, rng, steps):
    for _ in range(steps):
        set_gradient(p, *rng.normal(size=2))
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9, nesterov=True), lambda p: Adam(p, 0.1)])
def test_training_resumes_with_the_same_bits(make):
    p = parameter(1.0, 2.0, dtype=np.float32)
    rng = np.random.default_rng(0)
    optimizer = make([p])
    schedule = StepSchedule(optimizer, 3, 0.5)
    run(optimizer, schedule, p, rng, 5)
    saved = p.data.copy(), optimizer.state_dict(), schedule.state_dict(), rng.bit_generator.state
    run(optimizer, schedule, p, rng, 5)

    q, resumed_rng = Tensor(saved[0], requires_grad=True), np.random.default_rng()
    resumed = make([q])
    resumed_schedule = StepSchedule(resumed, 3, 0.5)
    resumed.load_state_dict(saved[1])
    resumed_schedule.load_state_dict(saved[2])
    resumed_rng.bit_generator.state = saved[3]
    run(resumed, resumed_schedule, q, resumed_rng, 5)
    assert q.data.tobytes() == p.data.tobytes()
    assert resumed.learning_rate == optimizer.learning_rate
    assert {name: value.tobytes() for name, value in resumed.state_dict().items()} == {
        name: value.tobytes() for name, value in optimizer.state_dict().items()
    }


@pytest.mark.parametrize("gradient", [0.0, 2.0**-24, 2.0**-8, -300.0, 60_000.0])
def test_adam_in_float16_is_that_of_float32_rounded_once(gradient):
    narrow, wide = parameter(1.0, dtype=np.float16), parameter(1.0, dtype=np.float32)
    optimizers = [Adam([narrow], 0.25), Adam([wide], 0.25)]
    for _ in range(3):
        for p, optimizer in zip((narrow, wide), optimizers, strict=True):
            set_gradient(p, gradient)
            optimizer.step()
        assert narrow.dtype == np.float16 and narrow.data == wide.data.astype(np.float16)
        wide.data = narrow.data.astype(np.float32)
    assert {array.dtype for name, array in optimizers[0].state_dict().items() if name[0] == "m"} == {np.dtype("f4")}
    if abs(gradient) > 1e-6:  # well above Adam's eps
        assert abs(narrow.item() - (1 - 3 * 0.25 * np.sign(gradient))) < 1e-2


def test_the_velocity_of_float16_is_kept_in_float32():
    p = parameter(1.0, dtype=np.float16)
    optimizer = SGD([p], 2.0**-10, momentum=0.5)
    set_gradient(p, 60_000.0)
    optimizer.step()
    set_gradient(p, 60_000.0)
    optimizer.step()  # the velocity is 90,000, more than the largest float16
    assert optimizer.memory[0]["velocity"] == 90_000.0
    assert p.data == np.float16(np.float16(1 - 60_000 / 1024) - 90_000 / 1024)


P = [parameter(1.0, 2.0)]
ERRORS = {
    "parameters": (lambda: SGD([], 0.1), "parameters: given none"),
    "learning rate": (lambda: SGD(P, -0.1), "learning_rate: given -0.1"),
    "momentum": (lambda: SGD(P, 0.1, 1.0), "momentum: given 1.0"),
    "nesterov": (lambda: SGD(P, 0.1, nesterov=True), "nesterov: given without momentum"),
    "betas": (lambda: Adam(P, betas=(0.9, 1.0)), "betas: given"),
    "one beta": (lambda: Adam(P, betas=(0.9,)), r"betas: given \(0.9,\), expected two numbers"),
    "a number for betas": (lambda: Adam(P, betas=0.9), "betas: given 0.9, expected two numbers"),
    "eps": (lambda: Adam(P, eps=-1e-8), "eps: given -1e-08, expected a number >= 0"),
    "decay of Adam": (lambda: Adam(P, weight_decay=-0.1), "weight_decay: given -0.1"),
    "decay of SGD": (lambda: SGD(P, 0.1, weight_decay=float("nan")), "weight_decay: given nan"),
    "constant": (lambda: SGD([Tensor([1.0])], 0.1), r"parameters\[0\]: given a Tensor that is requires_grad=False"),
    "result": (lambda: SGD([*P, P[0] * 2], 0.1), r"parameters\[1\]: given a Tensor that is the result of"),
    "the same twice": (
        lambda: Adam([parameter(1.0), *P, *P]),
        r"parameters\[2\]: given the Tensor that is parameters\[1\] too, expected each once",
    ),
    "missing": (lambda: Adam(P).load_state_dict(SGD(P, 0.1).state_dict()), r"missing entries \['mean.0'"),
    "misshapen": (
        lambda: SGD(P, 0.1, 0.9).load_state_dict(SGD([parameter(1.0)], 0.1, 0.9).state_dict()),
        r"state\['velocity.0'\]: given float64\(1,\), expected float64\(2,\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_arguments_end_in_one_clear_sentence(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_list_of_tensors_is_refused():
    with pytest.raises(TypeError, match=r"parameters: given a Tensor, expected a list of Tensors"):
        SGD(P[0], 0.1)
    with pytest.raises(TypeError, match=r"parameters\[0\]: given ndarray, expected a Tensor"):
        Adam([np.ones(2)])


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_learning_rate_of_numpys_does_not_change_the_parameters_dtype(make):
    p = parameter(1.0, dtype=np.float32)
    optimizer = make([p], np.float64(0.1))
    for _ in range(2):
        optimizer.learning_rate = np.float64(0.1)
        set_gradient(p, 1.0)
        optimizer.step()
    assert p.dtype == np.float32


def test_gradients_are_scaled_to_a_common_norm():
    p, q = parameter(1.0, 1.0), parameter(1.0, dtype=np.float32)
    set_gradient(p, 3.0, 4.0)
    set_gradient(q, -12.0)
    held = p.grad.data, q.grad.data
    assert clip_gradient_norm([p, q], 2.0) == 13.0
    # PyTorch divides by the norm plus 1e-6; two roundings.
    np.testing.assert_allclose(p.grad.data, np.array([3, 4]) * 2 / 13.000001, rtol=2 * EPS)
    np.testing.assert_allclose(q.grad.data, [-24 / 13.000001], rtol=2 * np.finfo(np.float32).eps)
    assert (p.grad.dtype, q.grad.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(held[0], [3.0, 4.0])
    np.testing.assert_array_equal(held[1], [-12.0])


def test_gradients_that_are_short_enough_stay():
    p = parameter(1.0, 1.0)
    set_gradient(p, 3.0, 4.0)
    held = p.grad
    assert clip_gradient_norm(iter([p]), 5.1) == 5.0 and p.grad is held


def test_clipping_passes_over_what_an_optimizer_passes_over():
    without, frozen, empty, p = (parameter(*values) for values in ([1.0], [1.0], [], [1.0]))
    for tensor, values in ((frozen, [100.0]), (empty, []), (p, [3.0])):
        set_gradient(tensor, *values)
    frozen.requires_grad = False
    assert clip_gradient_norm([without, frozen, empty, p], 1.0) == 3.0
    assert frozen.grad.item() == 100.0 and without.grad is None
    assert clip_gradient_norm([without], 1.0) == clip_gradient_norm([], 1.0) == clip_gradient_norm([empty], 1.0) == 0.0


def test_clipping_to_zero_leaves_zeros():
    p, zero = parameter(1.0), parameter(1.0)
    set_gradient(p, 3.0)
    set_gradient(zero, 0.0)
    assert clip_gradient_norm([zero], 0.0) == 0.0
    assert clip_gradient_norm([zero, p], 0.0) == 3.0
    assert p.grad.item() == zero.grad.item() == 0.0


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1e200, 2.0**1022])
def test_squares_beyond_the_range_of_floats_do_not_change_the_norm(size):
    p = parameter(1.0, 1.0)
    set_gradient(p, size, -size)
    expected = math.hypot(size, size)
    assert abs(clip_gradient_norm([p], 1e300) - expected) <= 4 * EPS * expected  # three roundings


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_of_a_norm_that_is_not_finite_stay_as_they_are(bad, dtype):
    p, q = parameter(1.0, 2.0, dtype=dtype), parameter(1.0, dtype=dtype)
    set_gradient(p, 300.0, bad)
    set_gradient(q, 300.0)
    held = p.grad, q.grad
    norm = clip_gradient_norm([p, q], 1.0)
    assert norm == math.inf or math.isnan(bad) and math.isnan(norm)
    assert (p.grad, q.grad) == held


def test_a_norm_beyond_the_largest_float_is_infinite():
    p = parameter(1.0, 1.0)
    set_gradient(p, 1.7e308, 1.7e308)
    held = p.grad
    assert clip_gradient_norm([p], 1.0) == math.inf and p.grad is held


def test_float16_is_clipped_with_a_norm_in_float64_and_rounded_once():
    p = Tensor(np.zeros(1000, np.float16), requires_grad=True)
    p.grad = Tensor(np.full(1000, 60_000, np.float16))
    norm = clip_gradient_norm([p], 1.0)
    assert abs(norm - 60_000 * math.sqrt(1000)) <= 1000 * EPS * norm
    assert p.grad.dtype == np.float16
    np.testing.assert_array_equal(p.grad.data, np.float16(1 / math.sqrt(1000)))


def test_complex_gradients_have_the_norm_of_their_parts():
    p = Tensor(np.array([1j]), requires_grad=True)
    p.grad = Tensor(np.array([3 + 4j]))
    assert clip_gradient_norm([p], 1.0) == 5.0
    assert abs(p.grad.item() - (3 + 4j) / 5.000001) <= 4 * EPS


def test_what_cannot_be_clipped_is_refused():
    with pytest.raises(ValueError, match="largest: given -1.0, expected a number >= 0"):
        clip_gradient_norm(P, -1.0)
    with pytest.raises(ValueError, match="largest: given inf"):
        clip_gradient_norm(P, math.inf)
    with pytest.raises(ValueError, match=r"parameters\[1\]: given the Tensor that is parameters\[0\] too"):
        clip_gradient_norm([*P, *P], 1.0)
    with pytest.raises(TypeError, match="parameters: given a Tensor, expected a list"):
        clip_gradient_norm(P[0], 1.0)
