"""What compilation costs: the first call, all that a training run needs, and how many variants there are.

python benchmarks/compilation.py [--quick] [--out FOLDER]

Each figure is that of a fresh process, from its start to its end. A variant is one kernel compiled for one set of
dtypes, a file in Numba's cache; options such as padding are arguments of the kernels and make none.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

if __name__ == "__main__":
    from refwarp.cli import run

    sys.exit(run(["bench", "compilation", *sys.argv[1:]]))

from refwarp.benchmarking import Figure

FIRST_CALL = """
import numpy as np
import refwarp
refwarp.grid_sample(np.ones((1, 1, 4, 4), np.float32), np.zeros((1, 2, 2, 2), np.float32))
"""

TRAINING = """
import numpy as np
from autograd_core.optimizers import Adam
from refwarp.data import DISTORTIONS, distort
from refwarp.tour.distorted_digits import st_cnn
from refwarp.training import Run
from refwarp.training.loop import train_step
rng = np.random.default_rng(0)
images, _ = distort(rng.uniform(0, 1, (8, 1, 8, 8)).astype(np.float32), DISTORTIONS["RTS"], rng)
model = st_cnn(rng)
train_step(Run(model, [Adam(model.parameters())], [], rng), images, np.zeros(8, np.int64))
"""

EVERY_OPTION = """
from itertools import product
import numpy as np
import refwarp
from autograd_core import Tensor, grad
for dtype, mode, padding, align in product(
    (np.float16, np.float32, np.float64), ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"),
    (False, True),
):
    for kink in ("right", "left", "central", "literal") if mode == "bilinear" else ("right",):
        leaves = [Tensor(np.ones(shape, dtype), requires_grad=True) for shape in ((2, 2, 4, 4), (2, 3, 3, 2))]
        out = refwarp.grid_sample(*leaves, mode, padding, align, kink)
        grad(out, leaves, np.ones(out.shape, dtype))
"""


def figures(quick: bool) -> Iterator[Figure]:
    """Yield all; or, quickly, without the variants of every option, most of which a training run does not need."""
    yield Figure("first call of grid_sample in a new process, warm cache", "s", partial(warm, FIRST_CALL), goal=1.5)
    yield Figure("a training step of the ST-CNN in a new process, warm cache", "s", partial(warm, TRAINING))
    yield Figure("the same without a cache", "s", lambda: cold(TRAINING)[0], goal=60.0)
    yield Figure("variants that it compiled", "kernels", lambda: cold(TRAINING)[1])
    if not quick:
        yield Figure("grid_sample in every mode, dtype and option, without a cache", "s", lambda: cold(EVERY_OPTION)[0])
        yield Figure("variants that it compiled, of 108 combinations", "kernels", lambda: cold(EVERY_OPTION)[1])


def seconds(program: str, folder: str) -> float:
    """Return how long a program takes in a new process, with Numba's cache in a folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return time.perf_counter() - start


def warm(program: str) -> float:
    """Return the median of five runs, after one that fills the cache."""
    with tempfile.TemporaryDirectory() as folder:
        seconds(program, folder)
        return statistics.median(seconds(program, folder) for _ in range(5))


@cache
def cold(program: str) -> tuple[float, int]:
    """Return how long a program takes without a cache, and how many variants it left there."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds(program, folder), len(list(Path(folder).rglob("*.kernel")))
