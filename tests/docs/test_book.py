"""The book as a site: it is built without a warning, and a browser shows all of it, without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Where the site lies on the server: nothing in it may take the server's root for its own.
UNDER = "some/where"

# A page beside the site, which opens page after page in a frame of some width and writes down what is there.
PROBE = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const found = {};
function look(frame) {
  const page = frame.contentDocument;
  const formulas = [...page.querySelectorAll("math")];
  return {
    formulas: formulas.length,
    empty: formulas.filter((one) => one.getBoundingClientRect().width < 2).length,
    font: page.fonts.check('16px Formulas') && formulas.length > 0,
    wider: page.scrollingElement.scrollWidth - page.documentElement.clientWidth,
    raw: /\\$\\$|\\\\frac|\\\\tag/.test(page.querySelector("article").innerText),
  };
}
async function all() {
  for (const name of NAMES) {
    const frame = document.createElement("iframe");
    frame.width = WIDTH;
    frame.height = 900;
    const loaded = new Promise((done) => { frame.onload = done; });
    frame.src = "some/where/" + name;
    document.body.append(frame);
    await loaded;
    await frame.contentDocument.fonts.ready;
    found[name] = look(frame);
    frame.remove();
  }
  document.getElementById("found").textContent = JSON.stringify(found);
}
all();
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """A server that prints nothing."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book, built as `make book` builds it; a warning ends it."""
    for module in ("sphinx", "myst_parser", "furo", "latex2mathml", "ziamath"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("book") / UNDER
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "sphinx", "-E", "-W", "-q", "-c", "docs", ".", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browse():
    """Return a function that opens an address, and returns the page and what the console says."""
    found = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed")

    def run(address, milliseconds=5000):
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
        command = [found, *options, f"--virtual-time-budget={milliseconds}", address]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


def formulas(text):
    """Return how many formulas a page in Markdown has, outside of its code."""
    text = re.sub(r"^ *(```|~~~).*?^ *\1", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    blocks = re.findall(r"\$\$.+?\$\$", text, re.DOTALL)
    return len(blocks) + len(re.findall(r"\$[^$]+\$", re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL)))


def test_each_number_of_an_equation_is_an_anchor(site):
    tags = 0
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = (site / path.relative_to(ROOT).with_suffix(".html")).read_text(encoding="utf-8")
        for tag in re.findall(r"\\tag\{(.*?)\}", path.read_text(encoding="utf-8")):
            tags += 1
            anchor = "eq-" + tag.replace("\\_", "-").replace(" ", "-").replace(".", "-").replace("_", "-").lower()
            assert page.count(f'id="{anchor}"') == 1, tag
            assert f'href="#{anchor}"' in page
    assert tags > 100


def test_links_to_code_lead_to_its_lines(site):
    page = (site / "docs" / "equations.html").read_text(encoding="utf-8")
    links = re.findall(r'href="\.\./(refwarp/[^"#]*\.py)\.html#L(\d+)"', page)
    assert len(links) > 100
    for name, line in links:
        code = (ROOT / name).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        shown = (site / f"{name}.html").read_text(encoding="utf-8")
        [row] = re.findall(rf'<span class="line" id="L{line}">(.*)</span>', shown)
        words = re.findall(r"[a-z]{3,}", re.sub(r"\(.*", "", code))
        assert all(word in re.sub("<[^>]*>", "", row) for word in words)


def test_a_tag_in_the_code_leads_to_its_derivation(site):
    code = (site / "refwarp" / "samplers" / "dense_decode" / "kernels.py.html").read_text(encoding="utf-8")
    assert 'href="../../../docs/dense_decode.html#eq-dtn-7"' in code


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_shows_its_formulas_and_is_no_wider_than_the_screen(site, browse, width):
    names = [path.relative_to(site).as_posix() for path in sorted((site / "docs").rglob("*.html"))]
    assert len(names) > 30
    probe = site.parents[1] / "probe.html"
    probe.write_text(PROBE.replace("NAMES", json.dumps(names)).replace("WIDTH", str(width)), encoding="utf-8")
    handler = partial(Quiet, directory=str(site.parents[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown, console = browse(f"http://127.0.0.1:{server.server_port}/probe.html", 60000)
        server.shutdown()
    assert console == []
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)[1])
    assert sorted(found) == sorted(names)
    flaws = {}
    for name, page in found.items():
        source = (ROOT / name).with_suffix(".md").read_text(encoding="utf-8")
        wanted = {"formulas": formulas(source), "empty": 0, "font": page["formulas"] > 0, "wider": 0, "raw": False}
        if page != wanted:
            flaws[name] = page, wanted
    assert flaws == {}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [("DTN+10", "docs/dense_decode.html#eq-dtn-10"), ("horizon", "docs/projective.html")],
)
def test_the_search_finds_it_first_in_a_file(site, browse, query, wanted):
    page, console = browse(f"file://{site}/search.html?q={query}")
    results = re.search(r'<ul role="list" class="search">(.*?)</ul>', page, re.DOTALL)[1]
    assert re.search(r'href="(.*?)"', results)[1] == wanted
    assert console == []


@pytest.mark.parametrize(
    "name", ["index", "docs/index", "docs/dense_decode", "docs/equations", "refwarp/samplers/bilinear/kernels.py"]
)
def test_pages_open_as_files(site, browse, name):
    page, console = browse(f"file://{site}/{name}.html")
    assert console == [] and "<h1>" in page
