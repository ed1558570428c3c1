"""What can be verified: refwarp's own kernels, peers, adapters and files of results, by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from difflib import get_close_matches
from pathlib import Path

from refwarp.files import check_input_file
from refwarp.golden.outcomes import Target

# How many seconds a call of a peer or an adapter may take, and importing it, unless something else is asked for.
TIMEOUT, IMPORT_TIMEOUT = 60.0, 300.0

# Other libraries that have some of the operations; a module here speaks for each.
PEERS = ("torch", "jax", "onnxruntime", "openvino", "opencv", "scipy", "skimage", "kornia")
_OWN = ("refwarp", "refwarp:cpu")
# refwarp's kernels on a GPU, and on CUDA's simulator: Numba reads which when it is imported.
_ON_CUDA = {"refwarp:cuda": {"NUMBA_ENABLE_CUDASIM": "0"}, "refwarp:simulator": {"NUMBA_ENABLE_CUDASIM": "1"}}
# Files of results.
_HDF5, _JSON = (".h5", ".hdf5"), (".json", ".gz")


def load(
    name: str = "refwarp", timeout: float = TIMEOUT, import_timeout: float = IMPORT_TIMEOUT
) -> AbstractContextManager[Target]:
    """Open a target by name: `with load("torch") as target: ...`. At the end its process or file is closed.

    Parameters
    ----------
    name : str
        "refwarp", "refwarp:cuda", "refwarp:simulator", one of `PEERS`, the path of an adapter (.py) or of a file of
        results (.h5, .json, .json.gz).
    timeout : float
        How many seconds a call may take that runs in a process of its own: any but "refwarp"'s.
    import_timeout : float
        How many seconds importing it may take there.

    Raises
    ------
    ValueError
        If there is no such target, or a file cannot be used.
    FileNotFoundError
        If there is no such file.
    ImportError
        If a peer's library is not installed, there is no GPU for "refwarp:cuda", or an adapter cannot be imported.
    """
    if name in _OWN:
        return nullcontext(_own())
    if name in PEERS:
        return _in_own_process(name, f"{__name__}.{name}", (timeout, import_timeout), "peers")
    if name in _ON_CUDA:
        return _in_own_process(name, f"{__name__}.cuda", (timeout, import_timeout), "cuda", _ON_CUDA[name])
    suffix = Path(name).suffix.lower()
    if suffix != ".py" and suffix not in (*_HDF5, *_JSON):
        known = (*_OWN, *_ON_CUDA, *PEERS)
        nearest = get_close_matches(name, known, cutoff=0.7) or known
        raise ValueError(
            f"target: given {name!r}, expected {', '.join(nearest)}, the path of an adapter (.py) or of results (.h5, "
            ".json)"
        )
    check_input_file(name, "target", "an adapter" if suffix == ".py" else "a file of results")
    if suffix == ".py":
        return _in_own_process(name, str(Path(name).resolve()), (timeout, import_timeout))
    if suffix in _HDF5:
        from refwarp.golden.targets.results import ResultsTarget

        return closing(ResultsTarget(name))
    from refwarp.golden.targets.answers import AnswersTarget

    return nullcontext(AnswersTarget(name))


def _own() -> Target:
    from refwarp.golden.targets import refwarp  # which takes a second to import
    from refwarp.golden.targets.module import ModuleTarget

    return ModuleTarget(refwarp, "refwarp")


def _in_own_process(
    name: str, module: str, timeouts: tuple[float, float], extra: str = "", environment: Mapping[str, str] | None = None
) -> AbstractContextManager[Target]:
    from refwarp.golden.targets.process import ProcessTarget

    try:
        return closing(ProcessTarget(name, module, timeouts[0], environment or {}, timeouts[1]))
    except ModuleNotFoundError as error:
        way = f"; install it with `pip install 'refwarp[{extra}]'`" if extra else ""
        raise ImportError(f"target: {name} needs something that is not installed ({error}){way}") from error
    except ImportError as error:
        raise ImportError(f"target: {name} cannot be imported ({error})") from error
