"""How the tree is built: tests mirror the sources, no test needs another, and no file is too long to read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
LONGEST = 450

# Folders of tests that are named after something else than a folder or a module of the sources.
OTHERS = {
    "docs": "docs",
    "gate": ".ci",
    "peers": "refwarp/golden/targets",  # programs of others, which need what they speak for
}


def programs(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    """Yield what a program imports, by full names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def is_mirror(folder):
    """Tell whether a folder of tests has the name of a folder or of a module that it tests."""
    name = folder.relative_to(TESTS)
    of = [ROOT / "refwarp" / name, ROOT / name] if str(name) not in OTHERS else [ROOT / OTHERS[str(name)]]
    return any(path.is_dir() or path.with_suffix(".py").is_file() for path in of)


def test_no_test_imports_another():
    """What tests share is in modules that are no tests, or in a conftest."""
    tests = {path.stem for path in TESTS.rglob("test_*.py")}
    found = {
        str(path.relative_to(ROOT)): tests & {part for name in imported(path) for part in name.split(".")}
        for path in programs("tests")
    }
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in TESTS.rglob("test_*.py")} - {TESTS}), ids=lambda folder: folder.name
)
def test_folders_of_tests_mirror_the_sources(folder):
    assert is_mirror(folder)


def test_a_folder_that_mirrors_nothing_is_told():
    assert not is_mirror(TESTS / "samplers" / "trilinear") and not is_mirror(TESTS / "decoder")


def test_no_file_is_too_long():
    paths = programs("autograd_core", "refwarp", "benchmarks", "tests", ".ci")
    assert len(paths) > 400
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}
