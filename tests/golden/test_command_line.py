"""The command line: exit codes, and one clear sentence when it cannot do what is asked."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import autograd_core
import refwarp
from refwarp import __version__, cli
from refwarp.cli import run, verify
from refwarp.golden import SUITE, build, format
from refwarp.golden.grades import PROFILES
from refwarp.golden.report import SUFFIXES
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
    assert captured.out == ""
    assert captured.err.startswith("refwarp: ") and captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(capsys, option):
    assert run([option]) == 0
    assert capsys.readouterr().out == f"refwarp {__version__}\n"


def commands(app=cli.app, path=()):
    """Return the words of every command and of every group of commands."""
    found = [path]
    for command in app.registered_commands:
        found.append((*path, command.name or command.callback.__name__))
    for group in app.registered_groups:
        found += commands(group.typer_instance, (*path, group.name))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_its_help_and_its_mistakes_point_to_it(capsys, words):
    helps = []
    for option in ("-h", "--help"):
        assert run([*words, option]) == 0
        helps.append(capsys.readouterr().out)
    command = " ".join(("refwarp", *words))
    assert helps[0] == helps[1] and helps[0].startswith(f"Usage: {command} ")
    assert refused(capsys, *words, "--no-such-option").endswith(f" See `{command} --help`.\n")


def test_as_a_module_it_is_the_same_command(tmp_path):
    for arguments, code in ((["-V"], 0), (["-h"], 0), (["golden", "check", str(tmp_path / "a.h5")], 2)):
        command = [sys.executable, "-m", "refwarp", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ended.returncode == code
        assert "__main__" not in ended.stdout + ended.stderr and "Traceback" not in ended.stderr
        assert ended.stderr.startswith("refwarp: ") if code else not ended.stderr


def test_the_shell_completes_commands_and_options(tmp_path):
    def completed(typed, *words):
        environment = {
            **os.environ, "_REFWARP_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words))
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-m", "refwarp"], env=environment, capture_output=True, text=True, check=True
        )
        return ended.stdout.split()

    assert completed("refwarp ver", "ver") == ["verify"]
    assert completed("refwarp golden ", "golden", "") == ["build", "export", "check", "show"]
    assert completed("refwarp train --res", "train", "--res") == ["--resume"]
    assert completed("refwarp train --device ", "train", "--device", "") == ["cpu", "cuda"]


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_completion_in_an_unknown_shell_ends_with_2(capsys, monkeypatch, tmp_path, option):
    from typer import completion

    monkeypatch.setenv("HOME", str(tmp_path))
    for module in (completion, sys.modules["typer._completion_shared"]):
        monkeypatch.setattr(module, "_get_shell_name", lambda: None)
    assert run([option]) == 2
    assert capsys.readouterr().err.endswith(
        "refwarp: The shell is unknown; completion is there for bash, zsh, fish and PowerShell.\n"
    )
    assert not list(tmp_path.iterdir())


def test_bench_is_offered_where_it_can_run_and_says_so_elsewhere(tmp_path):
    """Installed, the package lies beside others' folders: there may be one of that name among them."""
    installed = tmp_path / "site-packages"
    for package in (refwarp, autograd_core):
        folder = Path(package.__file__).parent
        shutil.copytree(folder, installed / folder.name, ignore=shutil.ignore_patterns("__pycache__", "suite*"))
    (installed / "benchmarks").mkdir()
    (installed / "benchmarks" / "foreign.py").write_text("raise SystemExit('run')\ndef entries(quick, threads): ...\n")
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}

    def typed(*words):
        command = [sys.executable, "-m", "refwarp", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert "verify" in typed("-h").stdout and "bench" not in typed("-h").stdout
    ended = typed("bench")
    assert (ended.returncode, ended.stdout) == (2, "") and ended.stderr.count("\n") == 1
    assert "they lie in the folder benchmarks of a checkout, so install refwarp from one" in ended.stderr
    (installed / "pyproject.toml").touch()  # a checkout
    assert re.search("\n  bench +Measure refwarp against other libraries", typed("-h").stdout)


def test_verify_prints_a_table(capsys, small):
    assert run(["verify", "--golden", str(small)]) == 0
    printed = capsys.readouterr().out
    for word in ("affine_grid", "grid_sample", "float32", "float64", "faithful", "working", "wrong", "error/budget"):
        assert word in printed
    assert "cases are faithful; the worst error is " in printed and "Smallest failure" not in printed
    assert run(["verify", "refwarp:cpu", "--golden", str(small), "--verbose"]) == 0
    printed = capsys.readouterr().out
    for word in ("forward/grid", "second_vjp/ggrid", "refusal"):
        assert word in printed


def test_verify_takes_dtypes_operations_flags_and_cases(capsys, small):
    assert run(["verify", "--golden", str(small), "--dtype", "float32", "--operation", "affine_grid"]) == 0
    printed = capsys.readouterr().out
    assert "float64" not in printed and "grid_sample" not in printed
    assert run(["verify", "--golden", str(small), "--flag", "Kink", "--flag", "NonFinite"]) == 0
    assert "All 2 cases" in capsys.readouterr().out
    assert run(["verify", "--golden", str(small), "--case", "grid_sample/row_at_pixel"]) == 0
    assert "All 1 cases" in capsys.readouterr().out


def test_verify_leaves_out_cases_with_a_flag_and_every_report_says_so(capsys, small, few, tmp_path):
    left_out = [case.name for case in few if {"Kink", "NonFinite"} & set(case.flags)]
    reports = [tmp_path / f"report{suffix}" for suffix in SUFFIXES]
    command = ["verify", "--golden", str(small), "--without-flag", "Kink", "--without-flag", "NonFinite"]
    for report in reports:
        command += ["--report", str(report)]
    assert run(command) == 0
    sentence = f"Left out, as asked: {len(left_out)} cases with the flag Kink or NonFinite."
    for text in (capsys.readouterr().out, *(report.read_text() for report in reports)):
        assert sentence in text and not any(name in text for name in left_out)
    assert run(["verify", "--golden", str(small), "--flag", "Kink", "--without-flag", "Kink"]) == 1
    assert "No case ran" in capsys.readouterr().out


def test_verify_fails_when_a_kernel_is_wrong_and_writes_reports(capsys, small, monkeypatch, tmp_path):
    right = target.grid_sample_vjp

    def scaled(*arrays, **options):
        ginput, ggrid = right(*arrays, **options)
        return ginput, ggrid * ggrid.dtype.type(1.001)

    monkeypatch.setattr(target, "grid_sample_vjp", scaled)
    reports = [tmp_path / f"report{suffix}" for suffix in SUFFIXES]
    command = ["verify", "--golden", str(small)]
    for report in reports:
        command += ["--report", str(report)]
    assert run(command) == 1
    printed = capsys.readouterr().out
    assert "Smallest failure: grid_sample/row_at_pixel, vjp/ggrid in float32" in printed
    for report in reports:
        assert "interior_3x4" in report.read_text()


def test_the_required_grade_decides(capsys, small, monkeypatch):
    right = target.affine_grid

    def rounded_eight_times(theta, **options):
        grid = right(theta, **options)
        return grid * (1 + 4 * np.finfo(grid.dtype).eps)

    monkeypatch.setattr(target, "affine_grid", rounded_eight_times)
    command = ["verify", "--golden", str(small), "--case", "affine_grid/identity_3x5", "--dtype", "float32"]
    assert run(command) == run([*command, "--require", "working"]) == 0
    assert "of working precision" in capsys.readouterr().out
    assert run([*command, "--require", "faithful"]) == 1
    assert "1 of 1 cases are not faithful." in capsys.readouterr().out


def test_every_profile_and_every_grade_that_can_be_required_has_its_option():
    assert {profile.value for profile in verify._Profile} == set(PROFILES)
    assert {grade.value for grade in verify._Required} == {"faithful", "working"}


def test_verify_an_adapter_and_a_file_of_results(capsys, small, tmp_path, few):
    adapter = tmp_path / "mine.py"
    adapter.write_text("VERSION = '7'\nfrom refwarp.golden.targets.refwarp import affine_grid")
    assert run(["verify", str(adapter), "--golden", str(small), "--timeout", "600", "--profile", "fixed8"]) == 0
    printed = capsys.readouterr().out
    assert f"{adapter} 7, coordinates rounded to 1/256 of a pixel" in printed
    assert "Skipped: " in printed and "calls of grid_sample_vjp: there is no such function." in printed
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for case in few:
            if "forward/grid" in case.outputs and case.dtype != "float64":
                file[f"float64/{case.name}/forward/grid"] = case.outputs["forward/grid"].elements["value"]
    assert run(["verify", str(tmp_path / "mine.h5"), "--golden", str(small)]) == 0
    assert "no results in the file" in capsys.readouterr().out


def test_verify_fails_when_no_case_ran(capsys, tmp_path, suite):
    path = tmp_path / "float64.h5"
    format.write(path, [case for case in suite.cases if case.dtype == "float64"][:2], "7")
    assert run(["verify", "--golden", str(path), "--dtype", "float32"]) == 1
    assert "No case ran" in capsys.readouterr().out
    (tmp_path / "empty.py").write_text("")
    assert run(["verify", str(tmp_path / "empty.py"), "--golden", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "No case ran, so nothing is verified." in printed and "there is no such function" in printed


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
        (["verify", "--profile", "fixed7"], "fixed7"),
        (["verify", "--require", "wrong"], "wrong"),
        (["verify", "--timeout", "0"], "--timeout"),
        (["golden", "check"], "Missing argument"),
        (["golden", "build"], "--out"),
    ],
)
def test_wrong_usage(capsys, arguments, words):
    message = refused(capsys, *arguments)
    assert words in message and re.search(r"\S[.?!] See `refwarp[a-z ]* --help`\.$", message)


def test_bad_input(capsys, tmp_path, small):
    (tmp_path / "text.h5").write_text("not a golden file")
    assert "there is no such file" in refused(capsys, "verify", "--golden", tmp_path / "missing.h5")
    assert "no HDF5 file" in refused(capsys, "golden", "check", tmp_path / "text.h5")
    for option, value in (("dtype", "float8"), ("operation", "warp"), ("flag", "kink"), ("case", "row_at_pixel")):
        message = refused(capsys, "verify", "--golden", small, f"--{option}", value)
        assert message.startswith(f"refwarp: {option}: given {value!r}, ")
    message = refused(capsys, "verify", "--golden", small, "--without-flag", "subnormal")
    assert message.startswith("refwarp: without-flag: given 'subnormal', ") and "Subnormal" in message
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":  # there is no GPU
        assert "give 'refwarp:simulator'" in refused(capsys, "verify", "refwarp:cuda")
    assert "expected torch" in refused(capsys, "verify", "tocrh")
    assert "no HDF5 file" in refused(capsys, "verify", tmp_path / "text.h5")
    (tmp_path / "broken.py").write_text("import no_such_module")
    assert "not installed" in refused(capsys, "verify", tmp_path / "broken.py")
    assert "ends in .html, .json, .xml" in refused(capsys, "verify", "--report", tmp_path / "report.pdf")
    assert "no folder" in refused(capsys, "verify", "--report", tmp_path / "missing" / "report.xml")
    assert "row_at_pixel" in refused(capsys, "golden", "show", "grid_sample/row_at_pixl", "--golden", small)
    small.write_bytes(small.read_bytes()[:-100])
    assert "damaged" in refused(capsys, "golden", "check", small)
    assert "folder" in refused(capsys, "golden", "build", "--out", tmp_path)
    assert "file" in refused(capsys, "golden", "build", "--out", tmp_path / "text.h5" / "suite.h5")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other limits")
@pytest.mark.parametrize(
    ("argument", "command"),
    [
        ("golden", "golden check NAME.h5"),
        ("golden", "golden show affine_grid/identity_3x5 --golden NAME.json"),
        ("golden", "golden export --out new.json --golden NAME.h5"),
        ("golden", "verify --golden NAME.h5"),
        ("target", "verify NAME.py"),
        ("target", "verify NAME.h5"),
        ("report", "verify --report NAME.json"),
        ("out", "golden export --out NAME.json"),
        ("out", "golden build --out NAME.h5"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused_with_its_argument(capsys, argument, command):
    message = refused(capsys, *command.replace("NAME", "a" * 300).split())
    assert message.startswith(f"refwarp: {argument}: given 'aaa") and "File name too long" in message
    assert "[Errno" not in message


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
