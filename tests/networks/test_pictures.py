"""What transformers do, as arrays and as pictures."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from autograd_core import Tensor
from autograd_core.layers import Flatten, Sequential
from refwarp.drawing.style import render
from refwarp.networks import GlimpseTransformer, LinearizedSampler, Parallel, SpatialTransformer
from refwarp.networks.pictures import Row, View, class_means, draw_rows, rows_of, views
from tests.networks.kinds import Told, small_transformer


def images(count=5, shape=(1, 3, 3), dtype=np.float64):
    return np.random.default_rng(0).random((count, *shape)).astype(dtype)


@pytest.mark.parametrize("batch_size", [2, 5, 256])
def test_views_of_a_series(batch_size):
    """Of each transformer what it does to what it is given, whatever the batches."""
    first = small_transformer("affine", side=3, size=(4, 4))
    second = small_transformer("thin plate spline", side=4, size=(2, 3))
    network = Sequential(first, second, Flatten())
    seen = views(network, images(), batch_size)
    assert list(seen) == ["layers.0", "layers.1"]
    given = Tensor(images())
    for view, transformer in zip(seen.values(), (first, second), strict=True):
        output, theta, grid = transformer.transform(given)
        # Another batch size is another order of a product's sums, of numbers of some units.
        for found, expected in zip(view[:4], (given, output, theta, grid), strict=True):
            np.testing.assert_allclose(found, expected.data, rtol=0, atol=1e-14)
        assert isinstance(view.outputs, np.ndarray) and not view.align_corners
        given = output
    assert first.observer is None


def test_views_of_several_glimpses_have_numbers():
    theta = np.random.default_rng(1).normal(0, 0.5, (5, 2, 6))
    seen = views(GlimpseTransformer(Told(theta), align_corners=True), images())
    assert list(seen) == ["[0]", "[1]"]
    assert (seen["[1]"].thetas == theta[:, 1]).all() and seen["[1]"].align_corners


def test_looking_changes_nothing():
    sampler = LinearizedSampler(np.random.default_rng(2))
    network = small_transformer("affine", sampler)
    state = sampler.rng.bit_generator.state
    seen = views(network, images())
    assert network.training and sampler.training and sampler.rng.bit_generator.state == state
    assert seen[""].outputs.shape == (5, 1, 2, 3)


def test_no_pictures_are_refused():
    network = small_transformer("affine")
    with pytest.raises(ValueError, match=r"len\(images\): given 0, expected a positive integer"):
        views(network, images(0))
    with pytest.raises(ValueError, match=r"images: given shape \(3, 3\), expected \(N, C, H, W\)"):
        views(network, images()[0, 0])
    with pytest.raises(ValueError, match="batch_size: given 0, expected a positive integer"):
        views(network, images(), 0)


def test_means_of_classes():
    maps = images(5)
    labels = np.array([3, 1, 3, 3, 1])
    means = class_means(maps, labels)
    # Sums of three numbers, rounded.
    np.testing.assert_allclose(means[0], (maps[1] + maps[4]) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(means[1], (maps[0] + maps[2] + maps[3]) / 3, rtol=0, atol=1e-15)
    assert means.shape == (2, 1, 3, 3) and class_means(maps.astype(np.float32), labels).dtype == np.float64


def a_view(count=3, channels=1):
    rng = np.random.default_rng(3)
    return View(
        rng.random((count, channels, 8, 6)),
        rng.random((count, channels, 4, 4)),
        np.zeros((count, 6)),
        rng.uniform(-1.2, 1.2, (count, 4, 4, 2)),
        True,
    )


def test_rows_of_a_view():
    view = a_view()
    above, below = rows_of(view, "ST-CNN", [2, 0])
    assert (above.label, below.label) == ("ST-CNN\ninput, grid", "output")
    assert (above.maps == view.inputs[[2, 0]]).all() and (above.grids[0] == view.grids[[2, 0]]).all()
    assert above.align_corners and (below.maps == view.outputs[[2, 0]]).all() and not below.grids
    assert rows_of(view)[0].label == "input, grid" and len(rows_of(view)[1].maps) == 3


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_picture_grid_and_title_is_drawn(channels):
    view = a_view(channels=channels)
    rows = [*rows_of(view, "A"), Row("two", view.inputs, [view.grids, -view.grids]), Row("mean", -view.inputs)]
    figure = draw_rows(rows, ["one", "two", "three"])
    assert len(figure.axes) == 4 * 3
    shown = [axes.images[0].get_array() for axes in figure.axes]
    expected = view.inputs[1].transpose(1, 2, 0) if channels == 3 else view.inputs[1].mean(axis=0)
    np.testing.assert_allclose(shown[1], expected, rtol=0, atol=1e-15)  # a mean of two, rounded
    # A heavy first line for each grid: one over inputs, none over outputs, two in the third row.
    heavy = [sum(line.get_linewidth() > 2 for line in axes.lines) for axes in figure.axes]
    assert heavy == [1] * 3 + [0] * 3 + [2] * 3 + [0] * 3
    colours = {line.get_color() for line in figure.axes[6].lines}
    assert len(colours) == 2
    texts = [text.get_text() for text in figure.texts]
    assert texts == ["one", "two", "three", "A\ninput, grid", "output", "two", "mean"]


def test_a_row_has_one_span_from_white_to_black():
    view = a_view()
    figure = draw_rows([Row("one", 0.5 * view.inputs), Row("two", view.inputs - 0.5)])
    spans = [axes.images[0].get_clim() for axes in figure.axes]
    assert spans[:3] == [(0.0, 0.5 * view.inputs.max())] * 3
    assert spans[3:] == [(view.inputs.min() - 0.5, view.inputs.max() - 0.5)] * 3
    draw_rows([Row("nothing", np.zeros((2, 1, 3, 3)))])


def test_the_grid_is_drawn_where_it_samples():
    """A crop of the middle half, with align_corners, of 8 x 6 pixels: from 3.5/2 to 3 3.5/2, and 2.5/2 to 3 2.5/2."""
    view = a_view(1)
    corners = np.stack(np.meshgrid([-0.5, 0.5], [-0.5, 0.5]), axis=-1)[None]
    figure = draw_rows(rows_of(view._replace(grids=corners)))
    drawn = np.concatenate([line.get_xydata() for line in figure.axes[0].lines])
    assert drawn.min(axis=0) == pytest.approx([1.25, 1.75], abs=1e-12)
    assert drawn.max(axis=0) == pytest.approx([3.75, 5.25], abs=1e-12)


def test_the_picture_is_a_png_with_something_on_it():
    rows = rows_of(a_view(), "some name")
    png = render(draw_rows, rows, ["0", "1", "2"], dots_per_inch=60)
    pixels = imread(io.BytesIO(png))[..., :3]
    assert 0.02 < np.mean(pixels.min(axis=2) < 0.8) < 0.7, "ink on paper: neither empty nor full"
    assert pixels[0, 0].min() == 1.0, "the paper is white"
    assert png == render(draw_rows, rows, ["0", "1", "2"], dots_per_inch=60)


def test_rows_that_do_not_fit_are_refused():
    view = a_view()
    for rows, titles, lengths in (
        ([], [], r"\[\]"),
        (rows_of(view), ["one"], r"\[1, 3\]"),
        ([Row("one", view.inputs), Row("two", view.inputs[:2])], [], r"\[2, 3\]"),
        ([Row("one", view.inputs, [view.grids[:1]])], [], r"\[1, 3\]"),
    ):
        with pytest.raises(ValueError, match=rf"rows: given {len(rows)} rows, grids and titles of lengths {lengths}"):
            draw_rows(rows, titles)


def test_parallel_transformers_over_one_picture():
    """As in Table 3 of STN: grids of all branches over the input that they share."""
    rng = np.random.default_rng(4)
    network = Parallel(*(SpatialTransformer(Told(rng.normal(0, 0.5, (5, 6))), size=2) for _ in range(3)))
    seen = list(views(network, images()).values())
    figure = draw_rows([Row("parts", seen[0].inputs, [view.grids for view in seen])])
    assert all(sum(line.get_linewidth() > 2 for line in axes.lines) == 3 for axes in figure.axes)
