"""The pictures are PNG files with something on them, and the same input gives the same bytes."""

import io
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from refwarp.drawing.style import render
from refwarp.tour.pictures import draw_gallery, draw_poses
from refwarp.tour.plots import draw_curves, draw_errors, draw_kink
from refwarp.tour.results import Results
from tests.tour.examples import make_results

PICTURES: dict[str, tuple[Callable[[Any], Figure], Callable[[Results], Any]]] = {
    "tour": (draw_gallery, lambda results: results.gallery),
    "poses": (draw_poses, lambda results: results.poses),
    "curves": (draw_curves, lambda results: results),
    "errors": (draw_errors, lambda results: results),
    "kink": (draw_kink, lambda results: results.kink),
}


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_something_on_it(name: str, results: Results) -> None:
    draw, part = PICTURES[name]
    png = render(draw, part(results), dots_per_inch=60)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(io.BytesIO(png))[..., :3]
    assert min(pixels.shape[:2]) > 100
    assert 0.02 < np.mean(pixels.min(axis=2) < 0.8) < 0.7, "ink on paper: neither empty nor full"
    assert pixels[0, 0].min() == 1.0, "the paper is white"


def test_rendering_is_repeatable_and_leaves_no_setting_behind(results: Results) -> None:
    before = dict(matplotlib.rcParams)
    once, again = (render(draw_errors, results, dots_per_inch=60) for _ in range(2))
    assert once == again
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["curves", "errors"])
def test_one_seed_and_one_distortion_can_be_drawn(name: str, results: Results) -> None:
    draw, _ = PICTURES[name]
    assert render(draw, make_results(seeds=1), dots_per_inch=60) != render(draw, results, dots_per_inch=60)


def test_each_seed_is_drawn(results: Results) -> None:
    _, axes = draw_curves(results).axes[:2]
    thin = [line for line in axes.lines if line.get_linewidth() < 1]
    drawn = sorted(tuple(line.get_ydata()) for line in thin)
    trials = [trial for trial in results.trials if trial.distortion == "RTS"]
    assert drawn == sorted(tuple(100 * np.array(trial.validation_error)) for trial in trials)


def test_the_grid_is_drawn_where_it_samples(results: Results) -> None:
    # The made-up trained grid is the middle half of the canvas: with x = (40 g + 39)/2, 0.475 is the pixel 29.
    figure = draw_gallery(results.gallery)
    inputs = [axes for axes in figure.axes if axes.lines]
    xs = np.concatenate([line.get_xdata() for line in inputs[-1].lines])
    assert (xs.min(), xs.max()) == pytest.approx((10.0, 29.0), abs=1e-12)
