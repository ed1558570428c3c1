"""Composition and inversion of warps as parameters: against exact values, as grids, and their conventions."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import composition as exact
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions

KINDS = {"translation": (2,), "similarity": (4,), "affine": (2, 3), "homography": (3, 3)}
INVERSE_GRADIENT, ANGLES = 8, 12  # c of the budget


def spread(rng, shape, dtype):
    return (rng.standard_normal((1, *shape)) * 10.0 ** rng.integers(-4, 3, (1, *shape))).astype(dtype)


def full(theta):
    """Return the rational 3 x 3 matrix of an affine warp or a homography."""
    rows = fractions(theta[0])
    return rows if len(rows) == 3 else exact.with_last_row(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["affine", "homography"])
def test_products_and_inverses_of_matrices(dtype, kind):
    shape = KINDS[kind]
    rng = np.random.default_rng(shape)
    for _ in range(20):
        outer, inner, g = (spread(rng, shape, dtype) for _ in range(3))
        a, b = Tensor(outer, True), Tensor(inner, True)
        composed, inverse = refwarp.compose(a, b), refwarp.invert(a)
        gouter, ginner = grad(composed, (a, b), g)
        (gtheta,) = grad(inverse, a, g)
        truth = exact.product(fractions(outer[0]), full(inner))
        assert worst_share(composed.data[0], truth, 4, dtype) <= 1
        truth = exact.inverse(full(outer))[: shape[0]]
        assert worst_share(inverse.data[0], truth, 4, dtype) <= 1
        padded = fractions(g[0]) + [[0, 0, 0]] * (3 - shape[0])
        gradients = exact.product_gradients(padded, full(outer), full(inner))
        for found, truth in zip((gouter, ginner), gradients, strict=True):
            assert worst_share(found.data[0], truth[: shape[0]], 4, dtype) <= 1
        truth = exact.inverse_gradient(padded, full(outer))[: shape[0]]
        assert worst_share(gtheta.data[0], truth, INVERSE_GRADIENT, dtype) <= 1


@pytest.mark.parametrize("kind", ["affine", "homography"])
def test_inverses_of_nearly_singular_matrices(kind):
    """The last row or column a multiple of another, up to one rounding: half the digits of a double-double cancel."""
    rng = np.random.default_rng(KINDS[kind])
    u = 2.0**-53
    for _ in range(30):
        theta = rng.standard_normal((1, *KINDS[kind]))
        theta[0, 1] = theta[0, 0] * rng.uniform(-3, 3)
        try:
            inverse = refwarp.invert(theta)
        except ValueError:
            assert abs(exact.determinant(full(theta)).value) < 2.0**-90
            continue
        truth = exact.inverse(full(theta))[: theta.shape[1]]
        assert worst_share(inverse[0], truth, 4, "float64") <= 1
        for row, line in zip(inverse[0].tolist(), truth, strict=True):  # and in fact to the last bit or two
            for found, part in zip(fractions(row), line, strict=True):
                assert abs(found - part.value) <= 2 * u * abs(part.value) + 2.0**-40 * u * part.M


def rational(sums):
    """Turn sums of balls into sums of rational numbers."""
    found = []
    for part in sums:
        joined = Sum()
        joined.value, joined.k, joined.M = Balls.midpoint(part.value), part.k, Balls.midpoint(part.M)
        found.append(joined)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_similarities(dtype):
    rng = np.random.default_rng(1)
    with Balls() as balls:
        for _ in range(10):
            outer, inner = spread(rng, (4,), dtype), spread(rng, (4,), dtype)
            parameters = balls(fractions(outer[0])), balls(fractions(inner[0]))
            truth = rational(exact.compose_similarities(*parameters))
            assert worst_share(refwarp.compose(outer, inner)[0], truth, ANGLES, dtype) <= 1
            truth = rational(exact.invert_similarity(parameters[0]))
            assert worst_share(refwarp.invert(outer)[0], truth, ANGLES, dtype) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_translations(dtype):
    rng = np.random.default_rng(2)
    outer, inner = spread(rng, (2,), dtype), spread(rng, (2,), dtype)
    truth = exact.compose_translations(fractions(outer[0]), fractions(inner[0]))
    assert worst_share(refwarp.compose(outer, inner)[0], truth, 4, dtype) <= 1
    assert np.array_equal(refwarp.invert(outer), -outer)


def as_matrix(theta):
    """Return the 3 x 3 matrices of warps of any kind."""
    if theta.shape[1:] == (2,):
        theta = refwarp.translation_matrix(theta)
    if theta.shape[1:] == (4,):
        theta = refwarp.similarity_matrix(theta)
    last = np.broadcast_to([0.0, 0, 1], (len(theta), 1, 3))
    return theta if theta.shape[1:] == (3, 3) else np.concatenate([theta, last], axis=1)


def near_identity(rng, kind):
    shape = KINDS[kind]
    identity = {(2,): [0, 0], (4,): [1, 0, 0, 0], (2, 3): np.eye(2, 3), (3, 3): np.eye(3)}[shape]
    return identity + 0.2 * rng.standard_normal((2, *shape))


@pytest.mark.parametrize("kind", KINDS)
def test_the_grid_of_a_composition_is_one_warp_of_the_other_ones_grid(kind):
    rng = np.random.default_rng(3)
    outer, inner = near_identity(rng, kind), near_identity(rng, kind)
    size = (2, 1, 4, 5)
    found = refwarp.projective_grid(as_matrix(refwarp.compose(outer, inner)), size)
    middle = refwarp.projective_grid(as_matrix(inner), size)
    points = np.concatenate([middle, np.ones((*middle.shape[:3], 1))], axis=-1)
    moved = np.einsum("nrk,nijk->nijr", as_matrix(outer), points)
    # Some twenty roundings of numbers up to 4; D is above 1/4 on these grids.
    assert np.allclose(found, moved[..., :2] / moved[..., 2:], rtol=0, atol=2.0**-43)
    # The order matters, except for translations.
    other = refwarp.projective_grid(as_matrix(refwarp.compose(inner, outer)), size)
    assert np.array_equal(other, found) if kind == "translation" else abs(other - found).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_inverses_undo_and_updates_take_them(kind):
    rng = np.random.default_rng(4)
    theta, delta = near_identity(rng, kind), near_identity(rng, kind)
    for undone in (refwarp.compose(theta, refwarp.invert(theta)), refwarp.compose(refwarp.invert(theta), theta)):
        assert np.allclose(as_matrix(undone), np.eye(3), rtol=0, atol=2.0**-46)  # some twenty roundings
    update = refwarp.inverse_compositional_update(theta, delta)
    assert np.allclose(update, refwarp.compose(theta, refwarp.invert(delta)), rtol=2.0**-46, atol=2.0**-46)
    assert np.allclose(refwarp.compose(update, delta), theta, rtol=0, atol=2.0**-46)
    assert abs(update - refwarp.compose(refwarp.invert(delta), theta)).max() > 0.001 or kind == "translation"


@pytest.mark.parametrize("kind", KINDS)
def test_the_released_update_is_compose_with_its_arguments_exchanged(kind):
    """IC-STN's program, delta o theta: against the exact product, and another warp than either update."""
    rng = np.random.default_rng(7)
    theta, delta = near_identity(rng, kind), near_identity(rng, kind)
    found = as_matrix(refwarp.compose(delta, theta))
    updates = refwarp.compose(theta, delta), refwarp.inverse_compositional_update(theta, delta)
    for n in range(2):
        matrices = (fractions(as_matrix(warp)[n]) for warp in (theta, delta))
        truth = np.array(exact.released_update(*matrices), float)
        # A product and a division: some twenty roundings of numbers below 2.
        assert np.allclose(found[n] / found[n, 2, 2], truth, rtol=0, atol=2.0**-46)
    if kind == "translation":
        assert np.array_equal(as_matrix(updates[0]), found)
    else:
        assert min(abs(as_matrix(update) - found).max() for update in updates) > 0.01


def test_a_map_warped_by_a_composition_is_interpolated_once():
    """Shifts by whole pixels are exact, so that warping twice and once agree: first outer's grid, then inner's."""
    map = np.random.default_rng(5).standard_normal((1, 1, 8, 8))
    outer, inner = np.array([[0.25, 0.0]]), np.array([[0.25, -0.5]])
    size = map.shape
    once = refwarp.grid_sample(map, refwarp.translation_grid(refwarp.compose(outer, inner), size))
    twice = map
    for theta in (outer, inner):
        twice = refwarp.grid_sample(twice, refwarp.translation_grid(theta, size))
    assert np.array_equal(once[..., 2:, :6], twice[..., 2:, :6]) and once[..., 2:, :6].all()
    turn = np.array([[[0.0, -1, 0], [1, 0, 0]]])  # a quarter turn and a shift, which do not commute
    shift = refwarp.translation_matrix(outer)
    once = refwarp.grid_sample(map, refwarp.affine_grid(refwarp.compose(turn, shift), size))
    twice = refwarp.grid_sample(map, refwarp.affine_grid(turn, size))
    twice = refwarp.grid_sample(twice, refwarp.affine_grid(shift, size))
    assert np.array_equal(once[..., :, :7], twice[..., :, :7]) and once[..., :7].all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck_first_and_second_order(kind):
    rng = np.random.default_rng(6)
    theta, delta = near_identity(rng, kind), near_identity(rng, kind)
    gradcheck(refwarp.compose, (theta, delta), rng=rng, order=2)
    gradcheck(refwarp.invert, (theta,), rng=rng, order=2)
    gradcheck(refwarp.inverse_compositional_update, (theta, delta), rng=rng, order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, kind):
    rng = np.random.default_rng(7)
    theta, delta = (near_identity(rng, kind).astype(dtype) for _ in range(2))
    before = theta.copy(), delta.copy()
    for call, given in (
        (refwarp.compose, (theta, delta)),
        (refwarp.invert, (theta,)),
        (refwarp.inverse_compositional_update, (theta, delta)),
    ):
        out = call(*given)
        assert type(out) is np.ndarray and out.dtype == dtype and out.shape == theta.shape
        tensors = [Tensor(np.asfortranarray(array), True) for array in given]
        kept = call(*tensors)
        assert np.array_equal(kept.data, out)
        assert all(g.dtype == dtype for g in grad(kept, tensors, out))
    assert np.array_equal(theta, before[0]) and np.array_equal(delta, before[1])


def test_an_update_is_rounded_once():
    """In float32, not the rounded inverse composed: the exact update, rounded."""
    rng = np.random.default_rng(8)
    theta, delta = (near_identity(rng, "affine").astype(np.float32) for _ in range(2))
    found = refwarp.inverse_compositional_update(theta, delta)
    for b in range(2):
        matrices = [exact.with_last_row(fractions(array[b])) for array in (theta, delta)]
        truth = exact.inverse_compositional(*matrices)[:2]
        assert np.array_equal(found[b], np.array(truth, float).astype(np.float32))


def test_empty_batches():
    for shape in KINDS.values():
        nothing = np.ones((0, *shape))
        assert refwarp.compose(nothing, nothing).shape == refwarp.invert(nothing).shape == (0, *shape)


def test_what_is_not_finite_is_not_singular():
    theta = np.eye(3)[None].repeat(2, 0)
    theta[0, 1, 1] = np.nan
    inverse = refwarp.invert(theta)
    assert np.isnan(inverse[0]).any() and np.array_equal(inverse[1], np.eye(3))


SINGULAR = [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "matrix",
    [SINGULAR, np.multiply(SINGULAR, 0.1 * 2.0**-40), np.zeros((3, 3)), [[0.1, 0.3, 0.7], [0.2, 0.6, 1.4], [5, 7, 9]]],
)
def test_singular_homographies_are_refused(dtype, matrix):
    """Also where a determinant in plain floating point is not 0; rounded entries that are regular have inverses."""
    theta = np.stack([np.eye(3), matrix]).astype(dtype)
    if exact.determinant(fractions(theta[1])).value != 0:
        assert np.isfinite(refwarp.invert(theta)).all()
        return
    with pytest.raises(
        ValueError, match=r"theta: given a singular matrix at index 1 \(determinant .*expected one that"
    ):
        refwarp.invert(theta)
    with pytest.raises(ValueError, match="delta: given a singular matrix at index 1"):
        refwarp.inverse_compositional_update(theta, theta)


def test_determinants_that_only_rounding_keeps_from_0_are_refused():
    """The last row is the sum of the others, exactly; products of three full entries do not fit into two doubles."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        rows = rng.integers(2**50, 2**51, (2, 3)) * 2.0**-51
        theta = np.array([rows[0], rows[1], rows[0] + rows[1]])
        assert exact.determinant(fractions(theta)).value == 0
        with pytest.raises(ValueError, match="given a singular matrix"):
            refwarp.invert(theta[None])


def test_singular_affine_warps_and_similarities_are_refused():
    theta = np.array([np.eye(2, 3), [[2.0, 6, 1], [1, 3, 1]]])
    with pytest.raises(ValueError, match=r"theta: given a singular matrix at index 1"):
        refwarp.invert(theta)
    with pytest.raises(
        ValueError, match="theta: given a similarity of scale 0 at index 0, expected one that has an inv"
    ):
        refwarp.invert(np.array([[0.0, 1, 2, 3], [1, 0, 0, 0]]))
    assert np.isfinite(refwarp.invert(np.array([[[1e-60, 0, 0], [0, 1e-60, 0]]]))).all()  # small, not singular


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: refwarp.invert(np.ones((1, 8))),
            ValueError,
            r"theta: given shape \(1, 8\), expected \(N, 2\) translations, \(N, 4\) similarities, \(N, 2, 3\) affine",
        ),
        (lambda: refwarp.invert(np.ones(2)), ValueError, r"theta: given shape \(2,\)"),
        (lambda: refwarp.invert([[1, 0]]), TypeError, "theta: given list"),
        (lambda: refwarp.compose(np.ones((1, 2)), np.ones((1, 2), int)), TypeError, "inner: given dtype int64"),
        (
            lambda: refwarp.compose(np.ones((1, 2)), np.ones((1, 2), np.float32)),
            TypeError,
            "inner: given dtype float32 while outer is float64",
        ),
        (
            lambda: refwarp.compose(np.ones((1, 2)), np.ones((1, 4))),
            ValueError,
            r"inner: given shape \(1, 4\) while outer has \(1, 2\), expected the same",
        ),
        (
            lambda: refwarp.inverse_compositional_update(np.ones((1, 2)), np.ones((2, 2))),
            ValueError,
            r"delta: given shape \(2, 2\) while theta has \(1, 2\)",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
