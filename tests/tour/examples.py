"""Made-up results of a tour, for the tests of what is made from them."""

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.grades import PROFILES
from refwarp.golden.outcomes import Outcome, Verification
from refwarp.tour.kink import study_kink
from refwarp.tour.results import MODELS, Gallery, Poses, Results, Trial, View

GRID = np.stack(np.meshgrid(np.linspace(-0.95, 0.95, 20), np.linspace(-0.95, 0.95, 20)), axis=-1)


def make_trial(distortion: str, model: str, seed: int, error: float) -> Trial:
    rng = np.random.default_rng([seed, len(model), len(distortion)])
    fall = np.exp(-np.arange(12) / 3)
    return Trial(
        distortion=distortion,
        model=model,
        seed=seed,
        parameters=20_000 + len(model),
        test_error=error,
        training_loss=tuple(2.2 * fall + 0.1 * rng.random(12)),
        validation_error=tuple(np.clip(error + 0.8 * fall + 0.04 * rng.random(12), 0, 1)),
        seconds=7.0 + seed,
    )


def make_verification(worst: float) -> Verification:
    def outcome(name: str, dtype: str, output: str, share: float) -> Outcome:
        return Outcome(Case(name, {}, {}, (), "what it is for"), dtype, output, "", share, share)

    return Verification(
        "refwarp",
        "0.1.0",
        PROFILES["float"],
        (
            outcome("affine_grid/identity", "float32", "forward/grid", 0.25),
            outcome("grid_sample/edge", "float32", "forward/output", 0.125),
            outcome("grid_sample/edge", "float64", "vjp/ggrid", worst),
            outcome("grid_sample/three_axes", "float64", "refusal", 0.0),
        ),
    )


def make_results(seeds: int = 3) -> Results:
    rng = np.random.default_rng(7)
    errors = {("RTS", "CNN"): 0.2, ("RTS", "ST-CNN"): 0.11, ("R", "CNN"): 0.06, ("R", "ST-CNN"): 0.045}
    trials = [
        make_trial(distortion, model, seed, errors[distortion, model] + 0.01 * seed)
        for distortion in ("RTS", "R")
        for model in MODELS
        for seed in range(seeds)
    ]
    count = 10

    def view(scale: float, wrong: int) -> View:
        predicted = np.arange(count)
        predicted[:wrong] = 9
        return View(np.repeat(scale * GRID[None], count, axis=0), rng.random((count, 20, 20)), predicted)

    return Results(
        versions={"refwarp": "0.1.0", "Python": "3.11.9", "NumPy": "2.4.6"},
        settings={"batch size": 64, "learning rate": 0.002, "<odd> & setting": "a < b"},
        timings={"verify": 2.0, "training": 100.0},
        verification=make_verification(0.5),
        trials=tuple(trials),
        gallery=Gallery(rng.random((count, 40, 40)), np.arange(count), view(1.0, 5), view(0.5, 1)),
        poses=Poses(rng.random((3, 8, 40, 40)), np.array([2, 4, 7]), rng.random((3, 8, 20, 20))),
        kink=study_kink(),
    )
