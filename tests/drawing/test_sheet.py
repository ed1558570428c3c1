"""Pictures on a sheet, and grids over them, lie where they should."""

import numpy as np
import pytest

from refwarp.drawing.sheet import Sheet, draw_grid
from refwarp.drawing.style import BLUE


def points(height, width, align_corners):
    x, y = ((2 * np.arange(n) + 1 - n) / (n - align_corners) for n in (width, height))
    return np.stack(np.meshgrid(x, y), axis=-1)


def test_a_picture_lies_where_it_is_put():
    sheet = Sheet(8.0, 4.0)
    axes = sheet.picture(2.0, 1.0, 0.5, np.zeros((6, 5)), margin=0.5)
    # Narrower than high: in the middle of its square.
    left, width = 2.0 + 0.25 / 6, 2.5 / 6
    assert axes.get_position().bounds == pytest.approx((left / 8, 1 - 1.5 / 4, width / 8, 0.5 / 4), abs=1e-12)
    # Pixel centres are integers; half of the picture's size around it.
    assert axes.get_xlim() == (-3.0, 7.0) and axes.get_ylim() == (8.5, -3.5)


@pytest.mark.parametrize(("span", "expected"), [(None, (0.0, 1.0)), ((-1.0, 3.0), (-1.0, 3.0))])
def test_which_values_are_white_and_black(span, expected):
    options = {"span": span} if span else {}
    axes = Sheet(2.0, 2.0).picture(0.0, 0.0, 1.0, np.eye(3), **options)
    (image,) = axes.images
    assert image.get_clim() == expected and image.get_cmap().name == "gray_r"
    assert (image.get_array() == np.eye(3)).all()


def test_a_picture_in_colours():
    picture = np.random.default_rng(0).random((3, 4, 3))
    (image,) = Sheet(2.0, 2.0).picture(0.0, 0.0, 1.0, picture).images
    assert (image.get_array() == picture).all()


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_grid_lies_over_the_pixels_that_it_samples(align_corners):
    """The identity's points are the pixels, of a picture that is higher than wide."""
    axes = Sheet(2.0, 2.0).picture(0.0, 0.0, 1.0, np.zeros((9, 5)))
    draw_grid(axes, points(9, 5, align_corners), (9, 5), BLUE, align_corners=align_corners)
    drawn = np.concatenate([line.get_xydata() for line in axes.lines])
    assert np.allclose(drawn, drawn.round(), rtol=0, atol=1e-12)  # some roundings of numbers below 10
    assert drawn.min(axis=0).round() @ [1, 1] == 0 and tuple(drawn.max(axis=0).round()) == (4.0, 8.0)
    first = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [tuple(line.get_ydata().round()) for line in first] == [(0.0,) * 5]
    assert axes.lines[-1].get_marker() == "o" and tuple(axes.lines[-1].get_xydata()[0].round()) == (0.0, 0.0)


def test_points_at_infinity_leave_gaps():
    grid = points(9, 5, False)
    grid[3, 2] = np.inf, -np.inf
    axes = Sheet(2.0, 2.0).picture(0.0, 0.0, 1.0, np.zeros((9, 5)))
    draw_grid(axes, grid, (9, 5), BLUE)
    axes.figure.canvas.draw()
    assert axes.get_xlim() == (-0.5, 4.5)
