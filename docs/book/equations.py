r"""Equations of the book: an anchor at each tag, a link wherever a tag is mentioned, an entry of the index.

A tag is defined where its formula is displayed (`\tag{...}`); failing that in a table, and failing that where it is
first mentioned on a page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from docs.book.mathml import mathml, split_tag

MENTION = re.compile(r"\(((?:[A-Z]+ \d+|[a-z_]+\.\d+))\)")
_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a tag may be defined; of several places the one with the lowest rank does."""

    rank: int
    page: str
    anchor: str


def anchor_of(tag: str) -> str:
    """Return the anchor of an equation, such as eq-dtn-10."""
    return "eq-" + re.sub(r"[^a-z0-9]+", "-", tag.lower())


def places(env: BuildEnvironment) -> dict[str, list[Place]]:
    """Return all places of each tag, by its name."""
    if not hasattr(env, "equation_places"):
        env.equation_places = {}  # type: ignore[attr-defined]
    return env.equation_places  # type: ignore[attr-defined, no-any-return]


def definition(env: BuildEnvironment, tag: str) -> Place | None:
    """Return where a tag is defined."""
    return min(places(env).get(tag, []), default=None)


def _mentions(document: nodes.document) -> Iterator[tuple[nodes.Text, int]]:
    """Yield the text in which tags are looked for, with the rank of its place."""
    for text in document.findall(nodes.Text):
        above: nodes.Node | None = text.parent
        rank = 2
        while above is not None:
            if isinstance(above, nodes.literal | nodes.literal_block | nodes.reference | nodes.title | nodes.math_block
                          | nodes.math | addnodes.pending_xref):  # fmt: skip
                rank = -1
                break
            rank = 1 if isinstance(above, nodes.entry) else rank
            above = above.parent
        if rank > 0:
            yield text, rank


class Equations(SphinxTransform):
    """Gives displayed formulas their anchors, and finds where tags are mentioned."""

    default_priority = 880

    def apply(self, **kwargs: Any) -> None:
        """Change one page."""
        for formula in list(self.document.findall(nodes.math_block)):
            try:
                formula["tex"], tag = split_tag(formula.astext())
            except ValueError as error:
                _log.warning("%s", error, location=formula)
                continue
            formula.clear()
            formula += nodes.Text(formula["tex"])
            if tag:
                self._define(formula, tag)
        known = places(self.env)
        for block in self.document.findall(nodes.literal_block):
            for tag in MENTION.findall(block.astext()):
                place = Place(1, self.env.docname, anchor_of(tag))
                known.setdefault(tag, []).append(place)
                block["ids"].append(place.anchor)
                self.document.ids[place.anchor] = block
        for text, rank in list(_mentions(self.document)):
            for tag in MENTION.findall(text.astext()):
                seen = known.setdefault(tag, [])
                if not any(place.page == self.env.docname for place in seen):
                    seen.append(Place(rank, self.env.docname, anchor_of(tag)))

    def _define(self, formula: nodes.math_block, tag: str) -> None:
        """Give a formula its anchor, and an entry of the index and of the search."""
        seen = places(self.env).setdefault(tag, [])
        if any(place.rank == 0 for place in seen):
            _log.warning("the tag (%s) stands at two formulas; give one of them another", tag, location=formula)
            return
        place = Place(0, self.env.docname, anchor_of(tag))
        seen.append(place)
        formula["tag"] = tag
        formula["ids"].append(place.anchor)
        entry = addnodes.index(entries=[("single", tag, place.anchor, "main", None)])
        formula.parent.insert(formula.parent.index(formula), entry)


def link_mentions(app: Sphinx, document: nodes.document, page: str) -> None:
    """Turn each mention of a tag into a link, or into the anchor, where no formula is displayed."""
    for text, _ in list(_mentions(document)):
        pieces: list[nodes.Node] = []
        end = 0
        for found in MENTION.finditer(text.astext()):
            place = definition(app.env, found[1])
            if place is None:
                continue
            pieces.append(nodes.Text(text.astext()[end : found.start()]))
            mention = nodes.inline(found[0], found[0], classes=["mention"])
            if place.rank > 0 and place.page == page and place.anchor not in document.ids:
                mention["ids"].append(place.anchor)
                document.ids[place.anchor] = mention
                pieces.append(mention)
            else:
                uri = app.builder.get_relative_uri(page, place.page) if place.page != page else ""
                link = nodes.reference("", "", mention, internal=True, refuri=f"{uri}#{place.anchor}")
                pieces.append(link)
            end = found.end()
        if pieces:
            pieces.append(nodes.Text(text.astext()[end:]))
            text.parent.replace(text, pieces)


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """Drop what a page defined, before it is read again."""
    for tag, seen in places(env).items():
        places(env)[tag] = [place for place in seen if place.page != page]


def _element(self: HTML5Translator, node: nodes.Node, tex: str, block: bool) -> str:
    try:
        return mathml(tex, block)
    except ValueError as error:
        _log.warning("%s", error, location=node)
        return f"<code>{html.escape(tex)}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a sentence."""
    self.body.append(_element(self, node, node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number as a link to itself."""
    # Furo puts formulas into a container that has their anchor already.
    ids = [anchor for anchor in node["ids"] if anchor not in node.parent.get("ids", [])]
    self.body.append(self.starttag({"classes": [], "ids": ids}, "div", CLASS="formula"))  # type: ignore[arg-type]
    self.body.append(
        f'<div class="formula-body">{_element(self, node, node.get("tex", node.astext()), block=True)}</div>'
    )
    if "tag" in node:
        address = anchor_of(node["tag"])
        self.body.append(f'<a class="tag" href="#{address}" title="Link to this equation">({node["tag"]})</a>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_transform(Equations)
    app.connect("doctree-resolved", link_mentions)
    app.connect("env-purge-doc", forget)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": False, "parallel_write_safe": True}
