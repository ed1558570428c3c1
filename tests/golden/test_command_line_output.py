"""What a command prints: on any console, into any pipe, on a full disk; and that Ctrl-C reaches it."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from functools import partial

import h5py
import pytest

from refwarp.cli import run
from refwarp.golden import format, report
from refwarp.terminal.console import TextConsole

PROGRAM = "import sys; from refwarp.cli import main; sys.argv[0] = 'refwarp'; main()"
FULL = "refwarp: standard output cannot be written (No space left on device); write to another place\n"
CASE = "affine_grid/identity_3x5"
posix = pytest.mark.skipif(os.name != "posix", reason="devices, terminals and signals as POSIX has them")


@pytest.fixture(scope="module")
def folder(few, tmp_path_factory):
    """A golden file, and a file of right results whose version not every console can print."""
    folder = tmp_path_factory.mktemp("files")
    format.write(folder / "few.h5", few, "7")
    with h5py.File(folder / "mine.h5", "w") as file:
        file.attrs["version"] = "2.0 \u0394"
        for case in few:
            if "forward/grid" in case.outputs and case.dtype != "float64":
                file[f"float64/{case.name}/forward/grid"] = case.outputs["forward/grid"].elements["value"]
    return folder


@pytest.fixture
def ended(folder, hang_limit):
    """Run a command in a process of its own, in the folder, and return what came of it."""
    return partial(_ended, folder, hang_limit)


def _ended(folder, limit, *arguments, program=PROGRAM, encoding="utf-8", **streams) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    path = [*environment.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()]
    environment |= {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(part for part in path if part)}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=limit, **streams)


VERIFY = ("verify", "mine.h5", "--golden", "few.h5")
SHOW = ("golden", "show", CASE, "--golden", "few.h5")


# ---- consoles ----


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_character_that_the_console_lacks_is_escaped(folder, ended, encoding):
    path = folder / f"{encoding}.json"
    found = ended(*VERIFY, "--report", path.name, encoding=encoding)
    assert (found.returncode, found.stderr) == (0, b"")
    assert rb"mine.h5 2.0 \u0394, coordinates" in found.stdout
    assert json.loads(path.read_text())["target"]["version"] == "2.0 \u0394"


def test_an_encoding_that_was_asked_for_with_its_errors_stays(ended):
    assert b"mine.h5 2.0 ?, coordinates" in ended(*VERIFY, encoding="ascii:replace").stdout


def test_what_an_adapter_prints_is_no_matter_of_its_console(folder, ended):
    (folder / "prints.py").write_text("print('\u0394')", encoding="utf-8")
    found = ended("verify", "prints.py", "--golden", "few.h5", encoding="ascii")
    assert (found.returncode, found.stderr) == (1, b"\\u0394\n") and b"No case ran" in found.stdout


def test_a_table_in_a_pipe_has_all_its_columns(ended):
    found = ended(*VERIFY, "--verbose")
    lines = found.stdout.decode().splitlines()
    head = next(line for line in lines if "error/budget" in line)
    assert head.split() == ["operation", "output", "dtype", "cases", "faithful", "working", "wrong", "error/budget"]
    assert any(line.split()[:3] == ["affine_grid", "forward/grid", "float64"] for line in lines)


def test_text_from_outside_is_no_markup():
    console = TextConsole(file=io.StringIO(), force_terminal=True, color_system=None, highlight=False)
    console.print("a[/b].py [red]c[/] :bug:")
    assert console.file.getvalue() == "a[/b].py [red]c[/] :bug:\n"


@posix
def test_a_name_that_looks_like_markup_on_a_terminal(folder, ended):
    (folder / "a[").mkdir()
    (folder / "a[" / "b].py").write_text("")
    ours, terminal = os.openpty()
    found = ended("verify", "a[/b].py", "--golden", "few.h5", stderr=terminal)
    os.close(terminal)
    os.set_blocking(ours, False)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert found.returncode == 1 and found.stdout.startswith(b"a[/b].py, coordinates")
    assert "Verifying a[/b].py" in shown and "Traceback" not in shown


# ---- output that cannot be written ----


@posix
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), VERIFY, SHOW], ids=" ".join)
def test_output_onto_a_full_device_is_no_verdict(ended, arguments):
    with open("/dev/full", "wb") as full:
        found = ended(*arguments, stdout=full)
        assert (found.returncode, found.stderr.decode()) == (2, FULL)
        assert ended(*arguments, stdout=full, stderr=full).returncode == 2


@posix
def test_a_report_is_written_before_anything_is_printed(folder, ended):
    with open("/dev/full", "wb") as full:
        assert ended(*VERIFY, "--report", "first.json", stdout=full).returncode == 2
    assert json.loads((folder / "first.json").read_text())["passed"] is True


@posix
def test_a_refusal_that_cannot_be_printed_is_one(ended):
    with open("/dev/full", "wb") as full:
        assert ended("verifi", stderr=full).returncode == 2
        assert ended("verifi", stdout=full).returncode == 2


@posix
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), VERIFY, SHOW], ids=" ".join)
def test_output_that_nobody_reads_ends_with_141_and_no_word(ended, arguments):
    read, write = os.pipe()
    os.close(read)
    found = ended(*arguments, stdout=write)
    os.close(write)
    assert (found.returncode, found.stderr) == (141, b"")


# Runs Python anew with a descriptor closed, as `>&-` and `2>&-` do in a shell.
CLOSING = "import os, sys; os.close({}); os.execv(sys.executable, [sys.executable, '-c', *sys.argv[1:]])"


@posix
@pytest.mark.parametrize("arguments", [("--version",), VERIFY], ids=" ".join)
def test_output_that_is_closed_changes_no_verdict(ended, arguments):
    found = ended(PROGRAM, *arguments, program=CLOSING.format(1))
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


@posix
def test_what_belongs_on_stderr_goes_nowhere_where_that_is_closed(folder, ended):
    """Neither to stdout, as `print` would, nor into a file that got its number."""
    closing = CLOSING.format(2)
    for arguments in (("verifi",), ("golden", "check", "missing.h5")):
        found = ended(PROGRAM, *arguments, program=closing)
        assert (found.returncode, found.stdout, found.stderr) == (2, b"", b"")
    found = ended(LOST, program=closing)
    assert (found.returncode, found.stdout, found.stderr) == (130, b"went on\n", b"")
    (folder / "speaks.py").write_text("import os, warnings; print('here'); os.write(2, b'here'); warnings.warn('here')")
    plain = ended("verify", "speaks.py", "--golden", "few.h5")
    found = ended(PROGRAM, "verify", "speaks.py", "--golden", "few.h5", program=closing)
    assert (found.returncode, found.stdout) == (1, plain.stdout) and b"here" in plain.stderr


@posix
def test_a_free_descriptor_is_no_file_that_is_read_or_written(ended):
    """The first file that is opened takes the lowest free number, and what a library prints would go into it."""
    where = (
        "import os; from refwarp.terminal.streams import guard_streams; "
        "guard_streams(); print(*map(os.readlink, links))"
    )
    program = f"links = [f'/proc/self/fd/{{n}}' for n in (0, 2)]; {where}"
    if os.path.exists("/proc/self/fd"):
        found = ended(program, program=CLOSING.format("0); os.close(2"))
        assert (found.returncode, found.stdout) == (0, b"/dev/null /dev/null\n")


@posix
def test_an_adapter_that_cannot_print_is_judged_by_what_it_returns(folder, ended):
    adapter = """
from refwarp.golden.targets import refwarp

def affine_grid(theta, **options):
    print("at work", flush=True)
    return refwarp.affine_grid(theta, **options)
"""
    (folder / "right.py").write_text(adapter)
    with open("/dev/full", "wb") as full:
        found = ended("verify", "right.py", "--golden", "few.h5", "--require", "faithful", stderr=full)
    assert found.returncode == 0 and b"cases are faithful" in found.stdout


def test_a_report_that_cannot_be_written_takes_neither_the_others_nor_the_verdict(folder, capsys, monkeypatch):
    write = report.write

    def full(path, *found):
        if path.suffix == ".html":
            raise OSError(f"{path}: no space")
        write(path, *found)

    monkeypatch.setattr(report, "write", full)
    command = ["verify", str(folder / "mine.h5"), "--golden", str(folder / "few.h5")]
    for name in ("lost.html", "kept.xml", "too.html"):
        command += ["--report", str(folder / name)]
    assert run(command) == 2
    printed = capsys.readouterr()
    assert "cases are faithful" in printed.out and printed.err.count("\n") == 1
    assert all(f"{folder / name}: no space" in printed.err for name in ("lost.html", "too.html"))
    assert (folder / "kept.xml").exists() and not (folder / "lost.html").exists()


# ---- names of files ----


def test_the_letters_of_a_suffix_may_be_large(folder, capsys):
    (folder / "MINE.PY").write_text("VERSION = '8'")
    (folder / "MINE.H5").write_bytes((folder / "mine.h5").read_bytes())
    golden = ["--golden", str(folder / "few.h5")]
    assert run(["verify", str(folder / "MINE.PY"), *golden]) == 1
    assert "MINE.PY 8, coordinates" in capsys.readouterr().out
    assert run(["verify", str(folder / "MINE.H5"), *golden, "--report", str(folder / "R.JSON")]) == 0
    assert json.loads((folder / "R.JSON").read_text())["passed"] is True
    assert run(["golden", "export", *golden, "--out", str(folder / "S.JSON.GZ")]) == 0
    assert json.loads(gzip.decompress((folder / "S.JSON.GZ").read_bytes()))["generator"] == "7"


def test_a_folder_is_called_one(folder, capsys):
    for name, what in (("x.py", "an adapter"), ("x.h5", "a file of results")):
        (folder / name).mkdir()
        assert run(["verify", str(folder / name)]) == 2
        expected = f"refwarp: target: given {str(folder / name)!r}, which is a folder; expected {what}\n"
        assert capsys.readouterr().err == expected


def test_an_export_does_not_destroy_what_it_reads(folder, capsys):
    before = (folder / "few.h5").read_bytes()
    (folder / "link.h5").symlink_to("few.h5")
    for name in ("few.h5", "link.h5"):
        assert run(["golden", "export", "--golden", str(folder / "few.h5"), "--out", str(folder / name)]) == 2
        assert "which is the file that is read" in capsys.readouterr().err
    assert (folder / "few.h5").read_bytes() == before


@posix
def test_a_report_does_not_destroy_the_golden_file(folder, capsys):
    golden = folder / "input.json"
    assert run(["golden", "export", "--golden", str(folder / "few.h5"), "--out", str(golden)]) == 0
    before = golden.read_bytes()
    (folder / "soft.json").symlink_to("input.json")
    (folder / "hard.json").hardlink_to(golden)
    capsys.readouterr()
    for name in ("input.json", "soft.json", "hard.json"):
        command = ["verify", str(folder / "mine.h5"), "--golden", str(golden), "--report", str(folder / name)]
        assert run(command) == 2
        expected = f"refwarp: report: given {str(folder / name)!r}, which is the file that is read; give another name\n"
        assert capsys.readouterr() == ("", expected)
    assert golden.read_bytes() == before


@posix
def test_two_reports_are_two_files(folder, capsys):
    first = folder / "one.json"
    first.write_text("")
    (folder / "one_soft.json").symlink_to("one.json")
    (folder / "one_hard.json").hardlink_to(first)
    (folder / "new_soft.json").symlink_to("new.json")  # which is not there yet
    for one, other in (("one", "one"), ("one", "one_soft"), ("one_hard", "one"), ("new_soft", "new")):
        paths = [str(folder / f"{name}.json") for name in (one, other)]
        command = ["verify", str(folder / "mine.h5"), "--golden", str(folder / "few.h5")]
        assert run([*command, "--report", paths[0], "--report", paths[1]]) == 2
        expected = f"refwarp: report: given {paths[0]!r} and {paths[1]!r}, which are one file; give another name\n"
        assert capsys.readouterr() == ("", expected)
    assert first.read_text() == ""


# ---- Ctrl-C ----

LOST = """
import signal, sys, weakref
from refwarp import cli
from refwarp.golden import format

class Thing:
    pass

def read(path):
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing  # where KeyboardInterrupt is raised, and nobody can catch it
    print("went on", flush=True)
    while True:
        pass

format.read = read
sys.argv = ["refwarp", "verify", "mine.h5"]
cli.main()
"""

# The interrupt comes again before the function has been left that is told of what was ignored.
LOST_AGAIN = f"""
import _thread, signal

def start(function, arguments, original=_thread.start_new_thread):
    _thread.start_new_thread = original
    signal.raise_signal(signal.SIGINT)

_thread.start_new_thread = start
{LOST}"""

TWICE = """
import signal, sys
from refwarp import cli
from refwarp.golden import format

def read(path):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        print("cleaning", flush=True)
        signal.raise_signal(signal.SIGINT)
        print("and cleaning", flush=True)

format.read = read
sys.argv = ["refwarp", "verify", "mine.h5"]
cli.main()
"""

OFF = """
import signal, sys
from refwarp import cli
from refwarp.golden import format

def read(path):
    signal.raise_signal(signal.SIGINT)
    raise ValueError("went on")

format.read = read
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv = ["refwarp", "verify", "mine.h5"]
cli.main()
"""


@posix
@pytest.mark.parametrize("program", [LOST, LOST_AGAIN], ids=["once", "again"])
def test_an_interrupt_within_a_callback_of_garbage_collection_is_not_lost(ended, program):
    found = ended(program=program)
    assert (found.returncode, found.stdout, found.stderr) == (130, b"went on\n", b"refwarp: interrupted\n")


@posix
def test_a_second_interrupt_ends_at_once(ended):
    found = ended(program=TWICE)
    assert (found.returncode, found.stdout, found.stderr) == (-signal.SIGINT, b"cleaning\n", b"")


@posix
def test_a_second_interrupt_shows_the_cursor_again(ended):
    """A progress display hides it, and is not there any more to show it."""
    ours, terminal = os.openpty()
    found = ended(program=TWICE, stderr=terminal)
    os.close(terminal)
    os.set_blocking(ours, False)
    shown = os.read(ours, 100_000)
    os.close(ours)
    hidden, again = b"\x1b[?25l", b"\x1b[?25h"
    assert found.returncode == -signal.SIGINT and hidden in shown and shown.endswith(again)


@posix
def test_interrupts_that_are_ignored_stay_ignored(ended):
    found = ended(program=OFF)
    assert (found.returncode, found.stderr) == (2, b"refwarp: went on\n")


def test_an_interrupt_while_the_command_is_imported_ends_in_order(tmp_path):
    """Typer alone takes a tenth of a second; here it is where the interrupt strikes."""
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "refwarp", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "refwarp: interrupted\n")
