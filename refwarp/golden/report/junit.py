"""What a verification found, as JUnit XML: a suite for each operation, a test for each case, dtype and way to call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from refwarp.golden.format import Golden
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.manners import ONCE
from refwarp.golden.outcomes import Outcome, Verification
from refwarp.golden.report import determinism, flaw, layouts, place, summary

# Characters that XML 1.0 cannot hold, not even escaped; exceptions may say anything.
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Test = tuple[str, str, str, str]


def document(verification: Verification, suite: Golden) -> str:
    """Return the report as XML."""
    outcomes: dict[_Test, list[Outcome]] = {}
    for outcome in (*verification.outcomes, *verification.sample):
        test = outcome.case.name, outcome.dtype, outcome.layout, outcome.manner
        outcomes.setdefault(test, []).append(outcome)
    skips: dict[_Test, list[str]] = {}
    for skip in (*verification.skipped, *verification.sample_skipped):
        for call in dict.fromkeys(skip.calls):
            skips.setdefault((*call, skip.layout, skip.manner), []).append(f"{skip.function}: {skip.reason}")
    tests = sorted(outcomes.keys() | skips.keys())
    root = ElementTree.Element("testsuites", name=f"refwarp verify {verification.target}")
    for operation in sorted({name.partition("/")[0] for name, *_ in tests}):
        node = ElementTree.SubElement(root, "testsuite", name=operation)
        properties = ElementTree.SubElement(node, "properties")
        for name, value in _properties(verification, suite).items():
            ElementTree.SubElement(properties, "property", name=name, value=_speakable(value))
        for test in (test for test in tests if test[0].partition("/")[0] == operation):
            _add_test(node, test, outcomes.get(test, []), skips.get(test, []), verification)
        _count(node)
    if not tests:  # or nobody would see that nothing ran
        node = ElementTree.SubElement(root, "testsuite", name="refwarp")
        test_node = ElementTree.SubElement(node, "testcase", classname="refwarp", name="any case")
        ElementTree.SubElement(test_node, "failure", message=summary(verification))
        _count(node)
    _count(root)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _properties(verification: Verification, suite: Golden) -> Mapping[str, str]:
    return {
        "target": f"{verification.target} {verification.version}".strip(),
        "profile": verification.profile.name,
        "required": verification.required.word,
        **({"layout": ", ".join(laid)} if (laid := layouts(verification)) else {}),
        "suite": suite.digest,
        **({"remarks": " ".join(verification.remarks)} if verification.remarks else {}),
        **({"common": "\n".join(verification.common)} if verification.common else {}),
        **({"determinism": said} if (said := determinism(verification)) else {}),
    }


def _add_test(
    node: ElementTree.Element, test: _Test, outcomes: list[Outcome], skips: list[str], verification: Verification
) -> None:
    name, dtype, layout, manner = test
    operation, _, what = name.partition("/")
    unusual = [way for way in (layout, manner) if way not in (CONTIGUOUS, ONCE, "")]
    place_in = ".".join([operation, dtype, *unusual])
    test_node = ElementTree.SubElement(node, "testcase", classname=place_in, name=what)
    failing = [outcome for outcome in outcomes if outcome.grade > verification.required]
    if failing:
        text = [f"{place(outcome)}: {flaw(outcome)}" for outcome in failing]
        message = _speakable(f"{failing[0].output}: {flaw(failing[0])}")
        failure = ElementTree.SubElement(test_node, "failure", message=message)
        failure.text = _speakable("\n".join([failing[0].case.comment, *text]))
    elif not outcomes:
        ElementTree.SubElement(test_node, "skipped", message=_speakable("; ".join(skips)))
    if outcomes and skips:
        ElementTree.SubElement(test_node, "system-out").text = _speakable("Skipped: " + "; ".join(skips))


def _count(node: ElementTree.Element) -> None:
    """Put the numbers of tests, failures and skips below a node into its attributes."""
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        node.set(attribute, str(sum(1 for _ in node.iter(tag))))
    node.set("errors", "0")


def _speakable(text: str) -> str:
    return _UNSPEAKABLE.sub("\ufffd", text)
