"""No line of a sentence begins like an item of a list or a quotation, which Markdown would make of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md") for path in ROOT.glob(pattern))
MARK = re.compile(r" *(>|[-+*] |=+ *$)")


def broken(text):
    """Return the lines that begin with a mark in the middle of a paragraph."""
    text = re.sub(r"^( *)(```|~~~).*?^ *\2|\$\$.*?\$\$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = ["", *text.splitlines()]
    return [
        line
        for before, line in zip(lines, lines[1:], strict=False)
        if MARK.match(line) and before.strip() and not re.match(r" *[-+*>] |  |\d+\. ", before)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_sentence_turns_into_a_list(page):
    assert broken(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ["where x = (t + W\n- 1)/2", "written out, k\n>= 3", "a\n+ b", "a\n===", "*a*\n* b"])
def test_such_lines_are_found(text):
    assert len(broken(text)) == 1
    assert broken(text.replace("\n", "\n\n")) == [] and broken(f"```\n{text}\n```") == []
    assert broken("- a\n- b\n  c\n- d") == []
