"""The command line: exit codes, and one clear sentence when it cannot do what is asked."""

import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest

from refwarp import __version__
from refwarp.cli import run
from refwarp.golden import SUITE, build, format
from refwarp.golden.targets import refwarp as target


@pytest.fixture
def small(few, tmp_path):
    path = tmp_path / "few.h5"
    format.write(path, few, "7")
    return path


def refused(capsys, *arguments) -> str:
    """Run a command that must end with exit code 2, and return its one line on stderr."""
    assert run([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("refwarp: ") and captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"refwarp {__version__}\n"


def test_verify_prints_a_table(capsys, small):
    assert run(["verify", "--golden", str(small)]) == 0
    printed = capsys.readouterr().out
    for word in ("affine_grid", "forward/grid", "second_vjp/ggrid", "refusal", "float32", "float64", "faithful"):
        assert word in printed
    assert "wrong" not in printed and "cases are faithful" in printed


def test_verify_takes_one_dtype_and_one_operation(capsys, small):
    assert run(["verify", "--golden", str(small), "--dtype", "float32", "--operation", "affine_grid"]) == 0
    printed = capsys.readouterr().out
    assert "float64" not in printed and "grid_sample" not in printed


def test_verify_fails_when_a_kernel_is_wrong(capsys, small, monkeypatch):
    right = target.grid_sample_vjp

    def scaled(*arrays, **options):
        ginput, ggrid = right(*arrays, **options)
        return ginput, ggrid * ggrid.dtype.type(1.001)

    monkeypatch.setattr(target, "grid_sample_vjp", scaled)
    assert run(["verify", "--golden", str(small)]) == 1
    printed = capsys.readouterr().out
    assert "wrong" in printed and "First failure: grid_sample/interior_3x4, vjp/ggrid in float32" in printed
    assert "Ordinary samples of two channels." in printed


def test_verify_fails_when_no_case_ran(capsys, tmp_path, suite):
    path = tmp_path / "float64.h5"
    format.write(path, [case for case in suite.cases if case.dtype == "float64"][:2], "7")
    assert run(["verify", "--golden", str(path), "--dtype", "float32"]) == 1
    assert "No case ran" in capsys.readouterr().out


def test_build_check_and_show(capsys, tmp_path, few, monkeypatch):
    monkeypatch.setattr(build, "all_cases", lambda: few)
    path = tmp_path / "folder" / "built.h5"
    assert run(["golden", "build", "--out", str(path)]) == 0
    digest = format.read(path).digest
    assert digest in capsys.readouterr().out
    assert run(["golden", "check", str(path)]) == 0
    assert digest in capsys.readouterr().out
    assert run(["golden", "show", "grid_sample/row_at_pixel", "--golden", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "The row (1, 5, 2, 9)" in printed and "vjp/ggrid:central" in printed


def test_the_shipped_suite_is_whole(capsys):
    assert run(["golden", "check", str(SUITE)]) == 0
    assert "undamaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["golden"], "Missing command"),
        (["verifi"], "verifi"),
        (["verify", "--speed"], "--speed"),
        (["golden", "check"], "Missing argument"),
        (["golden", "build"], "--out"),
    ],
)
def test_wrong_usage(capsys, arguments, words):
    message = refused(capsys, *arguments)
    assert words in message and re.search(r"\S[.?!] See `refwarp --help`\.$", message)


def test_bad_input(capsys, tmp_path, small):
    (tmp_path / "text.h5").write_text("not a golden file")
    assert "is no file" in refused(capsys, "verify", "--golden", tmp_path / "missing.h5")
    assert "no HDF5 file" in refused(capsys, "golden", "check", tmp_path / "text.h5")
    assert "--dtype: given 'float8', expected one of 'float32', 'float64'" in refused(
        capsys, "verify", "--golden", small, "--dtype", "float8"
    )
    assert "--operation: given 'warp', expected one of " in refused(
        capsys, "verify", "--golden", small, "--operation", "warp"
    )
    assert "row_at_pixel" in refused(capsys, "golden", "show", "grid_sample/row_at_pixl", "--golden", small)
    small.write_bytes(small.read_bytes()[:-100])
    assert "damaged" in refused(capsys, "golden", "check", small)
    assert "folder" in refused(capsys, "golden", "build", "--out", tmp_path)
    assert "file" in refused(capsys, "golden", "build", "--out", tmp_path / "text.h5" / "suite.h5")


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_nothing_but_a_file_is_replaced(capsys, tmp_path, few, monkeypatch):
    monkeypatch.setattr(build, "all_cases", lambda: few)
    os.mkfifo(tmp_path / "pipe")
    assert "which is no regular file" in refused(capsys, "golden", "build", "--out", tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


PRINTED_BY_RICH, PRINTED, REFUSED = ["verify", "--golden", "small"], ["golden", "check", "small"], ["verifi"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a broken pipe is another error")
@pytest.mark.parametrize(
    ("arguments", "stderr"),
    [(PRINTED_BY_RICH, subprocess.PIPE), (PRINTED, subprocess.PIPE), (REFUSED, subprocess.STDOUT)],
)
def test_output_that_nobody_reads_ends_with_141_and_no_word(small, arguments, stderr):
    program = "import sys; from refwarp.cli import main; sys.argv[0] = 'refwarp'; main()"
    command = [sys.executable, "-c", program, *(str(small) if word == "small" else word for word in arguments)]
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(command, stdout=write, stderr=stderr, check=False)
    os.close(write)
    assert ended.returncode == 141 and not ended.stderr


def test_an_interrupt_ends_with_130_and_one_line(capsys, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(format, "read", interrupted)
    assert run(["verify"]) == 130
    assert capsys.readouterr().err == "refwarp: interrupted\n"


def test_the_command_line_imports_no_room_before_it_is_used():
    """Numba apart, which `import refwarp` itself decides about."""
    heavy = ["h5py", "matplotlib", "sklearn", "refwarp.golden", "refwarp.tour", "refwarp.networks"]
    program = f"import sys, refwarp.cli; print([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


def test_the_command_ends_with_the_exit_code(tmp_path):
    program = "import sys; from refwarp.cli import main; sys.argv = ['refwarp', 'golden', 'check', sys.argv[1]]; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "missing.h5")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2 and ended.stdout == "" and ended.stderr.startswith("refwarp: ")
    assert np.char.count(ended.stderr, "\n") == 1
