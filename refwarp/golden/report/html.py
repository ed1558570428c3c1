"""What a verification found, as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from html import escape

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.flags import FLAGS
from refwarp.golden.format import Golden
from refwarp.golden.manners import MANNERS, ONCE
from refwarp.golden.outcomes import Outcome, Verification
from refwarp.golden.report import asked, determinism, flaw, layouts, lines, number, place, run, setting, summary
from refwarp.golden.report.pictures import CLASSES, pictures

# A page stays small however much fails: so many cases of each operation with all that is known, the rest by name;
# and of each case one outcome for each output.
_MOST_CASES = 4
# A small map is drawn this wide.
_PIXELS = 150

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --muted: #59636e; --line: #d8dee4; --tint: #f6f8fa;
  --good: #00734f; --bad: #b34700; --link: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e6e9ed; --muted: #9aa4af; --line: #333a43;
  --tint: #1d2229; --good: #4cc9a0; --bad: #ff9a57; --link: #6cb8ec; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 1rem 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0; }
a { color: var(--link); }
.lead, dt, figcaption, .legend { color: var(--muted); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .28rem .9rem .28rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .88em; }
pre { background: var(--tint); padding: .5rem .7rem; margin: .3rem 0; overflow-x: auto; border-radius: .3rem; }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1.1rem; margin: 1rem 0; }
article p { margin: .4rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: .5rem 0; }
dd { margin: 0; }
.maps { display: flex; flex-wrap: wrap; gap: .8rem; margin: .5rem 0 .9rem; }
figure { margin: 0; }
figure img { display: block; image-rendering: pixelated; border: 1px solid var(--line); }
figcaption { font-size: .85rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .35em; border: 1px solid var(--line);
  vertical-align: -.1em; }
summary { cursor: pointer; color: var(--muted); }
summary h2 { display: inline-block; margin: 1rem 0 .4rem; padding: 0; border: 0; color: var(--ink); }
"""


def page(verification: Verification, suite: Golden) -> str:
    """Return the whole page."""
    title = f"refwarp verify {verification.target}"
    parts = (_common, _failing, _sample, _table, _skipped)
    sections = (_opening(verification, suite, title), *(part(verification) for part in parts))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _opening(verification: Verification, suite: Golden, title: str) -> str:
    verdict = "Passed" if verification.passed else "Failed"
    facts = {
        "Target": f"{verification.target} {verification.version}".strip(),
        "Profile": f"{verification.profile.name}: {verification.profile.description}",
        "Required": verification.required.word,
        **({"Memory layout": ", ".join(laid)} if (laid := layouts(verification)) else {}),
        "Suite": f"{len(suite.cases)} cases by generator {suite.generator}, digest {suite.digest}",
    }
    return (
        f'<h1>{escape(title)}</h1>\n<p><span class="{"good" if verification.passed else "bad"}">{verdict}.</span> '
        f"{escape(summary(verification))}</p>\n{_facts(facts)}"
    )


def _facts(facts: dict[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items()) + "</dl>"


def _common(verification: Verification) -> str:
    found = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in verification.common)
    said = determinism(verification)
    common = f"<h2>What failures have in common</h2>\n<ul>\n{found}\n</ul>" if found else ""
    return common + (f"\n<p>{escape(said)}</p>" if said else "")


def _folded(title: str, content: str, verification: Verification) -> str:
    """Return a part that is folded away, unless all has passed, and it is what there is to see."""
    unfolded = " open" if verification.passed else ""
    return f"<details{unfolded}><summary><h2>{title}</h2></summary>\n{content}\n</details>"


def _sample(verification: Verification) -> str:
    found = asked(verification)
    if not found:
        return ""
    rows = []
    for line in found:
        counts = "".join(
            f'<td class="number">{count or "–"}</td>'
            for count in (line.calls, line.wrong, line.unrepeatable, line.skipped)
        )
        first = escape(place(line.first)) if line.first else ""
        described = MANNERS[line.manner].description if line.manner != ONCE else ""
        rows.append(f"<tr><td>{line.way}</td>{counts}<td>{first}</td><td>{described}</td></tr>")
    head = "".join(f"<th>{cell}</th>" for cell in ("", "results", "wrong", "not repeatable", "skipped", "first", ""))
    table = (
        "<p>A few cases of each operation in other memory layouts, and called in other manners.</p>\n"
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody>\n'
        "</table></div>"
    )
    return _folded("Memory layouts and manners of calling", table, verification)


def _table(verification: Verification) -> str:
    detailed = {case.name for case in _detailed(verification)}
    head = ("operation", "dtype", "cases", "faithful", "working", "wrong", "error/budget", "smallest failing case")
    rows = []
    for line in lines(verification, by_output=False):
        first = ""
        if line.first is not None:
            name = escape(line.first.case.name.partition("/")[2])
            link = f'<a href="#{escape(line.first.case.name)}">{name}</a>'
            first = f"{link if line.first.case.name in detailed else name}: {escape(line.first.case.comment)}"
        counts = (str(count) if count else "–" for count in (line.cases, line.faithful, line.working, line.wrong))
        places = (f"<code>{line.operation}</code>", setting(line.dtype, line.layout, line.manner))
        rows.append((*places, *counts, number(line.worst), first))
    if not rows:
        return ""

    def row(cells: Iterable[str], tag: str) -> str:
        kinds = ("", "", *[' class="number"'] * 5, "")
        marked = (f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(marked)}</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    table = (
        "<p>Cases by their worst grade, and the worst error as a share of its budget.</p>\n"
        f'<div class="scroll"><table>\n<thead>{row(head, "th")}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )
    return _folded("Operations", table, verification)


def _skipped(verification: Verification) -> str:
    skips = [
        f"<li>{skip.count} calls of <code>{escape(skip.function)}</code>"
        f"{escape(setting('', skip.layout, skip.manner))}: {escape(skip.reason)}.</li>"
        for skip in verification.skipped
    ]
    remarks = "\n".join(f"<p>{escape(remark)}</p>" for remark in verification.remarks)
    listed = _folded("Skipped", f"<ul>\n{chr(10).join(skips)}\n</ul>", verification) if skips else ""
    return f"{listed}\n{remarks}"


# ---- failing cases ----


def _failing(verification: Verification) -> str:
    failing: dict[str, list[Outcome]] = {}
    for outcome in verification.failures:
        failing.setdefault(outcome.case.name, []).append(outcome)
    if not failing:
        return ""
    detailed = _detailed(verification)
    rest = sorted(failing.keys() - {case.name for case in detailed})
    articles = "\n".join(_article(case, failing[case.name]) for case in detailed)
    legend = "".join(f'<span><i style="background:{colour}"></i>{name}</span>' for name, colour in CLASSES)
    more = ""
    if rest:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in rest)
        more = f"<details><summary>{len(rest)} more cases fail</summary><p>{names}</p></details>"
    return (
        f"<h2>Failing cases</h2>\n<p>The {_MOST_CASES} smallest of each operation. A picture shows one map of an "
        "output, one pixel for each element (of a large one, for the worst of a block), in the colour of its "
        "error:</p>\n"
        f'<p class="legend">{legend}</p>\n{articles}\n{more}'
    )


def _detailed(verification: Verification) -> list[Case]:
    """Return the failing cases that are shown with all that is known."""
    cases = {outcome.case.name: outcome.case for outcome in verification.failures}
    shown: dict[str, list[Case]] = {}
    for case in cases.values():
        shown.setdefault(case.operation, []).append(case)
    return [case for found in shown.values() for case in found[:_MOST_CASES]]


def _article(case: Case, outcomes: list[Outcome]) -> str:
    by_output: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_output.setdefault(outcome.output, []).append(outcome)
    flags = "<br>".join(_flag(flag) for flag in case.flags)
    options = ", ".join(f"{name}={json.dumps(value)}" for name, value in case.options.items())
    with np.printoptions(threshold=64, linewidth=100):
        inputs = "".join(f"<pre>{name} {list(a.shape)}\n{escape(str(a))}</pre>" for name, a in case.inputs.items())
        found = "\n".join(_outcome(*group) for group in by_output.values())
    return (
        f'<article id="{escape(case.name)}">\n<h3>{escape(case.name)}</h3>\n<p>{escape(case.comment)}</p>\n'
        f"<dl><dt>Flags</dt><dd>{flags}</dd><dt>Options</dt><dd><code>{escape(options)}</code></dd></dl>\n"
        f"{found}\n<details><summary>Inputs</summary>{inputs}</details>\n</article>"
    )


def _flag(name: str) -> str:
    flag = FLAGS.get(name)
    if flag is None:  # of a golden file that another version made
        return escape(name)
    threads = re.findall(r"[\w.-]+\.\w+/[\w./#-]*\w", flag.thread)
    links = "".join(f' <a href="https://{escape(thread)}">{escape(thread)}</a>' for thread in threads)
    return f"{escape(name)} ({flag.kind.lower().replace('_', ' ')}): {escape(flag.description)}{links}"


def _outcome(outcome: Outcome, *others: Outcome) -> str:
    """Return what is wrong with an output, and in which other runs something is."""
    also = f" It also fails in {', '.join(escape(run(other)) for other in others)}." if others else ""
    line = (
        f"<p><code>{outcome.output}</code> in {escape(run(outcome))}: "
        f'<span class="bad">{outcome.grade.word}</span>, {escape(flaw(outcome))}.{also}</p>'
    )
    if outcome.result is None or outcome.shares is None:
        return line
    found, count = pictures(outcome.output, outcome.shares)
    figures = "".join(_figure(picture.where, picture.width, picture.height, picture.png) for picture in found)
    rest = f"<figcaption>and {count - len(found)} more maps</figcaption>" if count > len(found) else ""
    return f'{line}\n<div class="maps">{figures}{rest}</div>\n{_values(outcome)}'


def _figure(where: str, width: int, height: int, png: bytes) -> str:
    scale = max(1, min(24, _PIXELS // max(width, height)))
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img width="{width * scale}" height="{height * scale}" src="data:image/png;base64,{data}" '
        f'alt="The error at [{where}]"><figcaption>[{where}]</figcaption></figure>'
    )


def _values(outcome: Outcome) -> str:
    """Return what was returned and what was expected, folded away."""
    truths = outcome.case.conventions(outcome.output).items()
    expected = [
        (f"expected {name}".strip(), truth.elements["value"])
        for name, truth in truths
        if outcome.convention in ("", name) or not name
    ]
    values = [("returned", outcome.result), *expected]
    arrays = "".join(f"<pre>{name}\n{escape(str(array))}</pre>" for name, array in values)
    return f"<details><summary>Values</summary>{arrays}</details>"
