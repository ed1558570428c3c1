"""The ledger, the equations page and the equation tags in the code agree with one another."""

import ast
import importlib
import os
import pydoc
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from refwarp.exact import ledger

ROOT = Path(__file__).parents[2]
TAG = re.compile(r"\((?:[A-Z]+ \d+|[a-z_]+\.\d+)\)")
# Where a docstring defines a tag: at the end of a formula.
DEFINITION = re.compile(rf"(?:^ {{4}}.*\s|  )({TAG.pattern})$", re.MULTILINE)
ROOMS = ("exact", "grids", "samplers")
SOURCES = sorted(
    path
    for path in (ROOT / "refwarp").glob("**/*.py")
    if path.relative_to(ROOT / "refwarp").parts[0] in ROOMS or path.parent == ROOT / "refwarp"
)
DOCUMENTED = [path for path in SOURCES if "exact" not in path.parts]
PRINTED = {tag for line in ledger.collect() for tag in ledger.tags(line)}


def name_of(path):
    return path.relative_to(ROOT / "refwarp").as_posix()


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
    assert (ROOT / "docs" / ledger.derivation(line, ROOT / "docs").partition("#")[0]).is_file()


def test_an_equation_without_a_page_is_refused(tmp_path):
    with pytest.raises(
        LookupError, match="LMS 8, 9: no page in .* derives what is in refwarp.exact.linearized.auxiliary"
    ):
        ledger.derivation(next(line for line in ledger.collect() if line.number == "8, 9"), tmp_path)


def head(path):
    """Return the docstring of a file."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")), clean=False) or ""


def defined(*paths):
    """Return the tags that the docstrings of files define."""
    return {tag for path in paths for tag in DEFINITION.findall(head(path))}


def commented(path):
    """Return the tags in comments of a file, and of these the ones that stand beside code."""
    with tokenize.open(path) as file:
        comments = [token for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.COMMENT]
    beside = [token for token in comments if token.line[: token.start[1]].strip()]
    return tuple({tag for token in tokens for tag in TAG.findall(token.string)} for tokens in (comments, beside))


def flaws(path, operation, room):
    """Return what is wrong with the tags of a file, by rule.

    An operation that is a folder computes what one of its files defines in any of them; but a file whose docstring
    says which equations of `kernels` it computes, too, has their tags itself.
    """
    everywhere, beside = commented(path)
    computes_too = path.name in ("cpu.py", "vectors.py", "second.py") and path.with_name("kernels.py") in operation
    repeated = set(TAG.findall(head(path))) if computes_too else set()
    return {
        "defined and not computed": defined(path) - set().union(*(commented(other)[1] for other in operation)),
        "claimed and not computed here": repeated - defined(path) - beside,
        "computed and not defined": everywhere - defined(*room) - PRINTED,
    }


def flaws_in_the_house(path):
    room, *below = path.relative_to(ROOT / "refwarp").parts
    neighbours = [other for other in SOURCES if other.parent == path.parent]
    operation = neighbours if len(below) == 2 else [path]
    return flaws(path, operation, [other for other in SOURCES if name_of(other).startswith(f"{room}/")] or [path])


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_each_equation_has_its_tag_on_the_line_that_computes_it(path):
    assert not any(flaws_in_the_house(path).values()), flaws_in_the_house(path)


def test_equations_without_the_line_that_computes_them_are_found(tmp_path):
    """Neither docstrings below the head nor comments on lines of their own are lines that compute."""
    kernels, cpu = tmp_path / "kernels.py", tmp_path / "cpu.py"
    kernels.write_text(
        '"""A wave.\n\n    y = sin x    (wave.1)\n    z = y y    (wave.2)\n    w = z + 1    (wave.4)\n"""\n\n\n'
        'def wave(x):\n    """Return (wave.2)."""\n    # (wave.2)\n    return sin(x) * sin(x)  # (wave.1), (wave.3)\n',
        encoding="utf-8",
    )
    cpu.write_text('"""The same, (wave.1), for many x at once."""\n\nw = z + 1  # (wave.4)\n', encoding="utf-8")
    folder = [kernels, cpu]
    assert flaws(kernels, folder, folder) == {
        "defined and not computed": {"(wave.2)"},
        "claimed and not computed here": set(),
        "computed and not defined": {"(wave.3)"},
    }
    assert flaws(cpu, folder, folder)["claimed and not computed here"] == {"(wave.1)"}
    assert flaws(cpu, folder, [cpu])["computed and not defined"] == {"(wave.4)"}


@pytest.mark.parametrize("line", ledger.collect(), ids=lambda line: f"{line.document} {line.number}")
def test_homes_have_the_line_that_computes_the_equation(line):
    tags = ledger.tags(line)
    assert [home for home in line.home if tags and not ledger.place(home, tags)[2]] == []
    assert all(any(ledger.place(home, [tag])[2] for home in line.home) for tag in tags)


def test_a_home_without_the_tag_is_found():
    """(STN 5) stands in the tent, and behind it, in the value; a docstring alone is no place."""
    assert ledger.place("refwarp.exact.bilinear.tent", ["(STN 5)"])[2]
    assert not ledger.place("refwarp.exact.bilinear.tent_derivative", ["(STN 5)"])[2]
    assert not ledger.place("refwarp.exact.bilinear.grid_sample", ["(STN 5)"])[2]


def test_links_lead_to_derivation_code_and_proof():
    """From the README each is three clicks away: the page of equations, and one of its links."""
    assert "](docs/equations.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    links = 0
    for document, section in re.findall(r"^## ([A-Z]+)$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        for number, derivation, rest in re.findall(r"^\| \[(\d+)\]\((.*?)\) \|(.*)$", section, re.MULTILINE):
            tag = f"({document} {number})"
            text = (ROOT / "docs" / derivation.partition("#")[0]).read_text(encoding="utf-8")
            assert tag in text or f"\\tag{{{document} {number}}}" in text or "#" not in derivation
            for name, file, at in re.findall(r"\[`(.*?)`\]\(\.\./(.*?)#L(\d+)\)", rest):
                found = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(at) - 1]
                sought = f"def {name.partition('::')[2]}(" if "::" in name else tag
                assert sought in found, f"{name}: line {at} of {file} is {found}"
                links += 1
    assert links > 100


@pytest.mark.parametrize("path", DOCUMENTED, ids=name_of)
def test_tags_of_equations_are_in_the_documentation(path):
    assert set(TAG.findall(head(path))) <= documented_tags()
