"""The ledger, the equations page and the equation tags in the code agree with one another."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from refwarp.exact import ledger

ROOT = Path(__file__).parents[2]
TAG = re.compile(r"\((?:[A-Z]+ \d+|[a-z_]+\.\d+)\)")
OPERATIONS = [
    path
    for folder in ("exact", "grids", "samplers", ".")
    for path in sorted((ROOT / "refwarp" / folder).glob("*.py"))
    if path.name != "__init__.py"
]


def test_the_page_is_what_the_code_says():
    assert (ROOT / "docs" / "equations.md").read_text(encoding="utf-8") == ledger.page()


@pytest.mark.parametrize("line", ledger.collect(), ids=lambda line: f"{line.document} {line.number}")
def test_homes_and_proofs_exist(line):
    assert line.document in ledger.DOCUMENTS and line.verdict in ledger.VERDICTS
    assert line.home and line.tests
    assert line.remark or line.verdict in ("holds", "definition")
    for home in line.home:
        module, _, name = home.rpartition(".")
        assert hasattr(importlib.import_module(module), name), home
    for test in line.tests:
        file, _, name = test.partition("::")
        functions = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
        assert name in functions, test


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_tags_of_equations_are_defined_and_used(path):
    """A tag is defined in the text at the head of a file, and used below it; neither without the other."""
    source = path.read_text(encoding="utf-8")
    head = ast.get_docstring(ast.parse(source), clean=False) or ""
    body = source.replace(head, "", 1)
    assert set(TAG.findall(head)) == set(TAG.findall(body))
