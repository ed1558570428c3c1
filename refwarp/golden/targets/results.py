"""Results that were computed elsewhere, in a file; docs/verify.md describes its layout.

    /<dtype>/<operation>/<case>/<part>/<output>               the array that was computed in that dtype
    /<dtype>/<operation>/<case>/<part>/<output>:<convention>  the same, where a convention decides
    /<dtype>/<operation>/<case>                               with the attribute `refused`, if the call was

Whatever writes no scalars, as netCDF and MATLAB, may write arrays of one element for them, numbers and text alike.
Nothing in the file is believed, followed out of the file, unpickled or executed. What cannot be read is a verdict on
its case, and the other cases are judged all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from refwarp.golden.case import MOST_ELEMENTS, Case
from refwarp.golden.manners import PLAIN, Calling
from refwarp.golden.operations import OPERATIONS, Call, choice, conventions
from refwarp.golden.outcomes import Reply
from refwarp.golden.targets.module import one_line
from refwarp.golden.verify import DTYPES
from refwarp.hdf5 import member, open_hdf5

# A remark names no more than this.
_MOST_NAMES = 5
# Slashes in the path of a result below its dtype, as operation/case/part/output.
_DEPTH = 3


class ResultsTarget:
    """An HDF5 file with a group for each dtype.

    Parameters
    ----------
    path : str
        An existing file.

    Raises
    ------
    OSError, ValueError
        As `refwarp.hdf5.open_hdf5` does; or if it holds no results.
    """

    takes_arrays = selects_gradients = takes_threads = False

    def __init__(self, path: str) -> None:
        self.name = one_line(path)
        try:
            self._file = open_hdf5(path)
        except (OSError, ValueError) as error:
            raise type(error)(f"target: {error}") from error
        try:
            self._take_top(path)
        except BaseException:
            self.close()
            raise

    def _take_top(self, path: str) -> None:
        """Find out what version and dtypes there are; raise ValueError if nothing can be judged."""
        try:
            top = _listed(self._file)
        except Exception as error:  # what h5py raises on broken files is as varied as the damage; here and below
            raise ValueError(f"target: {path} is damaged ({one_line(error)})") from error
        self.version, self._remark = self._read_version()
        self.dtypes: tuple[str, ...] = tuple(dtype for dtype in DTYPES if dtype in top)
        if not self.dtypes:
            found = ", ".join(map(one_line, top[:_MOST_NAMES])) or "nothing"
            raise ValueError(
                f"target: {path} holds {found} at its top, expected a group for each dtype, "
                "as in /float32/<operation>/<case>/<part>/<output>"
            )
        broken = []
        for dtype in self.dtypes:
            try:
                _group(self._file, dtype)
            except Exception as error:
                broken.append(one_line(error))
        if len(broken) == len(self.dtypes):  # of some, `reply` says so
            raise ValueError(f"target: {path} holds no results that can be read ({broken[0]})")

    def _read_version(self) -> tuple[str, str]:
        """Return the version that the file says it is of, and a remark if it cannot be told."""
        try:
            if "version" not in self._file.attrs:
                return "", ""
            return _text(self._file.attrs["version"]), ""
        except Exception as error:
            return "", f"The attribute `version` of the file cannot be read ({one_line(error)})."

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def offers(self, function: str) -> bool:
        """Return True: what there is turns out case by case."""
        return True

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions for which the file has results of a case."""
        given = {output.partition(":")[2] for _, output in self._outputs(f"{dtype}/{case.name}")}
        return [name for name in conventions(case.operation, case.options) if name in given]

    def reply(
        self,
        case: Case,
        call: Call,
        dtype: str,
        options: Mapping[str, Any],
        layout: str = "",
        calling: Calling = PLAIN,
    ) -> Reply:
        """Read the results of one call."""
        convention = str(options.get(choice(case.operation, case.options), ""))
        try:
            group = _group(self._file, f"{dtype}/{case.name}")
            if group is not None and "refused" in group.attrs:
                if list(group):
                    return Reply(broken="says that the call was refused, and has results of it")
                return Reply(raised=f"refused: {_text(group.attrs['refused'])}", refused=True)
            part = None if group is None else _group(group, call.part)
            results = [] if part is None else [_read(part, output, convention) for output in call.outputs]
            results = [_without_axes(case, path, found) for path, found in zip(call.paths(), results, strict=False)]
        except Exception as error:
            return Reply(broken=f"cannot be read from the file ({one_line(error)})")
        if all(result is None for result in results):
            return Reply(missing="no results in the file")
        return Reply(tuple("is not in the file" if result is None else result for result in results))

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Name what is in the file and not in the suite."""
        remarks = [self._remark] if self._remark else []
        try:
            unknown = sorted(self._unknown(cases))
        except Exception as error:
            return [*remarks, f"What else there is in the file cannot be listed ({one_line(error)})."]
        return [*remarks, *unknown_to_the_suite(unknown)]

    def _unknown(self, known: Sequence[Case]) -> Iterator[str]:
        """Yield the paths of what the suite does not have; of a group that it does not have, only the group's."""
        yield from (f"/{name}" for name in _listed(self._file) if name not in DTYPES)
        below = _paths(known)
        groups = list(self.dtypes)
        while groups:
            group = groups.pop()
            for name in _names(self._file, group):
                path = f"{group}/{name}"
                inner = path.partition("/")[2]
                if inner not in below:
                    yield f"/{path}"
                elif inner.count("/") < _DEPTH:
                    groups.append(path)

    def _outputs(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield part and output of all datasets of a case."""
        for part in _names(self._file, path):
            for output in _names(self._file, f"{path}/{part}"):
                yield part, output


def unknown_to_the_suite(names: Sequence[str]) -> list[str]:
    """Return in a sentence which names of a file the suite does not have, if there are any."""
    some = ", ".join(one_line(name) for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return [f"In the file, but not in the suite: {some}{more}."] if names else []


def _paths(cases: Iterable[Case]) -> set[str]:
    """Return what there may be below a dtype: the paths of the results of some cases, and of the groups above them."""
    found: set[str] = set()
    for case in cases:
        suffixes = ("", *(f":{name}" for name in conventions(case.operation, case.options)))
        for path in (path for call in OPERATIONS[case.operation] for path in call.paths()):
            found.update((case.operation, case.name, f"{case.name}/{path.partition('/')[0]}"))
            found.update(f"{case.name}/{path}{suffix}" for suffix in suffixes)
    return found


# ---- what is in the file ----


def _text(stored: Any) -> str:
    """Return an attribute that should be text, perhaps in an array of one element; raise ValueError if it is none."""
    if isinstance(stored, np.ndarray) and stored.size == 1:  # netCDF and MATLAB write no others
        stored = stored.item()
    if isinstance(stored, h5py.Empty):  # nor text of no characters
        return ""
    if not isinstance(stored, str | bytes):
        raise ValueError(f"found {type(stored).__name__} where text belongs")
    return one_line(stored.decode(errors="replace") if isinstance(stored, bytes) else stored)


def _group(group: Any, path: str) -> Any:
    """Return the group at a path, None if there is none; raise ValueError if something else is there."""
    for name in path.split("/"):
        group = member(group, name)
        if group is None:
            return None
        if not isinstance(group, h5py.Group):
            raise ValueError(f"{name!r} is no group")
    return group


def _listed(group: Any) -> list[str]:
    """Return the names in a group in order; what is no UTF-8, of which h5py gives the bytes, is escaped."""
    return sorted(name.decode(errors="backslashreplace") if isinstance(name, bytes) else name for name in group)


def _names(group: Any, path: str) -> list[str]:
    """Return the names in a group; none if there is none, or it cannot be read: a verdict says so."""
    try:
        return _listed(_group(group, path))
    except Exception:
        return []


def _without_axes(case: Case, path: str, found: npt.NDArray[Any] | str | None) -> npt.NDArray[Any] | str | None:
    """Return what was found, without axes if it is one number and should be one: some programs write no scalars."""
    shapes = {truth.elements.shape for truth in case.conventions(path).values()}
    if isinstance(found, np.ndarray) and found.size == 1 and shapes == {()}:
        return found.reshape(())
    return found


def _read(part: Any, output: str, convention: str) -> npt.NDArray[Any] | str | None:
    """Return an output: its results under a convention if there are any, else those for all of them."""
    dataset = member(part, f"{output}:{convention}") if convention else None
    if dataset is None and (dataset := member(part, output)) is None:
        return None
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or dataset.dtype.kind not in "biuf":
        return "is no array of numbers"
    if dataset.external or dataset.is_virtual:
        return "lies outside of the file"
    if dataset.size > MOST_ELEMENTS:
        return f"is {dataset.dtype}{list(dataset.shape)}, which is too large"
    array = np.asarray(dataset[()])
    return array.astype(array.dtype.newbyteorder("="))
