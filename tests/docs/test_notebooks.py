"""Pages of the book as notebooks: their cells of code run in order and print what they say."""

import ast
import contextlib
import io
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if ">>> " in path.read_text(encoding="utf-8"))


def code_of(name):
    """Return the cells of code of a page's notebook: their source, and what they are said to print."""
    pytest.importorskip("sphinx")
    from docs.book.notebooks import notebook

    book = json.loads(notebook((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")))
    assert book["nbformat"] == 4 and len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    found = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    return [("".join(one["source"]), "".join("".join(out["text"]) for out in one["outputs"])) for one in found]


def run(source, names):
    """Run a cell as Jupyter does: the value of its last expression is printed."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_cells_are_programs_without_prompts(name):
    cells = code_of(name)
    assert cells and all(">>>" not in source and ast.parse(source) for source, _ in cells)


@pytest.mark.parametrize("name", ["gradients", "bilinear", "affine", "separable", "dense_decode"])
def test_cells_print_what_the_page_says(name):
    names = {}
    for source, said in code_of(name):
        printed = run(source, names)
        assert not said or " ".join(printed.split()) == " ".join(said.split()), source


def test_text_and_code_keep_their_order():
    pytest.importorskip("sphinx")
    from docs.book.notebooks import cells

    text = "# A\n\n```python\n>>> a = 1\n>>> for k in (1, 2):\n...     print(k)\n1\n2\n>>> b = 2\n\n```\n\nEnd\n"
    kinds = [(cell["cell_type"], "".join(cell["source"])) for cell in cells(text)]
    code = "a = 1\nfor k in (1, 2):\n    print(k)"
    assert kinds == [("markdown", "# A"), ("code", code), ("code", "b = 2"), ("markdown", "End")]
    assert cells(text)[1]["outputs"][0]["text"] == ["1\n", "2\n"]
