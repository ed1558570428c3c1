"""Targets: what is loaded under a name, and what an adapter may do to itself but not to the verification."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.golden import targets
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets import load, process
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.targets.process import Worker
from refwarp.golden.verify import Selection, verify
from tests.golden.affine_adapter import AFFINE

# ---- modules ----


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"DTYPES": "float32"}, "DTYPES: given 'float32', expected a tuple"),
        ({"DTYPES": ("float8",)}, "DTYPES: given"),
        ({"DTYPES": ()}, "DTYPES: given"),
        ({"CHOICES": ("right",)}, "CHOICES: given"),
        ({"CHOICES": {"kinks": ("right",)}}, "CHOICES: given"),
        ({"CHOICES": {"kink": ("rigth",)}}, r"CHOICES\['kink'\]: given"),
    ],
)
def test_what_a_module_says_of_itself_is_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        ModuleTarget(SimpleNamespace(**wrong), "target")


def test_a_numpy_scalar_is_an_array_and_a_list_is_none():
    target = ModuleTarget(SimpleNamespace(one=lambda: np.float32(1), some=lambda: ([1.0],), nothing=lambda: None), "t")
    (one,) = target.run("one", {}, {}).results
    assert isinstance(one, np.ndarray) and one.shape == () and one.dtype == np.float32
    assert target.run("some", {}, {}).results == ("returned list, expected an array",)
    assert target.run("nothing", {}, {}).results == ("returned NoneType, expected an array",)


def test_an_exception_that_cannot_speak_has_a_verdict():
    class Mute(Exception):
        def __str__(self):
            raise RecursionError

    def fails():
        raise Mute

    def rants():
        raise ValueError("no\n" * 10_000)

    target = ModuleTarget(SimpleNamespace(fails=fails, rants=rants), "target")
    assert target.run("fails", {}, {}).raised == "Mute: (its message raised RecursionError)"
    assert len(target.run("rants", {}, {}).raised) < 400 and "\n" not in target.run("rants", {}, {}).raised


# ---- names ----


def test_own_kernels_have_two_names():
    for name in ("refwarp", "refwarp:cpu"):
        with load(name) as target:
            assert target.name == "refwarp" and target.offers("grid_sample_second_vjp")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("refwarp:gpu", "expected refwarp:cp?u.*, the path of"),
        ("tocrh", "expected torch, the path of"),
        ("", "expected refwarp, refwarp:cpu, refwarp:cuda, refwarp:simulator, torch"),
        ("missing.py", "there is no such file"),
        ("missing.h5", "there is no such file"),
        ("results.csv", "the path of an adapter .* or of results"),
    ],
)
def test_names_that_are_no_target(name, message):
    with pytest.raises((ValueError, FileNotFoundError), match=f"^target: given '{name}', .*{message}"):
        load(name)


def test_the_simulator_runs_the_kernels_of_cuda_with_their_gradients(by_name):
    """In its own process, whose backend holds for the whole reverse sweep; this one stays on the CPU."""
    with load("refwarp:simulator") as target:
        found = verify([by_name["affine_grid/identity_3x5"]], target, Selection(["float64"]), required=Grade.FAITHFUL)
    assert (found.target, found.passed) == ("refwarp:simulator", True)
    assert {outcome.output for outcome in found.outcomes} == {"forward/grid", "vjp/gtheta"}


@pytest.mark.skipif(os.environ.get("NUMBA_ENABLE_CUDASIM") != "1", reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused_even_where_the_simulator_is_asked_for():
    with pytest.raises(ImportError, match=r"target: refwarp:cuda cannot .*no GPU; install .* give 'refwarp:simulator'"):
        load("refwarp:cuda")


def test_a_peer_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(targets, "PEERS", ("absent",))
    with pytest.raises(ImportError, match=r"target: absent needs something that is not installed .*refwarp\[peers\]"):
        load("absent")


# ---- adapters ----


@pytest.fixture
def case(by_name):
    return by_name["affine_grid/identity_3x5"]


def run(path, cases, timeout=600.0):
    """Verify an adapter in float32; return its outcomes by output, and the whole."""
    with load(path, timeout) as target:
        found = verify(cases, target, Selection(["float32"], ["affine_grid"]))
    return {outcome.output: outcome for outcome in found.outcomes}, found


def test_an_adapter_runs_in_a_process_of_its_own(adapter, case, suite, by_name):
    path = adapter("VERSION = '7'\nDTYPES = ('float32', 'float16')\nCHOICES = {'kink': ('left', 'right')}")
    with load(path) as target:
        assert (target.name, target.version, target.dtypes) == (path, "7", ("float32", "float16"))
        assert target.conventions(by_name["grid_sample/row_at_pixel"], "float32") == ["left", "right"]
        assert target.offers("affine_grid") and not target.offers("grid_sample")
        found = verify([case, by_name["grid_sample/interior_3x4"]], target)
    assert found.passed and found.version == "7"
    assert {outcome.output for outcome in found.outcomes} == {"forward/grid", "vjp/gtheta"}
    assert {skip.function for skip in found.skipped} == {"grid_sample", "grid_sample_vjp", "grid_sample_second_vjp"}


def test_an_adapter_finds_its_neighbours_and_the_libraries_of_its_own_name(tmp_path, case):
    (tmp_path / "neighbour.py").write_text(AFFINE)
    (tmp_path / "h5py.py").write_text("import h5py\nh5py.File\nfrom neighbour import affine_grid")
    outcomes, _ = run(str(tmp_path / "h5py.py"), [case])
    assert outcomes["forward/grid"].grade == Grade.FAITHFUL


BAD_GRIDS = {
    "raise KeyError('size')": "raised KeyError: 'size'",
    "raise SystemExit(0)": "raised SystemExit: 0",
    "import os; os._exit(7)": "the process exited with 7",
    "import os; os.abort()": "the process died of SIGABRT",
    "import ctypes; ctypes.string_at(0)": "the process died of SIGSEGV",
    "import time; time.sleep(60)": "hung, and was stopped after 0.4 s",
    "while True: pass": "hung, and was stopped after 0.4 s",
    "return None": "returned NoneType, expected an array",
    "return [[1.0]]": "returned list, expected an array",
    "return ()": "returned 0 arrays, expected 1",
    "return theta, theta": "returned 2 arrays, expected 1",
    "return right(theta, **options).astype('f8')": "returned float64[1, 3, 5, 2], expected float32[1, 3, 5, 2]",
    "return right(theta, **options).astype('>f4')": "returned >f4[1, 3, 5, 2], expected float32[1, 3, 5, 2]",
    "return right(theta, **options).astype('O')": "returned object[1, 3, 5, 2], expected float32[1, 3, 5, 2]",
    "return right(theta, **options)[0]": "returned float32[3, 5, 2], expected float32[1, 3, 5, 2]",
    "return np.broadcast_to(theta[0, 0, 0], (2**20, 2**20))": (
        "returned float32[1048576, 1048576], expected float32[1, 3, 5, 2]"
    ),
    "theta += 1; return right(theta - 1, **options)": "wrote into theta",
}


@pytest.fixture
def limit_calls_of(monkeypatch, hang_limit):
    """Give the calls of one function their time limit, and all others as long as they need on a busy machine."""
    answer = process.Worker.answer

    def limit(function):
        def limited(worker, seconds, request=None):
            ours = request is not None and request[0]["function"] == function
            return answer(worker, seconds if ours else hang_limit, request)

        monkeypatch.setattr(process.Worker, "answer", limited)

    return limit


@pytest.mark.skipif(os.name != "posix", reason="elsewhere processes do not die of signals")
@pytest.mark.parametrize("body", BAD_GRIDS)
def test_what_an_adapter_does_wrong_has_a_verdict_and_the_rest_still_runs(
    adapter, case, body, monkeypatch, limit_calls_of
):
    monkeypatch.setattr(process, "FIRST_CALL_LIMITS", 1)
    hangs = "0.4" in BAD_GRIDS[body]
    limit_calls_of("affine_grid" if hangs else None)
    path = adapter(f"def affine_grid(theta, **options):\n    {body}\n")
    outcomes, found = run(path, [case], 0.4 if hangs else 600.0)
    assert outcomes["forward/grid"].problem == BAD_GRIDS[body]
    assert outcomes["vjp/gtheta"].grade == Grade.FAITHFUL
    assert not found.passed


def test_what_an_adapter_prints_goes_to_stderr(adapter, case, capfd):
    path = adapter(
        """
        import os, sys
        print("on import")
        def affine_grid(theta, **options):
            print("printed")
            os.write(1, b"written")
            assert sys.stdin.read() == ""
            return right(theta, **options)
        """
    )
    outcomes, _ = run(path, [case])
    assert outcomes["forward/grid"].grade == Grade.FAITHFUL
    captured = capfd.readouterr()
    assert captured.out == ""
    assert all(word in captured.err for word in ("on import", "printed", "written"))


def test_a_function_that_hangs_is_given_up(adapter, suite, limit_calls_of):
    limit_calls_of("affine_grid_vjp")
    path = adapter("import time\ndef affine_grid_vjp(*arrays, **options): time.sleep(60)")
    _, found = run(path, [case for case in suite.cases if case.result != "invalid"], 0.2)
    problems = [outcome.problem for outcome in found.outcomes if outcome.output == "vjp/gtheta" and outcome.problem]
    lost = [problem for problem in problems if problem == "hung, and was stopped after 0.2 s"]
    assert 1 <= len(lost) <= 3 and problems[: len(lost)] == lost
    assert all(re.fullmatch(r"not tried: calls that hung or died have cost \d+ s", p) for p in problems[len(lost) :])
    assert len(problems) > 20
    assert all(not outcome.problem for outcome in found.outcomes if outcome.output == "forward/grid")


def test_a_process_that_cannot_start_again_ends_it_all_at_once(adapter, case, tmp_path):
    path = adapter(
        f"""
        import os, pathlib
        mark = pathlib.Path({str(tmp_path / "started")!r})
        if mark.exists():
            raise OSError("the device is gone")
        def affine_grid(theta, **options):
            mark.touch()
            os._exit(1)
        """
    )
    _, found = run(path, [case, case])
    problems = [outcome.problem for outcome in found.failures]
    assert problems.count("the process exited with 1") == 1
    gone = r"not tried: the process could not be started again \(OSError: the device is gone \(line \d+\)\)"
    assert all(re.fullmatch(gone, problem) for problem in problems[1:]) and len(problems) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "needs something that is not installed .*no_such_module.*line "),
        ("def f(:", "cannot be imported .SyntaxError: .*line "),
        ("raise SystemExit(0)", "cannot be imported .SystemExit: 0 .line "),
        ("import os; os._exit(5)", "while it was imported, the process exited with 5"),
        ("DTYPES = 'float32'", "cannot be imported .ValueError: DTYPES: given 'float32'"),
    ],
)
def test_an_adapter_that_cannot_be_imported(adapter, text, message):
    with pytest.raises(ImportError, match=message) as caught:
        load(adapter(text))
    assert "\n" not in str(caught.value)


def test_an_import_that_hangs(adapter):
    with pytest.raises(ImportError, match="while it was imported, hung, and was stopped after 0.5 s"):
        load(adapter("import time; time.sleep(60)"), import_timeout=0.5)


def wait(seconds, condition):
    """Wait until a condition holds; fail if it takes so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_whatever_ends_the_verification_ends_the_adapter(adapter, tmp_path, hang_limit, ending, code):
    """Ctrl-C, and a kill that leaves no time to clean up."""
    mark = tmp_path / "pids"
    path = adapter(
        f"""
        import os, pathlib, time
        def affine_grid(theta, **options):
            pathlib.Path({str(mark) + ".partial"!r}).write_text(str(os.getpid()))
            os.rename({str(mark) + ".partial"!r}, {str(mark)!r})
            time.sleep({2 * hang_limit})
        """
    )
    program = "import sys; from refwarp.cli import main; sys.argv[0] = 'refwarp'; main()"
    command = [sys.executable, "-c", program, "verify", path, "--operation", "affine_grid"]
    verifying = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait(hang_limit, mark.exists)
    worker = int(mark.read_text())
    assert is_running(worker)
    verifying.send_signal(ending)
    _, stderr = verifying.communicate(timeout=hang_limit)
    assert verifying.returncode == code
    if ending == signal.SIGINT:
        assert stderr == "refwarp: interrupted\n"
    wait(hang_limit, lambda: not is_running(worker))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_what_an_adapter_starts_ends_with_it(adapter, case, tmp_path, hang_limit):
    mark = tmp_path / "pid"
    path = adapter(
        f"""
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({2 * hang_limit})"])
        pathlib.Path({str(mark)!r}).write_text(str(child.pid))
        """
    )
    run(path, [case])
    child = int(mark.read_text())
    wait(hang_limit, lambda: not is_running(child))


def test_one_process_serves_all_calls(adapter, case, monkeypatch):
    """To start one takes a thousand times as long as a call."""
    call, started = OPERATIONS["affine_grid"][0], []
    monkeypatch.setattr(process, "Worker", lambda *given: started.append(given) or Worker(*given))
    with load(adapter()) as target:
        replies = [target.reply(case, call, "float32", case.options) for _ in range(50)]
    assert len(started) == 1 and all(len(reply.results) == 1 for reply in replies)
