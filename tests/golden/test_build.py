"""Building in several processes: the same as in one, and nobody left behind; writing what was built, without room."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from refwarp.golden import build as building
from refwarp.golden.build import build
from refwarp.golden.format import write


def test_several_processes_give_the_same_bytes(few, tmp_path):
    told = []
    write(tmp_path / "one.h5", build(few), "7")
    write(tmp_path / "two.h5", build(few, lambda *numbers: told.append(numbers), jobs=2), "7")
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    assert told == [(done, len(few)) for done in range(1, len(few) + 1)]


def test_the_order_is_that_of_the_cases(few):
    assert [case.name for case in build(few[::-1], jobs=2)] == [case.name for case in few[::-1]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_case_that_is_not_what_it_says_is_refused(few, jobs):
    case = next(case for case in few if case.result == "valid")
    with pytest.raises(ValueError, match="says that it is acceptable, but conventions make it valid"):
        build([*few, replace(case, name=f"{case.name}_again", result="acceptable")], jobs=jobs)


def _end(case):
    os._exit(9)


def test_a_process_that_something_ends_is_reported(few, monkeypatch):
    monkeypatch.setattr(building, "_built", _end)
    with pytest.raises(OSError, match="was killed, perhaps for want of memory; use fewer jobs"):
        build(few, jobs=2)


# Its work never ends, but for the first case.
PROGRAM = """
import sys, time
from refwarp.golden import build as building
from refwarp.golden.families import all_cases

def built(case):
    while case.name != cases[0].name:
        time.sleep(60)
    return case

cases = all_cases()[:4]
print(__name__, flush=True)
if __name__ == "__main__":
    building._built = built
    try:
        building.build(cases, lambda *numbers: print(*numbers, flush=True), jobs=2)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of a terminal are POSIX's")
@pytest.mark.parametrize("how", ["interrupt", "early interrupt", "kill"])
def test_whatever_ends_the_program_ends_its_processes(tmp_path, hang_limit, how):
    (tmp_path / "program.py").write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # A process imports the program, or has done a case.
    until = "__mp_main__\n" if how == "early interrupt" else "1 4\n"
    assert until in iter(program.stdout.readline, "")
    if how == "kill":
        program.kill()
    else:
        os.killpg(program.pid, signal.SIGINT)
    # The pipes are closed only when the last process that holds them has ended.
    _, errors = program.communicate(timeout=hang_limit)
    assert how == "kill" or (program.returncode == 130 and errors == "")


FULL = """
import json, os, resource, sys
from pathlib import Path
from refwarp.golden.export import export
from refwarp.golden.format import read, write
golden = read(sys.argv[1])
Path(sys.argv[1]).unlink()
writers = {"few.h5": lambda path: write(path, golden.cases, "7"), "few.json": lambda path: export(path, golden)}
for name, writer in writers.items():
    path = Path(sys.argv[1]).with_name(name)
    writer(path)
    size = path.stat().st_size
    path.write_text("old")
    for limit in (0, 100, size // 2, size - 1, size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        found = "written"
        try:
            writer(path)
        except OSError as error:
            found = str(error)
        old = path.stat().st_size == 3
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(json.dumps([limit == size, found, old, os.listdir(path.parent)]), flush=True)
    path.unlink()
"""


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
def test_without_room_there_is_one_sentence_and_the_old_file(tmp_path, few):
    """A file may have so many bytes and no more, as on a disk that is full: HDF5's own writes end in a crash there."""
    write(tmp_path / "given.h5", few, "7")
    command = [sys.executable, "-c", FULL, str(tmp_path / "given.h5")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    for name, found in (("few.h5", lines[:5]), ("few.json", lines[5:])):
        sentence = (
            f"{tmp_path / name}: the file cannot be written (File too large), and what was there is as before; "
            "make room, or give another name"
        )
        assert found == [[False, sentence, True, [name]]] * 4 + [[True, "written", False, [name]]]
