"""What the tests of the golden suite share: the suite that ships, read once."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from refwarp.golden import SUITE
from refwarp.golden.case import Case
from refwarp.golden.format import Golden, read, write
from tests.golden.affine_adapter import AFFINE
from tests.golden.seamed import with_seams


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


@pytest.fixture(scope="session")
def seamed(few: list[Case]) -> list[Case]:
    """Cases of every kind, one of them with seams."""
    return with_seams(few)


@pytest.fixture
def file(seamed: list[Case], tmp_path: Path) -> Path:
    """A golden file of these cases."""
    path = tmp_path / "few.h5"
    write(path, seamed, "7")
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., str]:
    """Write an adapter that has affine grids, and what is given."""

    def write_adapter(text: str = "") -> str:
        path = tmp_path / "mine.py"
        path.write_text(AFFINE + dedent(text))
        return str(path)

    return write_adapter
