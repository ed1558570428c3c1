"""Middlebury: pairs of frames with the true optical flow between them.

The flow is in a `.flo` file: the float 202021.25 as a tag, width and height as 32-bit integers, then u and v of each
pixel, row by row, as 32-bit floats, all little-endian. Where a component is 1e9 or more in magnitude, it is unknown.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Array
from refwarp.data.dataset import Dataset, Steps
from refwarp.data.pictures import MOST_PIXELS, read_rgb
from refwarp.data.reading import damaged, find_file, read_exactly, reads_as

UNKNOWN = 1e9

_TAG = struct.pack("<f", 202021.25)
_FLOW = "flow10.flo"
_FRAMES = ("frame10.png", "frame11.png")
# As published, frames and flows come in two archives; in one folder otherwise.
_OF_FLOWS, _OF_FRAMES = ("other-gt-flow", "."), ("other-data", ".")


@dataclass(frozen=True)
class FlowPair:
    """Two frames, and the motion from the first to the second.

    Attributes
    ----------
    first, second : ndarray, shape (3, H, W)
        The frames, float32 in [0, 1].
    flow : ndarray, shape (2, H, W)
        The motion of each pixel of the first frame in pixels, u (to the right) before v (down), as `flow_grid` takes
        it; float32, and 0 where it is unknown.
    known : ndarray, shape (H, W)
        True where the motion is known.
    """

    first: Array
    second: Array
    flow: Array
    known: Array


def read_flow(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Return the motion of a `.flo` file, and where it is known.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    flow : ndarray, shape (2, H, W)
        u before v, in pixels; float32, and 0 where it is unknown.
    known : ndarray, shape (H, W)
        True where the motion is known.

    Raises
    ------
    ValueError
        If the file is truncated, longer than it says, or of another kind.
    OSError
        If it is missing or cannot be read.
    """
    path = Path(path)
    with reads_as(path, "a .flo file"), path.open("rb") as file:
        tag, width, height = struct.unpack("<4sii", read_exactly(file, path, 12))
        if tag != _TAG:
            raise damaged(path, "the file is no .flo file, whose tag is 202021.25")
        if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
            raise damaged(path, f"the file claims a flow of {width}x{height} pixels, which no picture has")
        content = read_exactly(file, path, 8 * width * height)
        if file.read(1):
            raise damaged(path, f"the file is longer than its flow of {width}x{height} pixels")
    values = np.frombuffer(content, "<f4").reshape(height, width, 2)
    known: Array = np.all(abs(values) < UNKNOWN, axis=-1)  # not where it is NaN
    return np.where(known, np.moveaxis(values, -1, 0), np.float32(0)).astype(np.float32), known


def middlebury_scenes(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the scenes whose flow is there; argument and errors are those of `load_middlebury`."""
    found = DATASET.find(folder)
    scenes = {path.parent.name for place in _OF_FLOWS for path in found.glob(f"{place}/*/{_FLOW}")}
    if not scenes:
        raise FileNotFoundError(f"{found}: there is no {_FLOW} in the folder of any scene; get it once more")
    return tuple(sorted(scenes))


def load_middlebury(folder: str | os.PathLike[str], scene: str) -> FlowPair:
    """Return a pair of frames with its flow.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or one with a folder for each scene, with `frame10.png`, `frame11.png` and
        `flow10.flo`; or the one with `other-data` and `other-gt-flow`, as published.
    scene : str
        Such as "RubberWhale".

    Returns
    -------
    FlowPair

    Raises
    ------
    ValueError
        If there is no such scene, or a file is damaged.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    found = DATASET.find(folder)
    scenes = middlebury_scenes(found)
    if scene not in scenes:
        raise ValueError(f"scene: given {scene!r}, expected one of {', '.join(map(repr, scenes))}")
    flow_path = find_file([found / place / scene / _FLOW for place in _OF_FLOWS])
    frame_paths = [find_file([found / place / scene / name for place in _OF_FRAMES]) for name in _FRAMES]
    flow, known = read_flow(flow_path)
    first, second = (read_rgb(path, "PNG") for path in frame_paths)
    for path, frame in zip(frame_paths, (first, second), strict=True):
        if frame.shape[1:] != known.shape:
            raise damaged(path, f"the frame has the shape {frame.shape[1:]}, and its flow {known.shape}")
    return FlowPair(first, second, flow, known)


def _steps(folder: Path) -> Steps:
    return [partial(load_middlebury, folder, scene) for scene in middlebury_scenes(folder)]


DATASET = Dataset(
    name="middlebury",
    title="Middlebury, frames with their optical flow",
    size="8 pairs; subset: RubberWhale",
    folders=("middlebury",),
    files=tuple(
        f"{place}/*/{name}"
        for places, names in ((_OF_FLOWS, (_FLOW,)), (_OF_FRAMES, _FRAMES))
        for place in places
        for name in names
    ),
    origin="https://vision.middlebury.edu/flow/data",
    citation='S. Baker, D. Scharstein, J. P. Lewis, S. Roth, M. J. Black and R. Szeliski, "A database and evaluation '
    'methodology for optical flow", IJCV 92(1), 2011',
    licence="none stated",
    samples_may_be_published=False,
    contents={"f467c78dacc147c20d8e2344b45271c78947d02c6eebe506490d1582f6263d40": "RubberWhale as published"},
    steps=_steps,
)
