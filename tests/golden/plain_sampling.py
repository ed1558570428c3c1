"""Plainly written samplers in the precision of their arguments: what a good port of the formulas computes.

Coordinates, weights and sums are all rounded where they arise. A sampler gives for each axis the matrices (samples,
pixels) of the weights and their two derivatives; everything else follows from these by sums of products.
"""

import numpy as np

PADDINGS = ("zeros", "border", "reflection")


def coordinate(g, size, align_corners):
    """Return the pixel coordinate of g."""
    one = g.dtype.type(1)
    if align_corners:
        return (g + one) / 2 * g.dtype.type(size - 1)
    return ((g + one) * g.dtype.type(size) - one) / 2


def padded(n, size, align_corners, padding):
    """Return the pixel at index n of a padded axis, or None."""
    if 0 <= n < size:
        return n
    if padding == "zeros":
        return None
    if padding == "border":
        return min(max(n, 0), size - 1)
    period = 2 * size if not align_corners else max(2 * size - 2, 1)
    n %= period
    return n if n < size else period - n - (0 if align_corners else 1)


class Plain:
    """The outputs of a sampler, from the matrices of its weights."""

    def __init__(self, x, y, scales):
        self.x, self.y, self.scales = x, y, scales

    def gathered(self, u, p, q):
        return np.einsum("cnm,sn,sm->cs", u, self.y[q], self.x[p])

    def scattered(self, g, p, q):
        return np.einsum("cs,sn,sm->cnm", g, self.y[q], self.x[p])

    def vjp(self, gout, input):
        sx, sy = self.scales
        gx, gy = (gout * self.gathered(input, 1, 0)).sum(0) * sx, (gout * self.gathered(input, 0, 1)).sum(0) * sy
        return self.scattered(gout, 0, 0), np.stack([gx, gy], -1)

    def second_vjp(self, a, b, gout, input):
        sx, sy = self.scales
        bx, by = b[:, 0] * sx, b[:, 1] * sy
        mixed = self.gathered(input, 1, 1)
        gx = self.gathered(a, 1, 0) + bx * self.gathered(input, 2, 0) + by * mixed
        gy = self.gathered(a, 0, 1) + by * self.gathered(input, 0, 2) + bx * mixed
        return (
            self.gathered(a, 0, 0) + bx * self.gathered(input, 1, 0) + by * self.gathered(input, 0, 1),
            self.scattered(gout * bx, 1, 0) + self.scattered(gout * by, 0, 1),
            np.stack([(gout * gx).sum(0) * sx, (gout * gy).sum(0) * sy], -1),
        )


def images(call):
    """Let a function of one image, with its samples in a row, run on a batch, which may be empty."""

    def batched(*arrays, **options):
        with np.errstate(all="ignore"):
            found = [call(*(array[n] for array in arrays), **options) for n in range(len(arrays[0]))]
        return found

    return batched
