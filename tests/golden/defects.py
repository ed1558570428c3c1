"""The defects of the museum, as broken implementations."""

from refwarp.golden.museum import MUSEUM
from tests.golden import broken, broken_grids

# The broken implementations, each a class named after its flag. A flag has one for each operation it is about.
DEFECTS = [
    found
    for module in (broken, broken_grids)
    for name, found in vars(module).items()
    if isinstance(found, type) and found.__module__ == module.__name__ and name in MUSEUM
]


def sound(defect):
    """Return the class that a defect is a change of."""
    return defect.__mro__[-2]
