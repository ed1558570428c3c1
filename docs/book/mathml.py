"""Formulas as MathML, which browsers show without a script and without a network."""

from __future__ import annotations

import re

from latex2mathml.converter import convert

TAG = re.compile(r"\\tag\{([^}]*)\}")

# Operators that the converter leaves with the spacing of a relation or of an infix, and the spacing that TeX has.
_SPACING = {
    '<mo stretchy="false">&#x0007C;</mo>': '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>',
    '<mo fence="false" stretchy="false">&#x02016;</mo>': '<mo stretchy="false" lspace="0" rspace="0">&#x02016;</mo>',
    "<mo>/</mo>": '<mo lspace="0" rspace="0">/</mo>',
    "<mo>&#x0002F;</mo>": '<mo lspace="0" rspace="0">/</mo>',
    **{
        f"<mi>{name}</mi>": f'<mo form="prefix" lspace="0.167em" rspace="0.167em">{name}</mo>'
        for name in ("ln", "log", "sin", "cos", "exp")
    },
    "<mo>max</mo>": '<mo lspace="0.167em" rspace="0">max</mo>',
    "<mo>min</mo>": '<mo lspace="0.167em" rspace="0">min</mo>',
}
# A minus behind an operator that ends no operand: none of ) ] } | and the like.
_SIGN = re.compile(
    r"(<mo[^>]*>(?:&#x000(?:3D|2C|28|5B|3C|3E|2B);|[=,(\[+]|&[lg]t;|&#x022(?:64|65|C5);|&#x0226[45];)</mo>)"
    r"<mo>&#x02212;</mo>"
)


def split_tag(tex: str) -> tuple[str, str]:
    r"""Return a formula without its `\tag{...}`, and the tag, or "" where it has none."""
    tags = TAG.findall(tex)
    if len(tags) > 1:
        raise ValueError(f"a formula has one tag, and this one has {', '.join(tags)}; write two formulas")
    return TAG.sub("", tex).strip(), tags[0].replace(r"\_", "_") if tags else ""


def mathml(tex: str, block: bool) -> str:
    """Return a formula, written in LaTeX and without a tag, as a `<math>` element.

    Raises ValueError if it has a command that the converter does not know, or braces that do not match.
    """
    bare = re.sub(r"\\[{}]", "", tex)
    if bare.count("{") != bare.count("}"):
        raise ValueError(f"braces do not match in the formula {tex!r}")
    # Inside \text the converter would print the backslash that underlines have for TeX.
    element = convert(tex.replace(r"\_", "_"), display="block" if block else "inline")
    unknown = re.findall(r"\\[a-zA-Z]+|\\.", element)
    if unknown:
        raise ValueError(f"the formula {tex!r} has {unknown[0]}, which is not known; write it in other commands")
    for given, wanted in _SPACING.items():
        element = element.replace(given, wanted)
    # A sign behind an operator, as in d = -1, is no difference.
    element = _SIGN.sub(r'\1<mo form="prefix" lspace="0" rspace="0">&#x02212;</mo>', element)
    # Browsers no longer know mathvariant="monospace".
    element = re.sub(
        r'(?:<mi mathvariant="monospace">[^<]*</mi>)+',
        lambda found: f'<mtext class="code">{re.sub("<[^>]*>", "", found[0])}</mtext>',
        element,
    )
    return element
