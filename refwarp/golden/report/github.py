"""What a verification found, for GitHub's continuous integration: annotations of a run, and a summary of its step.

An annotation is a line in the output of a step, as GitHub documents "workflow commands". Of a step ten of each kind
are shown, so there is one for each operation that fails, at most.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from refwarp.golden.format import Golden
from refwarp.golden.outcomes import Verification
from refwarp.golden.report import asked, describe, determinism, lines, number, setting, summary

# The environment's variable that names the file of the summary.
SUMMARY = "GITHUB_STEP_SUMMARY"
_MOST_ANNOTATIONS = 10


def tell(verification: Verification, suite: Golden, stream: TextIO, path: str | None) -> None:
    """Write annotations into a stream, and append the summary to a file, if one is given.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    for line in commands(verification):
        stream.write(f"{line}\n")
    stream.flush()
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(document(verification, suite))


def commands(verification: Verification) -> list[str]:
    """Return lines that GitHub shows beside a run: an error for each operation that fails, and a notice."""
    smallest = verification.smallest_failures
    found = [_command("error", f"{operation} is wrong", describe(outcome)) for operation, outcome in smallest.items()]
    if len(found) > _MOST_ANNOTATIONS - 1:
        left = len(found) - (_MOST_ANNOTATIONS - 2)
        found = [*found[: _MOST_ANNOTATIONS - 2], _command("error", "More", f"{left} more operations are wrong.")]
    title = f"refwarp verify {verification.target}"
    if not smallest and not verification.passed:
        found.append(_command("error", title, summary(verification)))
    elif said := determinism(verification):
        found.append(_command("warning", title, said))
    return [*found, _command("notice", title, summary(verification))]


def _command(kind: str, title: str, message: str) -> str:
    """Return a workflow command, with what it gives a meaning escaped."""
    text = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    head = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={head}::{text}"


def document(verification: Verification, suite: Golden) -> str:
    """Return the summary of a step, in GitHub's Markdown."""
    verdict = "Passed" if verification.passed else "Failed"
    about = f"{verification.target} {verification.version}".strip()
    text = [f"## refwarp verify {_plain(about)}", "", f"**{verdict}.** {_plain(summary(verification))}", ""]
    text += [f"- {_plain(sentence)}" for sentence in verification.common]
    if said := determinism(verification):
        text += ["", _plain(said)]
    if smallest := verification.smallest_failures:
        text += ["", "Smallest failing case of each operation:", ""]
        text += [f"- {_plain(describe(outcome))}" for outcome in smallest.values()]
    head = ("operation", "dtype", "cases", "faithful", "working", "wrong", "error/budget")
    text += ["", "<details><summary>Operations</summary>", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for line in lines(verification, by_output=False):
        dtype = setting(line.dtype, line.layout, line.manner)
        counts = (line.cases, line.faithful, line.working, line.wrong)
        text.append(f"| {' | '.join([line.operation, dtype, *map(str, counts), number(line.worst)])} |")
    text += ["", "</details>", ""]
    if sampled := asked(verification):
        text += ["<details><summary>Memory layouts and manners of calling</summary>", ""]
        text += ["| | results | wrong | not repeatable | skipped calls |", f"|{' --- |' * 5}"]
        for row in sampled:
            text.append(f"| {row.way} | {row.calls} | {row.wrong} | {row.unrepeatable} | {row.skipped} |")
        text += ["", "</details>", ""]
    return "\n".join([*text, f"Suite {suite.digest[:16]}, {' '.join(verification.remarks)}".rstrip(", "), ""])


def _plain(text: str) -> str:
    """Return text in which Markdown and HTML see nothing but text."""
    for letter in "\\`*_[]<>|#":
        text = text.replace(letter, f"\\{letter}" if letter not in "<>" else {"<": "&lt;", ">": "&gt;"}[letter])
    return text.replace("\n", " ")
