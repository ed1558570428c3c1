"""Made-up results of a tour, for the tests of what is made from them."""

import numpy as np

from refwarp.tour.kink import study_kink
from refwarp.tour.results import MODELS, Check, Gallery, Poses, Results, Run, View

GRID = np.stack(np.meshgrid(np.linspace(-0.95, 0.95, 20), np.linspace(-0.95, 0.95, 20)), axis=-1)


def make_run(distortion: str, model: str, seed: int, error: float) -> Run:
    rng = np.random.default_rng([seed, len(model), len(distortion)])
    fall = np.exp(-np.arange(12) / 3)
    return Run(
        distortion=distortion,
        model=model,
        seed=seed,
        parameters=20_000 + len(model),
        test_error=error,
        training_loss=tuple(2.2 * fall + 0.1 * rng.random(12)),
        validation_error=tuple(np.clip(error + 0.8 * fall + 0.04 * rng.random(12), 0, 1)),
        seconds=7.0 + seed,
    )


def make_results(seeds: int = 3) -> Results:
    rng = np.random.default_rng(7)
    errors = {("RTS", "CNN"): 0.2, ("RTS", "ST-CNN"): 0.11, ("R", "CNN"): 0.06, ("R", "ST-CNN"): 0.045}
    runs = [
        make_run(distortion, model, seed, errors[distortion, model] + 0.01 * seed)
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
        checks=(Check("affine_grid", 120, 0.25, True), Check("grid_sample", 480, 0.5, True)),
        runs=tuple(runs),
        gallery=Gallery(rng.random((count, 40, 40)), np.arange(count), view(1.0, 5), view(0.5, 1)),
        poses=Poses(rng.random((3, 8, 40, 40)), np.array([2, 4, 7]), rng.random((3, 8, 20, 20))),
        kink=study_kink(),
    )
