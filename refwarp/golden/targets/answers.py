"""Results that were computed elsewhere, as JSON; docs/verify.md describes it.

    {"format": "refwarp answers", "version": 1, "program": "...", "answers": [
    {"case": "...", "dtype": "float32", "outputs": {"forward/output": {"shape": [2, 3], "values": "0x1p+0 ..."}}},
    {"case": "...", "dtype": "float32", "refused": "..."}
    ]}

What cannot be read is a verdict on its case, and the other cases are judged all the same.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import MOST_ELEMENTS, Case
from refwarp.golden.format import FORMAT
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.manners import PLAIN, Calling
from refwarp.golden.operations import Call, choice, conventions
from refwarp.golden.outcomes import Reply
from refwarp.golden.reading import read_json
from refwarp.golden.targets.module import one_line
from refwarp.golden.targets.results import unknown_to_the_suite
from refwarp.golden.verify import DTYPES

ANSWERS = "refwarp answers"
VERSION = 1

_Answer = Mapping[str, Any]


class AnswersTarget:
    """A JSON file of answers, perhaps compressed by gzip.

    Parameters
    ----------
    path : str
        An existing file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no answers.
    """

    takes_arrays = selects_gradients = takes_threads = False

    def __init__(self, path: str) -> None:
        self.name = one_line(path)
        document = _read(path)
        self.version = one_line(document.get("program", ""))
        self._answers: dict[tuple[str, str], list[_Answer]] = {}
        strange = 0
        for answer in document["answers"]:
            known = isinstance(answer, dict) and isinstance(answer.get("case"), str) and answer.get("dtype") in DTYPES
            if known:
                self._answers.setdefault((answer["case"], answer["dtype"]), []).append(answer)
            strange += not known
        self._remark = f"{strange} of its answers have no case, or no dtype of {', '.join(DTYPES)}." if strange else ""
        self.dtypes: tuple[str, ...] = tuple(name for name in DTYPES if any(name == key[1] for key in self._answers))
        if not self.dtypes:
            raise ValueError(f"target: {path} holds no answer with a case and a dtype of {', '.join(DTYPES)}")

    def offers(self, function: str) -> bool:
        """Tell whether it may have results of a function: what it has not is missing."""
        return True

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions under which it has results of a case."""
        outputs = [answer.get("outputs") for answer in self._answers.get((case.name, dtype), [])]
        given = {str(path).partition(":")[2] for found in outputs if isinstance(found, dict) for path in found}
        return [name for name in conventions(case.operation, case.options) if name in given]

    def reply(
        self,
        case: Case,
        call: Call,
        dtype: str,
        options: Mapping[str, Any],
        layout: str = CONTIGUOUS,
        calling: Calling = PLAIN,
    ) -> Reply:
        """Read the results of one call."""
        answers = self._answers.get((case.name, dtype), [])
        if not answers:
            return Reply(missing="no answers in the file")
        if len(answers) > 1:
            return Reply(broken=f"has {len(answers)} answers in the file")
        outputs = answers[0].get("outputs", {})
        if "refused" in answers[0]:
            if outputs:
                return Reply(broken="says that the call was refused, and has results of it")
            return Reply(raised=f"refused: {one_line(answers[0]['refused'])}", refused=True)
        if not isinstance(outputs, dict):
            return Reply(broken=f"has outputs that are {type(outputs).__name__}, expected an object")
        convention = str(options.get(choice(case.operation, case.options), ""))
        stored = [outputs.get(f"{path}:{convention}", outputs.get(path)) for path in call.paths()]
        if all(entry is None for entry in stored):
            return Reply(missing="no answers in the file")
        return Reply(tuple("is not in the file" if entry is None else _array(entry, dtype) for entry in stored))

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Name what is in the file and not in the suite."""
        names = {case.name for case in cases}
        unknown = {name for name, _ in self._answers if name not in names}
        return [*([self._remark] if self._remark else []), *unknown_to_the_suite(sorted(unknown))]


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a document of answers."""
    try:
        document = read_json(path)
    except (ValueError, EOFError, RecursionError, MemoryError, zlib.error) as error:
        raise ValueError(f"target: {path} is no JSON that can be read ({one_line(error)})") from error
    if isinstance(document, dict) and document.get("format") == FORMAT:
        raise ValueError(f"target: {path} is a golden file; give it with --golden, and the answers as target")
    if not isinstance(document, dict) or document.get("format") != ANSWERS:
        raise ValueError(f'target: {path} is JSON but holds no answers; expected {{"format": "{ANSWERS}", ...}}')
    if type(document.get("version")) is not int or document["version"] != VERSION:
        raise ValueError(
            f"target: {path} has answers of version {one_line(document.get('version'))}, expected {VERSION}"
        )
    if not isinstance(document.get("answers"), list):
        raise ValueError(f"target: {path} has no list of answers")
    return document


def _array(entry: Any, dtype: str) -> npt.NDArray[Any] | str:
    """Return an output as an array, or what is wrong with it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("values"), str):
        return "is no array: expected its shape, and its values as a string"
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        return f"has the shape {one_line(shape)}, expected a list of lengths"
    words = entry["values"].split()
    if len(words) != math.prod(shape) or len(words) > MOST_ELEMENTS:
        return f"has {len(words)} numbers for the shape {one_line(shape)}"
    try:
        numbers = np.array([_number(word) for word in words], np.float64).reshape(shape)
    except ValueError as error:
        return one_line(error)
    with np.errstate(over="ignore"):
        return numbers.astype("float32" if dtype == "bfloat16" else dtype)


def _number(word: str) -> float:
    """Return a number as C's printf writes it: hexadecimal by %a, or decimal by %.17g.

    Examples
    --------
    >>> _number("0x1.8p+1"), _number("-3.25e2"), _number("-nan")
    (3.0, -325.0, nan)
    """
    digits = word.lstrip("+-").lower()
    try:
        if digits.startswith("0x"):
            return float.fromhex(word)
        return math.nan if digits.startswith("nan") else float(word)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"has {one_line(word)!r}, which is no number") from error
