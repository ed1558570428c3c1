"""Real numbers in rigorous ball arithmetic, for irrational functions: logarithms, exponentials, sines."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from refwarp.exact.arithmetic.numbers import Sum


class Balls:
    """Real numbers in rigorous ball arithmetic (python-flint's `arb`): from rationals, and back.

    Parameters
    ----------
    bits : int
        The precision. Set for all balls of the process while the instance is used in a `with` block.
    """

    def __init__(self, bits: int = 320) -> None:
        self.bits = bits

    def __enter__(self) -> Balls:
        from flint import ctx

        self._before, ctx.prec = ctx.prec, self.bits
        return self

    def __exit__(self, *exception: object) -> None:
        from flint import ctx

        ctx.prec = self._before

    def __call__(self, nested: Any) -> Any:
        """Turn rational numbers, floats, or nested sequences of them into balls."""
        from flint import arb

        if hasattr(nested, "tolist"):
            nested = nested.tolist()
        if isinstance(nested, list | tuple):
            return [self(part) for part in nested]
        rational = Fraction(nested)
        return arb(rational.numerator) / rational.denominator

    @staticmethod
    def midpoint(ball: Any) -> Fraction:
        """Return the rational number in the middle of a ball.

        Raises
        ------
        ArithmeticError
            If the ball is wider than 1e-30 and than 1e-30 of its middle.
        """
        mantissa, exponent = (int(part) for part in ball.mid().man_exp())
        middle = Fraction(mantissa) * Fraction(2) ** exponent
        if not (ball.rad() < 1e-30 or ball.rad() < 1e-30 * abs(ball.mid())):
            raise ArithmeticError(f"ball {ball} is wider than 1e-30")
        return middle

    def sums(self, values: Any, magnitudes: Any) -> Any:
        """Join nested balls and nested sums without value (k and M) to sums of rational numbers."""
        if isinstance(magnitudes, Sum):
            return Sum.of(self.midpoint(values), magnitudes.k, self.midpoint(magnitudes.M))
        return [self.sums(v, m) for v, m in zip(values, magnitudes, strict=True)]
