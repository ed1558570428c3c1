"""What all flows have in common: small frames, constant ones, what is refused, and the same bits on all threads."""

import numpy as np
import pytest

from refwarp.classical import BroxSettings, LdofSettings, SiftFlowSettings, brox_flow, ldof_flow, sift_flow
from tests.classical.frames import BAD, rng, texture
from tests.threads import on_threads

FLOWS = {"brox": brox_flow, "ldof": ldof_flow, "sift_flow": sift_flow}
QUICK = {
    "brox": BroxSettings(ratio=0.5, warps=2, sweeps=4),
    "ldof": LdofSettings(BroxSettings(ratio=0.5, warps=2, sweeps=4), step=4),
    "sift_flow": SiftFlowSettings(levels=2, reach=3, window=1, iterations=3),
}
each = pytest.mark.parametrize("name", FLOWS)


@each
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 40)])
def test_frames_of_few_pixels_have_a_flow(name, size):
    first, second = rng().random((1, *size)), rng(1).random((1, *size))
    flow = FLOWS[name](first, second, QUICK[name])
    assert flow.shape == (2, *size) and np.isfinite(flow).all()


@each
def test_constant_frames_do_not_move(name):
    flow = FLOWS[name](np.zeros((3, 20, 30)), np.ones((3, 20, 30)), QUICK[name])
    assert abs(flow).max() < 1e-12  # nothing but roundings of the blur and the warp


@each
def test_the_bits_do_not_depend_on_threads(name):
    first, second = texture(1, 90, 110), texture(1, 90, 110, seed=1)
    found = on_threads((1, 2, 3), lambda: FLOWS[name](first, second, QUICK[name]).tobytes())
    assert len(set(found)) == 1


@each
@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_what_has_no_flow_is_refused(name, arguments, error, message):
    with pytest.raises(error, match=message):
        FLOWS[name](*arguments)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (BroxSettings, "smoothness", -1.0),
        (BroxSettings, "epsilon", 0.0),
        (BroxSettings, "ratio", 1.0),
        (BroxSettings, "warps", 0),
        (BroxSettings, "sweeps", 2.5),
        (BroxSettings, "blur", np.nan),
        (LdofSettings, "match_weight", np.inf),
        (LdofSettings, "step", 0),
        (LdofSettings, "cell", 3),
        (SiftFlowSettings, "smoothness", -1.0),
        (SiftFlowSettings, "levels", 0),
        (SiftFlowSettings, "window", -1),
        (SiftFlowSettings, "cell", 5),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, name, value):
    with pytest.raises(ValueError, match=f"{name}: given "):
        settings(**{name: value})
