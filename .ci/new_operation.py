"""Writes all files and lines of a new grid, as CONTRIBUTING.md names them: `make new-operation NAME=wave_grid`.

    python .ci/new_operation.py NAME

The grid computes something small, with its proofs, tests and golden cases, and passes every check that does not need a
new suite; its equations are then replaced one by one. Everything is checked before anything is written, and no file is
replaced. Exits with 0, or with 2 if the name cannot be used.

A sampler with vectorised kernels for the CPU is a folder, to be modelled on refwarp/samplers/bilinear/.
"""

from __future__ import annotations

import argparse
import builtins
import io
import keyword
import re
import subprocess
import sys
import tokenize
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKELETON = ROOT / ".ci" / "operation"
FILES = SKELETON / "files"
LONGEST_NAME = 32

Texts = dict[Path, str]


def class_of(name: str) -> str:
    """Return the name of an operation's Function."""
    return name.title().replace("_", "")


def fill(text: str, name: str) -> str:
    """Return a text of the skeleton with the operation's names in place of NAME, CLASS and WORDS."""
    return text.replace("NAME", name).replace("CLASS", class_of(name)).replace("WORDS", name.replace("_", " "))


def new_files(name: str) -> Texts:
    """Return the operation's own files."""
    templates = sorted(path for path in FILES.rglob("*") if path.suffix in (".md", ".py"))
    return {
        ROOT / fill(str(path.relative_to(FILES)), name): fill(path.read_text(encoding="utf-8"), name)
        for path in templates
    }


def extended_files(name: str) -> Texts:
    """Return the files that the operation adds lines to.

    Raises
    ------
    ValueError
        If the text that tells where is not there.
    """
    texts: Texts = {}
    for addition in tomllib.loads((SKELETON / "lines.toml").read_text(encoding="utf-8"))["addition"]:
        path = ROOT / addition["file"]
        text = texts.get(path) or path.read_text(encoding="utf-8")  # a file may have several
        lines = fill(addition["lines"], name)
        mark = addition.get("before") or addition["after"]
        if text.count(mark) != 1:
            raise ValueError(f"{addition['file']}: given {text.count(mark)} times {mark!r}, expected it once")
        texts[path] = text.replace(mark, lines + mark if "before" in addition else mark + lines)
    return texts


def exporting_files(name: str) -> Texts:
    """Return the file that lists public names, with the operation's; imports are sorted later, by ruff."""
    stub = ROOT / "refwarp" / "__init__.pyi"
    return {stub: f"from .grids.{name} import {name} as {name}\n" + stub.read_text(encoding="utf-8")}


def names_in(source: str) -> set[str]:
    """Return all names in a program, keywords included."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def check(name: str) -> None:
    """Raise ValueError if a name is none for an operation, or is in use."""
    if not re.fullmatch("[a-z]+(_[a-z]+)*", name) or len(name) > LONGEST_NAME:
        expected = f"up to {LONGEST_NAME} lower-case letters, with underscores between words, such as wave_grid"
        raise ValueError(f"NAME: given {name!r}, expected {expected}")
    named = [path for room in ("refwarp", "docs") for path in sorted((ROOT / room).rglob("*")) if path.stem == name]
    exporting = [path for path in exporting_files(name) if f" {name}\n" in path.read_text(encoding="utf-8")]
    if used := [*named, *filter(Path.exists, new_files(name)), *exporting]:
        raise ValueError(f"NAME: given {name!r}, which is in use in {used[0].relative_to(ROOT)}, expected a new name")
    reserved = {*keyword.kwlist, *dir(builtins)}
    reserved = reserved.union(*(names_in(path.read_text(encoding="utf-8")) for path in FILES.rglob("*.py")))
    if reserved & {name, f"{name}_gradient", class_of(name), f"{class_of(name)}Gradient"}:
        raise ValueError(f"NAME: given {name!r}, a name of Python's or of the skeleton's own, expected another")
    if find_spec("ruff") is None:
        raise ValueError("ruff: not installed here, expected it, to format what is written; use make new-operation")


def formatted(path: Path, text: str) -> str:
    """Return a file's text as `make format` leaves it: lines wrapped, imports sorted."""
    if path.suffix in (".py", ".pyi"):
        for step in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
            command = [sys.executable, "-m", "ruff", *step, "--stdin-filename", str(path), "-"]
            text = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    """Write the files of a new operation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", help="of the public function and of its files, such as wave_grid")
    name = parser.parse_args().name
    try:
        check(name)
        texts = {**new_files(name), **extended_files(name), **exporting_files(name)}
    except ValueError as error:
        print(f"new-operation: {error}", file=sys.stderr)
        return 2
    texts = {path: formatted(path, text) for path, text in texts.items()}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    print(fill((SKELETON / "by_hand.txt").read_text(encoding="utf-8"), name), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
