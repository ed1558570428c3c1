"""docs/golden-format.md says what the code does: operations, options, conventions, grades."""

import inspect
from fractions import Fraction
from pathlib import Path

import refwarp
from refwarp.exact.arithmetic.budget import SMALLEST, UNIT_ROUNDOFF
from refwarp.golden.case import ELEMENT, SEAM
from refwarp.golden.flags import KINDS
from refwarp.golden.grades import COORDINATE_ROUNDINGS
from refwarp.golden.operations import CHOICES, OPERATIONS, OPTIONAL, Call

PAGE = (Path(__file__).parents[2] / "docs" / "golden-format.md").read_text()


def table(*header: str) -> list[list[list[str]]]:
    """Return the rows of the table with a header: for each cell, the words in code, or else its text alone."""
    _, _, rest = PAGE.partition(f"| {' | '.join(header)} |\n")
    rows = []
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.append([cell.split("`")[1::2] or [cell] * bool(cell) for cell in cells])
    assert rows, f"no table {header}"
    return rows


OPERATIONS_TABLE = table("operation", "arguments", "options", "output", "cotangent", "with respect to", "second")


def test_the_table_of_operations_and_the_rule_below_it_give_every_call():
    found = {}
    for (operation,), arguments, _, output, cotangent, inputs, second in OPERATIONS_TABLE:
        gradients = [f"g{name}" for name in inputs]
        calls = [Call("forward", tuple(arguments), tuple(output))]
        if cotangent:
            calls.append(Call("vjp", (*cotangent, *arguments), tuple(gradients)))
        if second:
            cotangents = [f"cotangent_{name}" for name in inputs]
            calls.append(Call("second_vjp", (*cotangents, *cotangent, *arguments), (f"g{cotangent[0]}", *gradients)))
        found[operation] = tuple(calls)
    assert found == dict(OPERATIONS)


def test_the_options_are_those_of_the_operations(suite):
    options = {operation: names for (operation,), _, names, *_ in OPERATIONS_TABLE}
    for operation, calls in OPERATIONS.items():
        taken = inspect.signature(getattr(refwarp, operation)).parameters
        expected = [name for name in taken if name not in calls[0].arguments and name not in CHOICES]
        assert options[operation] == expected, operation
    for case in suite.cases:
        assert case.result == "invalid" or set(case.options) <= set(options[case.operation]), case.name


def test_optional_arguments_are_named():
    _, _, sentence = PAGE.partition("A case may leave out the arguments ")
    assert tuple(sorted(sentence.partition(", and with")[0].split("`")[1::2][:3])) == tuple(sorted(OPTIONAL))


def test_the_conventions():
    found: dict[str, list[str]] = {}
    for option, names, _ in table("option", "convention", "what"):
        if option:
            found[option[0]] = current = []
        current.extend(names)
    assert found == {option: list(names) for option, names in CHOICES.items()}


def test_the_members_of_elements_and_seams():
    members = [name for names, _, _ in table("member", "type", "what") for name in names]
    assert tuple(members) == ELEMENT.names
    _, _, later = PAGE.partition("**Seams**")
    assert tuple(name for name in later.partition("**Conventions.**")[0].split("`")[1::2]) == SEAM.names


def test_the_kinds_of_flags():
    assert all(f"`{kind}`" in PAGE for kind in KINDS)


def test_roundoffs_and_smallest_numbers():
    def power(text: list[str]) -> Fraction:
        base, exponent = text[0].split("^")
        return Fraction(int(base)) ** int(exponent)

    rows = {dtype: (power(u), power(eta)) for (dtype,), u, eta in table("dtype", "u", "eta")}
    assert rows == {dtype: (UNIT_ROUNDOFF[dtype], SMALLEST[dtype]) for dtype in UNIT_ROUNDOFF}
    assert f"e = {COORDINATE_ROUNDINGS} u\n" in PAGE
