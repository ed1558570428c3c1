"""pytest and the golden suite: each case in each dtype is a test.

In your tests, of functions of NumPy arrays:

    from refwarp.pytest_plugin import refwarp_golden

    @refwarp_golden("grid_sample", dtypes=("float32",))
    def test_my_sampler(refwarp_case):
        refwarp_case.check(my_grid_sample)

or without any, of an adapter as `refwarp verify` takes it: `pytest --refwarp-adapter mine.py`.

pytest loads this file in every run where refwarp is installed, so it imports nothing until a golden case is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from refwarp.golden.case import Case
    from refwarp.golden.outcomes import Target

_MARKER = (
    "refwarp_golden(*operations, dtypes, flags, without_flags, cases, layouts, require, profile): "
    "run the test once for each golden case of refwarp, which it gets as refwarp_case"
)
_GRADES = ("working", "faithful")
_PROFILES = ("float", "fixed5", "fixed8", "fixed9")


def refwarp_golden(*operations: str, **selection: Any) -> pytest.MarkDecorator:
    """Run a test once for each golden case, which it takes as the argument `refwarp_case`.

    Parameters
    ----------
    *operations : str
        Of which operations; all, if there are none.
    dtypes, flags, without_flags, cases, layouts : sequence of str
        Which cases, in which dtypes (float32 and float64) and on arrays in which memory layouts (contiguous): as the
        options of `refwarp verify`.
    require : {"working", "faithful"}
        The grade that every case must have; by default --refwarp-require.
    profile : {"float", "fixed5", "fixed8", "fixed9"}
        How coordinates may be rounded; by default --refwarp-profile.
    """
    marker: pytest.MarkDecorator = pytest.mark.refwarp_golden(*operations, **selection)
    return marker


class GoldenCheck:
    """One golden case in one dtype and memory layout, and the grade that an implementation must have.

    Attributes
    ----------
    case : refwarp.golden.case.Case
        The case, with its inputs, options and exact outputs.
    dtype, layout : str
        What the arrays are, and how they lie in memory.
    """

    def __init__(self, case: Case, dtype: str, layout: str, require: str, profile: str) -> None:
        self.case, self.dtype, self.layout = case, dtype, layout
        self._require, self._profile = require, profile

    @property
    def name(self) -> str:
        """The name of its test: the case, the dtype, and the memory layout if that is an unusual one."""
        return f"{self.case.name}-{self.dtype}{'' if self.layout == 'contiguous' else f'-{self.layout}'}"

    def check(self, implementation: Any) -> None:
        """Fail the test unless an implementation computes what it should; skip it if that offers nothing of the case.

        Parameters
        ----------
        implementation : callable or object
            The operation, a function of arrays that takes options as keywords; or a module or an object with functions
            named after operation and part (grid_sample, grid_sample_vjp, ...), as docs/verify.md describes them.
        """
        from types import SimpleNamespace

        from refwarp.golden.operations import OPERATIONS
        from refwarp.golden.targets.module import ModuleTarget

        names = [call.function(self.case.operation) for call in OPERATIONS[self.case.operation]]
        module = implementation
        if not any(hasattr(implementation, name) for name in names) and callable(implementation):
            module = SimpleNamespace(**{self.case.operation: implementation}, DTYPES=(self.dtype,))
        self.check_target(ModuleTarget(module, getattr(implementation, "__name__", "the implementation")))

    def check_target(self, target: Target) -> None:
        """Fail the test, or skip it, by what a target of `refwarp verify` answers."""
        from refwarp.golden.grades import PROFILES
        from refwarp.golden.outcomes import Grade
        from refwarp.golden.report import failure
        from refwarp.golden.verify import Selection, verify

        if self.dtype not in target.dtypes:
            pytest.skip(f"{target.name} runs in {', '.join(target.dtypes)} only")
        selection = Selection(dtypes=[self.dtype], layouts=[self.layout] if target.takes_arrays else [])
        found = verify([self.case], target, selection, PROFILES[self._profile], Grade[self._require.upper()])
        if not found.outcomes:
            pytest.skip("; ".join(f"{skip.function}: {skip.reason}" for skip in found.skipped))
        if found.failures:
            pytest.fail(failure.message(found), pytrace=False)


@lru_cache(maxsize=1)
def _cases(path: str | None) -> tuple[Case, ...]:
    """Return the cases of a golden file, of the one that refwarp brings if there is no other."""
    from refwarp.golden import SUITE
    from refwarp.golden.reading import read

    return tuple(read(path or SUITE).cases)


def _checks(
    config: pytest.Config, target: Any, selection: Any, require: str = "", profile: str = ""
) -> list[GoldenCheck]:
    """Return the checks that are asked for, in the order of the cases; ValueError if there is no such name."""
    from refwarp.golden.layouts import CONTIGUOUS
    from refwarp.golden.verify import is_asked

    require = require or config.getoption("refwarp_require")
    profile = profile or config.getoption("refwarp_profile")
    for name, given, known in (("require", require, _GRADES), ("profile", profile, _PROFILES)):
        if given not in known:
            raise ValueError(f"{name}: given {given!r}, expected one of {', '.join(known)}")
    cases = _cases(config.getoption("refwarp_golden"))
    selection.check(cases, target)
    return [
        GoldenCheck(case, dtype, layout, require, profile)
        for case in cases
        if selection.holds(case)
        for dtype in selection.dtypes or target.dtypes
        if is_asked(case, dtype)
        for layout in selection.layouts or [CONTIGUOUS]
    ]


# ---- tests that are marked ----


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each golden case that a test is marked with."""
    marker = metafunc.definition.get_closest_marker("refwarp_golden")
    if marker is None:
        return
    from types import SimpleNamespace

    from refwarp.golden.targets.module import ModuleTarget
    from refwarp.golden.verify import DTYPES, USUAL_DTYPES, Selection

    if "refwarp_case" not in metafunc.fixturenames:
        raise pytest.Collector.CollectError(f"{metafunc.function.__name__}: expected an argument refwarp_case")
    asked = {"dtypes": USUAL_DTYPES, **marker.kwargs, "operations": marker.args}
    grades = {name: asked.pop(name) for name in ("require", "profile") if name in asked}
    for name, value in asked.items():
        if name not in Selection.__dataclass_fields__ or isinstance(value, str):
            raise pytest.Collector.CollectError(f"refwarp_golden: given {name}={value!r}, expected {_MARKER}")
    target = ModuleTarget(SimpleNamespace(DTYPES=DTYPES), "the test")
    try:
        checks = _checks(metafunc.config, target, Selection(**asked), **grades)
    except ValueError as error:
        raise pytest.Collector.CollectError(f"refwarp_golden: {error}") from error
    metafunc.parametrize("refwarp_case", checks, ids=[check.name for check in checks])


# ---- tests of an adapter ----


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("refwarp", "golden cases of differentiable image warps (refwarp)")
    group.addoption(
        "--refwarp-adapter",
        action="append",
        default=[],
        metavar="TARGET",
        help="Test an adapter as mine.py, or another target of `refwarp verify`, on each golden case; repeatable. The "
        "flags of a case are keywords for -k, and -m refwarp_golden selects these tests alone.",
    )
    group.addoption("--refwarp-golden", metavar="FILE", help="A golden file. [default: the one that refwarp brings]")
    group.addoption(
        "--refwarp-require", choices=_GRADES, default=_GRADES[0], help="The grade that every case must have."
    )
    group.addoption("--refwarp-profile", choices=_PROFILES, default=_PROFILES[0], help="How coordinates are rounded.")
    group.addoption(
        "--refwarp-timeout", type=float, default=60.0, metavar="SECONDS", help="For a call of an adapter. [default: 60]"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of adapters, before anything is deselected."""
    for name in config.getoption("refwarp_adapter"):
        items.extend(_Adapter.from_parent(session, name=name, nodeid=name).collect())


class _Adapter(pytest.Collector):
    """A target of `refwarp verify`; it is open until the end of the session."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each case of the operations that the target has, in each of its dtypes."""
        from refwarp.golden.operations import OPERATIONS
        from refwarp.golden.targets import load
        from refwarp.golden.verify import Selection

        try:
            opened = load(self.name, self.config.getoption("refwarp_timeout"))
            target = opened.__enter__()
            self.config.add_cleanup(lambda: _close(opened))
            has = [name for name, calls in OPERATIONS.items() if any(target.offers(c.function(name)) for c in calls)]
            if not has:
                raise ValueError(f"{self.name} has no function of the name of an operation; docs/verify.md lists them")
            checks = _checks(self.config, target, Selection(operations=has))
        except (ValueError, ImportError, OSError) as error:
            raise pytest.UsageError(f"--refwarp-adapter: {error}") from error
        for check in checks:
            yield _AdapterTest.from_parent(self, name=check.name, check=check, target=target)


def _close(opened: Any) -> None:
    opened.__exit__(None, None, None)


class _AdapterTest(pytest.Item):
    """One golden case in one dtype, of a target."""

    def __init__(self, check: GoldenCheck, target: Target, **options: Any) -> None:
        super().__init__(**options)
        self._check, self._target = check, target
        self.add_marker("refwarp_golden")
        self.extra_keyword_matches.update(check.case.flags)

    def runtest(self) -> None:
        """Run the case."""
        self._check.check_target(self._target)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the test is, and what it is called."""
        return self.path, None, f"{self.parent.name if self.parent else ''}::{self.name}"
