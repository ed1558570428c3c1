"""The 1,797 handwritten digits, 8x8 pixels, that come inside scikit-learn.

E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI machine learning repository, 1998: the
test part of that set. They lie in 14 blocks of about 130, each of which begins with 0 to 9 three times, as on a form
that somebody filled in. The split cuts between forms, so that no form lends digits to two parts: a network that is
tested has not learnt from the same hand on the same day. (A random split would, and its errors are a third lower.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refwarp.data.examples import Examples

# Where the parts end: after the 9th, the 11th and the 14th form.
TRAIN_END, VALIDATION_END = 1157, 1415


@dataclass(frozen=True)
class Digits:
    """Digits in three parts."""

    train: Examples
    validation: Examples
    test: Examples


def load_digits() -> Digits:
    """Return scikit-learn's digits, always in the same three parts.

    Returns
    -------
    Digits
        1,157 digits to train on, 258 to validate with and 382 for the test, which share no form; pictures of shape
        (N, 1, 8, 8), float32 in [0, 1], with labels 0 to 9.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            'The digits come with scikit-learn, which is not installed: run pip install "refwarp[data]".'
        ) from error
    digits = datasets.load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]  # 17 grey levels, each an exact float
    labels = digits.target.astype(np.int64)
    cuts = [TRAIN_END, VALIDATION_END]
    return Digits(*map(Examples, np.split(images, cuts), np.split(labels, cuts)))
