"""Places in nested lists, and derivatives with respect to what is there, by dual numbers."""

from refwarp.exact.arithmetic.numbers import Dual


def places(nested, prefix=()):
    """List the places of all elements."""
    if not isinstance(nested, list):
        return [prefix]
    return [place for index, part in enumerate(nested) for place in places(part, (*prefix, index))]


def at(nested, place):
    """Return the element at a place."""
    for index in place:
        nested = nested[index]
    return nested


def derivative(function, nested, place):
    """Differentiate a function of a nested list with respect to one of its elements."""

    def seeded(part, prefix=()):
        if not isinstance(part, list):
            return Dual(part, int(prefix == place))
        return [seeded(inner, (*prefix, index)) for index, inner in enumerate(part)]

    return Dual.of(function(seeded(nested))).derivative
