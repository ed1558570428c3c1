"""A trained network in a file: its parameters, and all that it takes to build it again and to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograd_core.layers import Module
from refwarp.classification.design import Design
from refwarp.classification.parts import Size
from refwarp.training import load_state, save_state

_KIND = "refwarp classifier 1"


@dataclass(frozen=True)
class Classifier:
    """A trained network, and what it is for.

    Attributes
    ----------
    network : Module
        (N, C, H, W) to scores (N, K).
    design : Design
        What it is built from.
    classes : tuple of str
        What the classes are called.
    size : (int, int)
        Height and width of a picture that is not distorted. The input is larger where it was distorted in training.
    """

    network: Module
    design: Design
    classes: tuple[str, ...]
    size: Size

    def save(self, path: Path) -> None:
        """Write it to an HDF5 file, atomically; OSError if the disk is full."""
        state = {
            "kind": _KIND,
            "design": self.design.as_dict(),
            "classes": list(self.classes),
            "size": list(self.size),
            "model": self.network.state_dict(),
        }
        save_state(path, state)


def load_classifier(path: Path) -> Classifier:
    """Read what `Classifier.save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or another one.
    OSError
        If it cannot be read.
    """
    state = load_state(path)
    try:
        if state.get("kind") != _KIND:
            raise ValueError(f"it is no {_KIND!r}")
        design = Design.of_dict(state["design"])
        classes = tuple(map(str, state["classes"]))
        height, width = map(int, state["size"])
        network = design.build(np.random.default_rng(0))
        network.load_state_dict(state["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no trained network: {error}; name another, or train again") from error
    return Classifier(network, design, classes, (height, width))
