"""How much the golden suite sees: the kernels with one thing changed, again and again, and the share that it catches.

    python benchmarks/mutants.py [--source refwarp/samplers/bilinear/kernels.py ...] [--sample 200] [--out mutants.json]

In each function that is compiled (`@scalar`, `@kernel`), one operator, comparison, sign, constant or branch at a time
is changed. A mutant is killed if a golden case finds an answer that is not faithful, or the program fails or hangs.

Kernels first run as plain Python, in float64, which takes no compilation: each mutant in a process of its own, on
the cases that reach the mutated function (but for those on which plain Python itself is not faithful). What survives
is compiled, in a fresh Numba cache, and run in float32 and float64. Of what survives that, too, it is said whether
any bit of any result changed: a mutant that changes none is another way to write the same function, as far as the
cases can tell.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Longest that a mutant may take on its cases, in seconds: as plain Python, and compiled.
PATIENCE, COMPILED_PATIENCE = 60, 300

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
# A comparison changes at its boundary, and as a whole.
COMPARISONS: dict[type[ast.AST], tuple[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}


@dataclass(frozen=True)
class Mutant:
    """One change: in which file and function, at which line, what became of what."""

    source: str
    function: str
    line: int
    before: str
    after: str
    site: int
    variant: int


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: killed, by which case; or how it survived."""

    mutant: Mutant
    fate: str
    case: str = ""


def compiled_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Return the functions of a module that Numba compiles."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id in ("scalar", "kernel") for d in node.decorator_list)
    ]


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node can be changed to."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
        fields = {name: getattr(node, name) for name in node._fields}
        yield type(node)(**{**fields, "op": SWAPS[type(node.op)]()})
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        swaps = COMPARISONS.get(type(node.ops[0])) or (SWAPS.get(type(node.ops[0])),)
        for swap in swaps:
            if swap is not None:
                yield ast.Compare(node.left, [swap()], node.comparators)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)


def sites(function: ast.FunctionDef) -> list[ast.AST]:
    """Return the nodes of a function's body that can be changed, in a fixed order."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return [node for statement in body for node in ast.walk(statement) if next(changes(node), None) is not None]


def mutants(source: str) -> Iterator[Mutant]:
    """Yield all mutants of a file."""
    for function in compiled_functions(ast.parse((ROOT / source).read_text())):
        for site, node in enumerate(sites(function)):
            for variant, changed in enumerate(changes(node)):
                before, after = ast.unparse(node), ast.unparse(changed)
                yield Mutant(source, function.name, node.lineno, before, after, site, variant)


class Planted(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """Return the new node for the old one."""
        return self.new if node is self.old else self.generic_visit(node)


def mutated(mutant: Mutant) -> str:
    """Return the source of a mutant."""
    tree = ast.parse((ROOT / mutant.source).read_text())
    function = next(f for f in compiled_functions(tree) if f.name == mutant.function)
    old = sites(function)[mutant.site]
    new = list(changes(old))[mutant.variant]
    Planted(old, new).visit(function)
    return ast.unparse(ast.fix_missing_locations(tree))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a text in place of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = mutant.source.removesuffix(".py").replace("/", ".")
        self.path, self.text = str(ROOT / mutant.source), mutated(mutant)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Return ourselves as the loader of our module."""
        return importlib.util.spec_from_loader(fullname, self, origin=self.path) if fullname == self.name else None

    def get_filename(self, fullname: str) -> str:
        """Return the path of the file that is replaced."""
        return self.path

    def get_data(self, path: str) -> bytes:
        """Return the text."""
        return self.text.encode()


# ---- running a mutant ----


def results_of(cases: Sequence[Any], dtypes: Sequence[str], bits: dict[str, bytes] | None = None) -> Iterator[str]:
    """Yield the name of each case with an answer that is not faithful; keep a digest of the bits of each."""
    import hashlib

    import numpy as np

    from refwarp.golden.outcomes import Grade
    from refwarp.golden.targets import refwarp as own
    from refwarp.golden.targets.module import ModuleTarget
    from refwarp.golden.verify import Selection, verify

    class Recording(ModuleTarget):
        def run(self, function: str, given: Any, options: Any, *calling: Any) -> Any:
            reply = super().run(function, given, options, *calling)
            for array in reply.results:
                digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
            return reply

    target = Recording(own, "refwarp")
    for case in cases:
        digest = hashlib.sha256()
        with np.errstate(all="ignore"):
            found = verify([case], target, Selection(dtypes=dtypes))
        if bits is not None:
            bits[case.name] = digest.digest()
        if found.outcomes and found.grade != Grade.FAITHFUL:
            yield case.name


def in_child(work: Any, patience: int) -> tuple[str, Any]:
    """Run a function in a forked process and return ("done", its result), ("failed", why) or ("hung", "")."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        signal.alarm(patience)
        try:
            answer: tuple[str, Any] = ("done", work())
        except BaseException as error:  # whatever a mutant does to the program
            answer = ("failed", f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(content) if content else ("hung", "")


def reached(cases: Sequence[Any]) -> tuple[dict[str, set[tuple[str, str]]], dict[str, bytes], list[str]]:
    """Return for each case the functions that it runs and the bits of its results; and which ask for compiled code."""
    found: dict[str, set[tuple[str, str]]] = {}
    bits: dict[str, bytes] = {}
    unfit: list[str] = []
    for case in cases:
        seen: set[tuple[str, str]] = set()

        def note(frame: Any, event: str, _: Any, seen: set[tuple[str, str]] = seen) -> None:
            if event == "call":
                seen.add((frame.f_code.co_filename, frame.f_code.co_name))

        sys.setprofile(note)
        wrong = list(results_of([case], ["float64"], bits))
        sys.setprofile(None)
        unfit += wrong
        found[case.name] = seen
    return found, bits, unfit


def judged(mutant: Mutant, cases: Sequence[Any], bits: dict[str, bytes], unfit: Collection[str]) -> Verdict:
    """Run a mutant as plain Python on all cases that are fit for it, then, if it survives, compiled on all."""

    def plain() -> tuple[str, bool]:
        sys.meta_path.insert(0, Finder(mutant))
        mine: dict[str, bytes] = {}
        first = next(results_of([case for case in cases if case.name not in unfit], ["float64"], mine), "")
        return first, any(bits[name] != mine[name] for name in mine)

    how, found = in_child(plain, PATIENCE)
    if how != "done":
        return Verdict(mutant, "killed", found or how)
    first, changed = found
    if first:
        return Verdict(mutant, "killed", first)
    names = [case.name for case in cases]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "NUMBA_DISABLE_JIT": "0"}
        command = [sys.executable, __file__, "--compiled", json.dumps([asdict(mutant), names])]
        try:
            run = subprocess.run(command, env=environment, timeout=COMPILED_PATIENCE, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            return Verdict(mutant, "killed", "hung")
    if run.returncode:
        return Verdict(mutant, "killed", (run.stdout or run.stderr).strip().splitlines()[-1])
    return Verdict(mutant, "survived, bits change" if changed else "no bit changes" if names else "not reached")


def compiled(job: str) -> None:
    """Run one mutant compiled, on named cases; exit with 1 if it is killed."""
    from refwarp.golden import SUITE
    from refwarp.golden.format import read

    mutant, names = json.loads(job)
    sys.meta_path.insert(0, Finder(Mutant(**mutant)))
    cases = [case for case in read(SUITE).cases if case.name in set(names)]
    for name in results_of(cases, ["float32", "float64"]):
        sys.exit(print(name) or 1)


def main() -> None:
    """Run mutants and write what became of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", nargs="*", help="files to mutate; by default all with compiled functions")
    parser.add_argument("--sample", type=int, help="run so many mutants only, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON file for the verdicts")
    parser.add_argument("--compiled", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compiled:
        return compiled(arguments.compiled)
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "NUMBA_DISABLE_JIT": "1"})

    from rich.progress import track

    from refwarp.golden import SUITE
    from refwarp.golden.format import read

    rooms = [*ROOT.glob("refwarp/*.py"), *ROOT.glob("refwarp/grids/*.py"), *ROOT.glob("refwarp/samplers/*.py")]
    files = arguments.source or sorted(str(path.relative_to(ROOT)) for path in rooms)
    todo = [mutant for source in files for mutant in mutants(source)]
    if arguments.sample is not None and arguments.sample < len(todo):
        todo = random.Random(arguments.seed).sample(todo, arguments.sample)
    cases = sorted(read(SUITE).cases, key=lambda case: sum(array.size for array in case.inputs.values()))
    how, found = in_child(lambda: reached(cases), 3600)
    if how != "done":
        sys.exit(f"the kernels as they are: {found or how}")
    functions, bits, unfit = found
    print(f"{len(cases)} cases; in plain Python arithmetic not faithful, and left to compiled code: {unfit or 'none'}")
    verdicts = []
    for mutant in track(todo, "Mutants"):
        key = str(ROOT / mutant.source), mutant.function
        verdicts.append(judged(mutant, [case for case in cases if key in functions[case.name]], bits, unfit))
    fates = Counter(verdict.fate for verdict in verdicts)
    for verdict in verdicts:
        if verdict.fate != "killed":
            m = verdict.mutant
            print(f"{m.source}:{m.line} {m.function}: {m.before}  ->  {m.after}: {verdict.fate}")
    changing = len(todo) - fates["no bit changes"]
    print(f"{len(todo)} mutants, {dict(fates)}; killed of those that change a result: {fates['killed'] / changing:.1%}")
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")


if __name__ == "__main__":
    main()
