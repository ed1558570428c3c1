"""The digits, but 64 of each part, for tests that only want to see that something runs."""

from refwarp.data import Digits, Examples, load_digits


def few_digits() -> Digits:
    """Return the first 64 digits of each part."""
    digits = load_digits()
    parts = (digits.train, digits.validation, digits.test)
    return Digits(*(Examples(part.images[:64], part.labels[:64]) for part in parts))
