"""The piecewise affine grid in rational arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import piecewise_affine as mesh
from refwarp.exact.affine import target_coordinate
from tests.exact.nested import at, derivative, places

F = Fraction
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)


def meshes(rows, columns):
    point = st.lists(SMALL, min_size=2, max_size=2)
    return st.lists(st.lists(point, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


@settings(max_examples=8)
@given(meshes(3, 3), st.booleans())
def test_the_gradient_is_the_derivative_of_the_grid(vertices, align_corners):
    ggrid = [[[F(i + 2 * j + 1, 3), F(5 - i, 7 + j)] for j in range(4)] for i in range(3)]

    def loss(vertices):
        grid = mesh.piecewise_affine_grid(vertices, 3, 4, align_corners)
        return sum(at(ggrid, place) * at(grid, place).value for place in places(ggrid))

    gradient = mesh.piecewise_affine_gradient(ggrid, 3, 3, align_corners)
    for place in places(vertices):
        assert at(gradient, place).value == derivative(loss, vertices, place)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_mesh_itself_is_the_identity(align_corners):
    rest = [[list(mesh.rest((n, m), 3, 4)) for m in range(4)] for n in range(3)]
    grid = mesh.piecewise_affine_grid(rest, 5, 7, align_corners)
    for i in range(5):
        for j in range(7):
            x, y = (part.value for part in grid[i][j])
            assert (x, y) == (target_coordinate(j, 7, align_corners), target_coordinate(i, 5, align_corners))


def test_barycentric_coordinates_are_a_partition_of_unity_that_meets_the_point():
    for a in range(-8, 9):
        for b in range(-6, 7):
            p = F(a, 8), F(b, 6)
            for weights in mesh.weights_in(p, 3, 4):
                assert sum(weights.values()) == 1
                rests = [mesh.rest(vertex, 3, 4) for vertex in weights]
                assert tuple(sum(w * c[r] for w, c in zip(weights.values(), rests, strict=True)) for r in (0, 1)) == p


def test_triangles_agree_on_the_edges_they_share():
    """Every triangle that holds a point gives the same weights, up to zeros: the grid is continuous."""
    shared = 0
    for a in range(-12, 13):
        for b in range(-12, 13):
            found = mesh.weights_in((F(a, 12), F(b, 12)), 4, 3)
            kept = [{vertex: w for vertex, w in weights.items() if w != 0} for weights in found]
            assert kept and all(weights == kept[0] for weights in kept)
            shared += len(kept) > 1
    # The lines inside, less their crossings; three points of each diagonal; the corners where diagonals end.
    assert shared == 25 + 2 * 25 - 2 + 6 * 3 + 2


def test_the_other_diagonal_gives_another_grid():
    """In a cell whose last vertex alone is moved, the centre moves along: not if it lay on the other diagonal."""
    cell = [[[F(-1), F(-1)], [F(1), F(-1)]], [[F(-1), F(1)], [F(3), F(5)]]]
    ((centre,),) = mesh.piecewise_affine_grid(cell, 1, 1, False)
    assert [part.value for part in centre] == [1, 2]
    other = [(cell[0][1][r] + cell[1][0][r]) / 2 for r in range(2)]
    assert other == [0, 0]
