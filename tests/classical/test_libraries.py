"""Flows of OpenCV and scikit-image: their direction, their order of axes, their unit, and what is refused."""

import sys

import numpy as np
import pytest

from refwarp import flow_grid, grid_sample
from refwarp.classical.libraries import LIBRARY_FLOWS, library_flow
from refwarp.metrics import central_region, endpoint_error

PEERS = {"DIS": "cv2", "Farneback": "cv2", "TV-L1": "skimage", "ILK": "skimage"}


def blobs(x, y):
    """A picture of smooth spots, at any points in pixels."""
    return 0.5 + 0.25 * np.sin(x / 3.1 + 0.4 * np.sin(y / 4.7)) + 0.25 * np.cos(y / 2.7 + 0.3 * np.sin(x / 5.3))


@pytest.mark.parametrize("name", LIBRARY_FLOWS)
def test_a_flow_leads_from_the_first_frame_to_the_second(name):
    """The second frame, the source of a warp, is the first moved by (1.5, -0.75) pixels: right, and up."""
    pytest.importorskip(PEERS[name])
    y, x = np.indices((40, 48), dtype=float)
    target, source = blobs(x, y), blobs(x - 1.5, y + 0.75)
    flow = library_flow(name, target, source)
    truth = np.zeros((1, 2, 40, 48))
    truth[:] = np.array([1.5, -0.75]).reshape(1, 2, 1, 1)
    assert flow.shape == (2, 40, 48) and flow.dtype == np.float32
    # A quarter of a pixel in the middle, a seventh of the motion; with a wrong sign or order it is 3.2 or 3.4 pixels.
    assert endpoint_error(flow[None].astype(float), truth, central_region(40, 48, 0.6))[0] < 0.25
    sampled = grid_sample(source[None, None], flow_grid(flow[None].astype(float)), padding_mode="border")
    assert abs(sampled[0, 0] - target)[8:-8, 8:-8].mean() < 0.25 * abs(source - target)[8:-8, 8:-8].mean()


@pytest.mark.parametrize("name", LIBRARY_FLOWS)
def test_a_missing_library_is_told(name, monkeypatch):
    monkeypatch.setitem(sys.modules, PEERS[name], None)
    with pytest.raises(ImportError, match=rf"^name: given '{name}', which needs .*; pip install 'refwarp\[flows\]'$"):
        library_flow(name, np.zeros((16, 16)), np.zeros((16, 16)))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="^name: given 'Brox', expected one of 'DIS', 'Farneback', 'TV-L1', 'ILK'"):
        library_flow("Brox", np.zeros((16, 16)), np.zeros((16, 16)))
    with pytest.raises(ValueError, match=r"^second: given shape \(16, 17\), expected \(16, 16\), that of first"):
        library_flow("ILK", np.zeros((16, 16)), np.zeros((16, 17)))
    with pytest.raises(ValueError, match=r"^first: given shape \(16, 15\), expected H and W of at least 16"):
        library_flow("ILK", np.zeros((16, 15)), np.zeros((16, 15)))
