"""The golden suite on CUDA, judged by its exact values: every operation, its gradients, and theirs.

On a GPU that is the whole suite in float32 and float64, as `refwarp verify refwarp:cuda --require faithful` has it. The
simulator takes milliseconds for each launch, so there

- each case runs in one of the two dtypes, every other one in float32, unless only one holds its inputs;
- a case whose answers agree in all conventions is asked for one of them, each in turn;
- cases of more than `LARGEST` numbers, all of them of wide maps or long sums, are left out.

What that keeps is tested, too: each operation's flags, and each combination of mode, padding, align_corners and
kink, each convention of every kink. All the rest is `refwarp verify refwarp:simulator`: some minutes.
"""

from collections import defaultdict
from functools import cache

import pytest

import refwarp
from refwarp.backend.cuda import SIMULATED
from refwarp.golden import SUITE
from refwarp.golden.families import all_cases
from refwarp.golden.format import read
from refwarp.golden.operations import OPERATIONS, choice
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, is_asked, verify

DTYPES = ("float32", "float64")
LARGEST = 1000


def part(case):
    """Return the test that runs a case: that of its operation, and for grid_sample that of its mode and padding."""
    mode = case.options.get("mode")
    known = case.operation == "grid_sample" and mode in ("bilinear", "nearest", "bicubic")
    return case.operation + (f"-{mode}-{case.options['padding_mode']}" if known else "")


# Without outputs, which take longer to read than tests to collect.
PARTS = sorted({part(case) for case in all_cases()})


@cache
def cases():
    """All cases, by the test that runs them."""
    parts = defaultdict(list)
    for case in read(SUITE).cases:
        parts[part(case)].append(case)
    return dict(parts)


def numbers(case):
    """Return how many numbers a case's answers have."""
    return sum(truth.elements.size for truth in case.outputs.values())


def chosen(part):
    """Return (case, dtype) for what is asked of the simulator."""
    for case in cases()[part]:
        first, other = DTYPES if positions()[case.name] % 2 else DTYPES[::-1]
        if numbers(case) <= LARGEST:
            yield case, first if is_asked(case, first) else other


@cache
def positions():
    """Return the position of each case in its part, by name."""
    return {case.name: position for part in cases().values() for position, case in enumerate(part)}


class InTurn(ModuleTarget):
    """refwarp, which the simulator asks for one convention where none makes a difference."""

    def conventions(self, case, dtype):
        known = super().conventions(case, dtype)
        if SIMULATED and known and not any(":" in path for path in case.outputs):
            return [known[positions()[case.name] // 2 % len(known)]]
        return known


def check(found):
    """Fail with the first few outcomes that are not faithful."""
    first = [
        f"{each.case.name} {each.output} {each.dtype} {each.convention} {each.share:.3g} {each.problem}"
        for each in found.failures[:5]
    ]
    assert found.grade is Grade.FAITHFUL, "\n".join([f"{len(found.failures)} are not faithful:", *first])


@pytest.mark.parametrize("part", PARTS)
def test_every_answer_is_faithful(part):
    with refwarp.use_backend("cuda"):
        if not SIMULATED:
            check(verify(cases()[part], InTurn(own, "refwarp"), Selection(DTYPES), required=Grade.FAITHFUL))
            return
        for dtype in DTYPES:
            given = [case for case, asked in chosen(part) if asked == dtype]
            if given:
                check(verify(given, InTurn(own, "refwarp"), Selection([dtype]), required=Grade.FAITHFUL))


@pytest.mark.parametrize("part", PARTS)
def test_what_the_simulator_is_asked_keeps_every_flag_and_every_combination(part):
    options = ("mode", "padding_mode", "align_corners")

    def kinds(some):
        for case in some:
            yield from case.flags
            yield tuple(str(case.options.get(name)) for name in options)

    left = set(kinds(cases()[part])) - set(kinds(case for case, _ in chosen(part)))
    assert left <= {"Wide", "LongSum"}


def test_every_operation_is_there_and_every_convention_of_a_kink_is_asked_for():
    """In `grid_sample`, with each padding and both align_corners."""
    assert {part.split("-")[0] for part in cases()} == set(OPERATIONS)
    target, wanted, asked = InTurn(own, "refwarp"), set(), set()
    for part in cases():
        for case, dtype in chosen(part):
            if case.result != "invalid":
                combination = part, part.startswith("grid_sample") and case.options.get("align_corners")
                asked |= {(*combination, name) for name in target.conventions(case, dtype)}
                known = own.CHOICES.get(choice(case.operation, case.options), ())
                wanted |= {(*combination, name) for name in known}
    assert wanted and asked == wanted
