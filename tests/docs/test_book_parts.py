"""The parts of the book's builder: formulas, tags, navigation, dead links; each flaw is refused."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]

SETTINGS = """
extensions = ["myst_parser", "docs.book.equations"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["toc.not_included"]
"""
CLEAN = '<!doctype html><a id="here" href="sub/b.html#there">b</a><img src="a.png">'


@pytest.fixture(scope="module")
def mathml():
    pytest.importorskip("latex2mathml")
    from docs.book import mathml

    return mathml


@pytest.mark.parametrize(
    ("tex", "parts"),
    [
        (r"\frac{1}{S}", "<mfrac>"),
        (r"|d|", '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>'),
        (r"\text{align\_corners}", "<mtext>align_corners</mtext>"),
        (r"\mathtt{abc}", '<mtext class="code">abc</mtext>'),
        (r"\{ 1 \}", "<mn>1</mn>"),
        (r"d = -1", '<mo form="prefix" lspace="0" rspace="0">&#x02212;</mo><mn>1</mn>'),
        (r"1 \le -d", '<mo form="prefix" lspace="0" rspace="0">&#x02212;</mo><mi>d</mi>'),
        (r"(a) - 1", "<mo>&#x02212;</mo><mn>1</mn>"),
    ],
)
def test_formulas_become_mathml(mathml, tex, parts):
    element = mathml.mathml(tex, block=True)
    assert element.startswith("<math ") and parts in element and 'display="block"' in element
    assert 'display="inline"' in mathml.mathml(tex, block=False)


@pytest.mark.parametrize(
    ("tex", "message"), [(r"\nosuch{a}", r"has \\nosuch, which is not known"), (r"\frac{1}{2", "braces do not match")]
)
def test_formulas_that_cannot_be_shown_are_refused(mathml, tex, message):
    with pytest.raises(ValueError, match=message):
        mathml.mathml(tex, block=True)


def test_tags_are_taken_off_their_formulas(mathml):
    assert mathml.split_tag(r"x = 1 \tag{linear\_basis.1}") == ("x = 1", "linear_basis.1")
    assert mathml.split_tag("x = 1") == ("x = 1", "")
    with pytest.raises(ValueError, match="one tag, and this one has a.1, a.2"):
        mathml.split_tag(r"x \tag{a.1} \tag{a.2}")


def test_the_navigation_is_what_the_front_page_lists():
    pytest.importorskip("sphinx")
    from docs.book.contents import chapters

    text = (
        "# t\n\n- [No](no.md)\n\n## One\n\n- [A page](a.md): b\n- [Other](../b.md)\n\n## No\n\n## Two\n\n- [C](c.md)\n"
    )
    assert chapters(text) == {"One": {"a": "A page", "../b": "Other"}, "Two": {"c": "C"}}
    listed = chapters((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    names = [name for pages in listed.values() for name in pages]
    assert len(names) == len(set(names)) and len(listed) == 4
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - set(names) == {"index"}


def test_every_public_name_is_documented():
    pytest.importorskip("sphinx")
    import autograd_core
    import refwarp
    from docs.book import reference

    names = reference.listed((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    public = {f"refwarp.{name}" for name in refwarp.__all__} - {"refwarp.kernel_functions"}
    assert public <= set(names) and len(names) == len(set(names))
    assert {name for name in names if name.startswith("autograd_core.")} <= {
        f"autograd_core.{name}" for name in autograd_core.__all__
    }
    for name in names:
        assert len(reference.markdown(name)) > 100, name
    text = reference.markdown("refwarp.grid_sample")
    assert "refwarp.grid_sample(\n    input,\n    grid,\n    mode='bilinear'," in text
    assert '- **padding_mode** ({"zeros", "border", "reflection"}): What is outside the map: nothing,' in text
    assert "[bilinear](bilinear.md)" in text and "----" not in text


def test_pages_of_operations_end_with_what_is_found_for_them():
    pytest.importorskip("sphinx")
    from docs.book import operations

    text = (ROOT / "docs" / "dense_decode.md").read_text(encoding="utf-8")
    assert operations.tags_of(text)[:5] == ["(DTN 4)", "(DTN 5)", "(DTN 6)", "(DTN 7)", "(decoder.1)"]
    page, content = "docs/dense_decode", [text]
    operations.append(None, page, content)
    added = content[0].removeprefix(text)
    assert re.findall("^## (.*)$", added, re.MULTILINE) == ["The code", "The proof", "What peers do", "Golden cases"]
    [row] = re.findall(r"^\| \(DTN 8\) \|.*$", added, re.MULTILINE)
    for name, line in re.findall(r"\]\(\.\./(refwarp/.*?)#L(\d+)\)", row):
        assert "(DTN 8)" in (ROOT / name).read_text(encoding="utf-8").splitlines()[int(line) - 1].partition("  # ")[2]
    assert len(operations.operations()) == 16
    for name in operations.operations():
        operations.append(None, f"docs/{name}", [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")])
    untouched = ["text"]
    operations.append(None, "docs/verify", untouched)
    assert untouched == ["text"]


def test_each_picture_is_drawn_on_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from docs.pictures.__main__ import PICTURES, main
    from refwarp.drawing.style import render

    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    for name in PICTURES:
        assert f"](images/{name}.png)" in pages and (ROOT / "docs" / "images" / f"{name}.png").is_file()
    assert render(PICTURES["nearest"], dots_per_inch=20).startswith(b"\x89PNG")
    assert main(["no_such_picture"]) == 2


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (("", ""), None),
        (("b.html#there", "c.html"), "a.html: the link sub/c.html leads to no file"),
        (("#there", "#here"), "a.html: the link sub/b.html#here leads to no anchor"),
        (('src="a.png"', 'src="c.png"'), "a.html: loads c.png, which does not exist"),
        (('src="a.png"', 'src="https://example.org/a.png"'), "a.html: loads https://example.org/a.png, which is not"),
        (('src="a.png"', 'src="/a.png"'), "a.html: loads /a.png, which is not in the site"),
        (("url(a.png)", "url(//example.org/f.woff)"), "a.css: loads //example.org/f.woff, which is not in the site"),
    ],
)
def test_dead_links_and_loads_from_outside_are_found(tmp_path, change, flaw):
    pytest.importorskip("sphinx")
    from docs.book.site import flaws

    files = {"a.html": CLEAN, "sub/b.html": '<p id="there"><a href="../a.html#here">', "a.css": "x{src:url(a.png)}"}
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace(*change) if change[0] else text, encoding="utf-8")
    found = flaws(tmp_path)
    assert found == [] if flaw is None else len(found) == 1 and found[0].startswith(flaw)


def build(folder, *pages):
    """Build pages with the extension for equations alone; return the exit code, and what was printed."""
    pytest.importorskip("sphinx")
    for name, text in zip(("index.md", "other.md"), pages, strict=False):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "conf.py").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", str(folder), str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_number_is_an_anchor_and_each_mention_of_it_a_link(tmp_path):
    one = "# A\n\n$$x = 1 \\tag{STN 7}$$\n\nBy (STN 7) and (other.1) and (no.1); `(STN 7)` is code.\n"
    two = "# B\n\nIn (STN 7), and\n\n    x (other.1)\n\nas in (other.1), (only.3), and again (only.3).\n"
    assert build(tmp_path, one, two) == (0, "")
    page, other = ((tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("index.html", "other.html"))
    assert len(re.findall('id="eq-stn-7"', page)) == 1 and page.count('href="#eq-stn-7"') == 2
    assert page.count('href="other.html#eq-other-1"') == 1 and "(no.1)" in page
    assert other.count('href="index.html#eq-stn-7"') == 1 and other.count('id="eq-other-1"') == 1
    assert other.count('href="#eq-other-1"') == 1
    assert other.count('id="eq-only-3"') == 1 and other.count('href="#eq-only-3"') == 1
    assert "STN 7" in (tmp_path / "out" / "searchindex.js").read_text(encoding="utf-8").upper()


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("# A\n\n$$x \\tag{a.1}$$\n\n$$y \\tag{a.1}$$\n", "(a.1) stands at two formulas"),
        ("# A\n\n$$x \\tag{a.1} \\tag{a.2}$$\n", "a formula has one tag"),
        ("# A\n\n$$\\nosuch{x}$$\n", "which is not known"),
        ("# A\n\nA $\\nosuch{x}$.\n", "which is not known"),
        ("# A\n\nA [link](nowhere.md).\n", "nowhere.md"),
    ],
)
def test_flaws_of_a_page_end_the_build(tmp_path, page, message):
    code, errors = build(tmp_path, page)
    assert code == 1 and message in errors
