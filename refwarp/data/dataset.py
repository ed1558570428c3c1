"""What is known of a data set. Each reader declares its own as `DATASET`; `refwarp.data.registry` finds them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refwarp.data.reading import check_input_folder, open_plain_or_gzip

# Calls that read what is in the folder of a set, a part each; they raise if that is damaged.
Steps = Sequence[Callable[[], object]]

_PIECE = 2**20


@dataclass(frozen=True)
class Dataset:
    """A published data set, and how it is found and checked.

    Attributes
    ----------
    name : str
        What the command line calls it.
    title : str
        What it is, in a few words.
    size : str
        How much is in it, as published; "; " separates that from subsets.
    folders : tuple of str
        Names of its folder below the one that holds all data sets.
    files : tuple of str
        Patterns of the files in its folder that are read. The set is there if any is.
    origin : str
        Where its authors publish it.
    citation : str
        The publication that describes it.
    licence : str
        Under which licence or terms.
    samples_may_be_published : bool
        Whether the licence lets pictures of single samples be published, with the licence and the citation.
    contents : mapping of str to str
        Digests of known contents, and what each is.
    steps : callable
        Returns the calls that together read all that is in a folder of the set.
    published_name : callable
        Returns the published name of a file that may have others, for the digest.
    load_classified : callable, optional
        Of a set for classification: its reader, which returns an object with the parts `train` and `test`, of
        `Examples` or of `PictureFiles`, and perhaps `validation`.
    """

    name: str
    title: str
    size: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    origin: str
    citation: str
    licence: str
    samples_may_be_published: bool
    contents: Mapping[str, str]
    steps: Callable[[Path], Steps] = field(repr=False)
    published_name: Callable[[str], str] = field(default=str, repr=False)
    load_classified: Callable[[Path], Any] | None = field(default=None, repr=False)

    def locate(self, data: Path) -> Path | None:
        """Return the set's folder below the one that holds all data sets; None if there is none."""
        return next((data / name for name in self.folders if self.is_in(data / name)), None)

    def find(self, folder: str | os.PathLike[str]) -> Path:
        """Return the set's folder: a known one below `folder`, or `folder` itself.

        Raises
        ------
        FileNotFoundError
            If the set is in neither, or there is no folder.
        ValueError
            If `folder` is none.
        """
        root = check_input_folder(folder, "folder", f"one that holds {self.title}")
        found = self.locate(root)
        if found is not None:
            return found
        if self.is_in(root):
            return root
        raise FileNotFoundError(
            f"folder: given {str(folder)!r}, which does not hold {self.title}; expected files such as {self.files[0]} "
            f"in it, or in its folder {' or '.join(self.folders)}; they are published at {self.origin}"
        )

    def is_in(self, folder: Path) -> bool:
        """Tell whether files of the set lie in a folder itself."""
        return any(any(folder.glob(pattern)) for pattern in self.files)

    def paths(self, folder: Path) -> dict[str, Path]:
        """Return the files in the set's folder that are read, by their names in the folder, as published."""
        found = {path.relative_to(folder).as_posix(): path for pattern in self.files for path in folder.glob(pattern)}
        named: dict[str, Path] = {}
        for name in sorted(found):  # of a file and its compressed form the first, as the reader
            named.setdefault(self.published_name(name).removesuffix(".gz"), found[name])
        return dict(sorted(named.items()))

    def digest(self, folder: Path) -> str:
        """Return a digest of names and contents of the files that are read.

        It is the SHA-256 of what `sha256sum` prints of these files, in the order of their names: lines of a digest in
        hexadecimal, two spaces, the name in the set's folder. Files compressed with gzip count as uncompressed.
        """
        whole = hashlib.sha256()
        for name, path in self.paths(folder).items():
            hashed = hashlib.sha256()
            with open_plain_or_gzip(path) as file:
                while piece := file.read(_PIECE):
                    hashed.update(piece)
            whole.update(f"{hashed.hexdigest()}  {name}\n".encode())
        return whole.hexdigest()
