"""The ledger, the equations page and the equation tags in the code agree with one another."""

import ast
import importlib
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

from refwarp.exact import ledger

ROOT = Path(__file__).parents[2]
TAG = re.compile(r"\((?:[A-Z]+ \d+|[a-z_]+\.\d+)\)")
OPERATIONS = [
    path
    for folder in ("exact", "grids", "samplers", ".")
    for path in sorted((ROOT / "refwarp" / folder).glob("*.py" if folder == "." else "**/*.py"))
    if path.name != "__init__.py"
]
DOCUMENTED = [
    path
    for path in OPERATIONS
    if path.relative_to(ROOT / "refwarp").parts[0] in ("grids", "samplers")
    or path.relative_to(ROOT / "refwarp").as_posix() in ("penalties.py", "conventions.py")
]


def tags_at_the_head(source):
    return set(TAG.findall(ast.get_docstring(ast.parse(source), clean=False) or ""))


def documented_tags():
    r"""Return the tags of all pages, as `(x.n)` in the text and as `\tag{x.n}` in formulas."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")).replace(r"\_", "_")
    return set(TAG.findall(re.sub(r"\\tag\{(.*?)\}", r"(\1)", pages)))


def printed_tags():
    """Return the tags that stand beside a formula: in it, at the end of an indented line, or in a table."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    lines = re.findall(r"^    .*\(\S+ \d+\)$|^\|.*", pages, re.MULTILINE)
    return {f"({tag})" for tag in re.findall(r"\\tag\{(.*?)\}", pages)} | set(TAG.findall("\n".join(lines)))


def test_every_numbered_equation_is_printed():
    """A page that discusses an equation shows it, so that it can be read without the paper."""
    numbered = {f"({line.document} {line.number})" for line in ledger.collect() if line.number.isdigit()}
    assert len(numbered) > 25 and numbered - printed_tags() == set()


def test_the_page_is_what_the_code_says():
    assert (ROOT / "docs" / "equations.md").read_text(encoding="utf-8") == ledger.page(ROOT / "docs")


@pytest.mark.parametrize("line", ledger.collect(), ids=lambda line: f"{line.document} {line.number}")
def test_homes_and_proofs_exist(line):
    assert line.document in ledger.DOCUMENTS and line.verdict in ledger.VERDICTS
    assert line.home and line.tests
    assert line.remark or line.verdict in ("holds", "definition")
    for home in line.home:
        module, _, name = home.rpartition(".")
        assert hasattr(importlib.import_module(module), name), home
        assert name in names_defined_in(ROOT / f"{module.replace('.', '/')}.py"), home
    for test in line.tests:
        file, _, name = test.partition("::")
        assert name in names_defined_in(ROOT / file), test


def names_defined_in(path):
    """Return the functions and classes at the top of a file."""
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")}


def test_every_name_on_the_page_can_be_pasted():
    """Behind `pytest`, which collects each of the tests, and behind `python -m pydoc`."""
    page = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    tests = sorted(set(re.findall(r"`(tests/[^`]*)`", page)))
    assert len(tests) > 100
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    collected = {line.partition("[")[0] for line in ended.stdout.splitlines() if "::" in line}
    assert collected == set(tests)
    homes = set(re.findall(r"`(refwarp\.[^`]*)`", page))
    assert len(homes) > 50 and all(pydoc.locate(home) is not None for home in homes)


@pytest.mark.parametrize("line", ledger.collect(), ids=lambda line: f"{line.document} {line.number}")
def test_every_equation_has_a_page_that_derives_it(line):
    assert (ROOT / "docs" / ledger.derivation(line, ROOT / "docs")).is_file()


def test_an_equation_without_a_page_is_refused(tmp_path):
    with pytest.raises(
        LookupError, match="LMS 8, 9: no page in .* derives what is in refwarp.exact.linearized.auxiliary"
    ):
        ledger.derivation(next(line for line in ledger.collect() if line.number == "8, 9"), tmp_path)


def defined_and_used(path):
    """Return the tags at the head of a file and those below it."""
    source = path.read_text(encoding="utf-8")
    head = ast.get_docstring(ast.parse(source), clean=False) or ""
    return set(TAG.findall(head)), set(TAG.findall(source.replace(head, "", 1)))


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_tags_of_equations_are_defined_and_used(path):
    """A tag is defined in the text at the head of a file and used below it, or in a file of the same room."""
    defined, used = defined_and_used(path)
    room = [defined_and_used(other) for other in OPERATIONS if other.parent == path.parent]
    assert used <= set().union(*(heads for heads, _ in room))
    assert defined <= set().union(*(bodies for _, bodies in room))


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_tags_of_equations_are_in_the_documentation(path):
    assert tags_at_the_head(path.read_text(encoding="utf-8")) <= documented_tags()
