"""Sphinx's settings for the book (`make book`)."""

import sys
from importlib.metadata import version as _version
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What this folder adds is imported as docs.book.
sys.path.insert(0, str(ROOT))

project = "refwarp"
author = "The refwarp developers"
copyright = "The refwarp developers"
version = release = _version("refwarp")

extensions = [
    "myst_parser",
    "docs.book.equations",
    "docs.book.sources",
    "docs.book.operations",
    "docs.book.reference",
    "docs.book.notebooks",
    "docs.book.contents",
    "docs.book.site",
]

# The pages lie in the site as the files lie in the repository, so that a link between them is the same in both.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "*.md", "experiments/**.md", "benchmarks/**.md"]
exclude_patterns = [".*", "**/.*", "site"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_labels = False
myst_dmath_allow_space = False
myst_dmath_allow_digits = False
myst_dmath_double_inline = True
myst_heading_anchors = 6
myst_url_schemes = ["https", "source"]

html_theme = "furo"
html_title = "refwarp"
html_math_renderer = "mathml"
html_static_path = ["book/static"]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"priority": 900})]
html_copy_source = False
html_show_sphinx = False
html_use_index = True
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
