"""No link is dead: in the repository, in the source distribution, and on the page of a package index."""

import re
import tomllib
from pathlib import Path

import pytest

import refwarp

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md") for path in ROOT.glob(pattern))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HATCH = PROJECT["tool"]["hatch"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text):
    """Return a page without its blocks of code and what stands in backticks: an index is no link."""
    text = re.sub(r"^ *(```|~~~).*?^ *\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """Return the anchors of the headings of a page, as they are commonly made."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    slugs = [
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    ]
    return [slug + f"-{slugs[:k].count(slug)}" * (slug in slugs[:k]) for k, slug in enumerate(slugs)]


def dead(page, target):
    """Return why a link of a page leads nowhere, or ""."""
    if re.match(r"[a-z]+:", target):
        return "" if target.startswith("https://") else "is no https address"
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return "leads to no file"
    if re.fullmatch(r"L\d+", anchor) and file.suffix == ".py":
        lines = len(file.read_text(encoding="utf-8").splitlines())
        return "" if int(anchor[1:]) <= lines else f"leads to no line; there are {lines}"
    if anchor and anchor not in anchors(file):
        return f"leads to no heading; there are {', '.join(anchors(file))}"
    in_sdist = any(file.is_relative_to(ROOT / name) for name in HATCH["build"]["targets"]["sdist"]["include"])
    return "" if in_sdist else "leads to a file that the source distribution lacks"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page):
    targets = LINK.findall(without_code(page.read_text(encoding="utf-8")))
    flaws = {target: dead(page, target) for target in targets}
    assert not {target: flaw for target, flaw in flaws.items() if flaw}


@pytest.mark.parametrize(
    ("target", "flaw"),
    [
        ("linearised.md", "leads to no file"),
        ("../../x.md", "leads to no file"),
        ("linearized.md#with-a-bias", "leads to no heading"),
        ("#no-such-heading", "leads to no heading"),
        ("../refwarp/__init__.py#L100000", "leads to no line"),
        ("http://example.org", "is no https address"),
        ("../.gitignore", "leads to a file that the source distribution lacks"),
    ],
)
def test_dead_links_are_found(target, flaw):
    assert dead(ROOT / "docs" / "bilinear.md", target).startswith(flaw)
    assert dead(ROOT / "docs" / "bilinear.md", "linearized.md#without-a-bias") == ""


def test_every_page_of_the_docs_is_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached:
            reached.add(page)
            for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
                path = target.partition("#")[0]
                if path.endswith(".md"):
                    todo.append((page.parent / path).resolve())
    assert reached >= {page for page in PAGES if page.parent in (ROOT, ROOT / "docs")} - {ROOT / "CHANGELOG.md"}


def test_each_operation_has_a_link_to_its_derivation():
    rows = re.findall(r"^\| (`[a-z_]+`.*?) \|.*\| (.*?) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(rows) >= 15
    for operations, links in rows:
        pages = [ROOT / target for target in LINK.findall(links)]
        text = "".join(page.read_text(encoding="utf-8") for page in pages)
        for name in re.findall(r"`([a-z_]+)`", operations):
            assert callable(getattr(refwarp, name)) and pages and name in text, name


def on_a_package_index():
    """Return README.md as the build writes it into the metadata."""
    hook = HATCH["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join(
        (ROOT / part["path"]).read_text(encoding="utf-8") if "path" in part else part["text"]
        for part in hook["fragments"]
    )
    for change in hook["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    return text


def test_on_a_package_index_the_readme_has_no_relative_link():
    """It names the files instead, all of them in the source distribution."""
    assert "readme" in PROJECT["project"]["dynamic"] and "readme" not in PROJECT["project"]
    readme, text = (ROOT / "README.md").read_text(encoding="utf-8"), on_a_package_index()
    targets = LINK.findall(without_code(readme))
    assert len(targets) > 20 and "](" in readme
    assert [target for target in LINK.findall(without_code(text)) if not target.startswith("https://")] == []
    assert "](" not in text.replace("](https://", "") and "[docs" not in text and "![" not in text
    for target in targets:
        assert f"`{target}`" in text or target.endswith(".png")
    # All else is as it was: what differs are lines with links, the picture's, and the closing sentence.
    kept = [line for line in readme.splitlines() if "](" not in line]
    assert set(kept) <= set(text.splitlines())


def test_twelve_questions_are_answered_in_three_steps_from_the_front_page():
    docs = ROOT / "docs"
    rows = re.findall(r"^\| ([^|]*\?) \| (\[.*) \|$", (docs / "questions.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 12
    front = LINK.findall((docs / "index.md").read_text(encoding="utf-8"))
    for question, path in rows:
        steps = LINK.findall(path)
        assert 1 <= len(steps) <= 3 and steps[0] in front, question
        for before, step in zip(steps, steps[1:], strict=False):
            page, _, anchor = step.partition("#")
            # A heading of the page that is open, or another page of the navigation.
            assert page in front and (page == before.partition("#")[0] or not anchor), question
