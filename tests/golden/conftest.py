"""What the tests of the golden suite share: the suite that ships, read once."""

import pytest

from refwarp.golden import SUITE
from refwarp.golden.case import Case
from refwarp.golden.format import Golden, read


@pytest.fixture(scope="session")
def suite() -> Golden:
    """The golden file that the package brings."""
    return read(SUITE)


@pytest.fixture(scope="session")
def by_name(suite: Golden) -> dict[str, Case]:
    """Its cases by name."""
    return {case.name: case for case in suite.cases}


@pytest.fixture(scope="session")
def few(suite: Golden) -> list[Case]:
    """A few small cases of every kind, for tests that write files."""
    wanted = ("interior_3x4", "row_at_pixel", "nan_3x4", "empty_batch", "refused_mode", "identity_3x5")
    return [case for case in suite.cases if case.name.partition("/")[2] in wanted]
