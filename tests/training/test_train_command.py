"""`refwarp train`, as typed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refwarp.cli import run
from refwarp.tour import distorted_digits
from refwarp.training import load_state
from tests.tour.few_digits import few_digits


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(distorted_digits, "load_digits", few_digits)


def test_it_trains_saves_and_resumes(tmp_path, capsys):
    checkpoint = tmp_path / "a.h5"
    command = ["train", "--distortion", "R", "--epochs", "2", "--checkpoint", str(checkpoint)]
    assert run(command) == 0
    first = capsys.readouterr()
    assert first.out.startswith("ST-CNN on R, seed 0: ") and "20,352 parameters" in first.out
    assert [line.split(",")[0] for line in first.err.splitlines()] == ["ST-CNN on R", "ST-CNN on R"]
    assert load_state(checkpoint)["epoch"] == 2
    assert run([*command, "--resume"]) == 0  # nothing is left to do
    again = capsys.readouterr()
    assert again.out == first.out and not again.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "FCN"], "model: given 'FCN', expected one of 'CNN', 'ST-CNN'"),
        (["--distortion", "TC"], "distortion: given 'TC', expected one of 'R', 'RTS'"),
        (["--epochs", "0"], "Invalid value for '--epochs'"),
        (["--resume"], "resume: given without a checkpoint"),
        (["--resume", "--checkpoint", "nowhere.h5"], "checkpoint: given 'nowhere.h5', but there is no such file"),
        (["--checkpoint", "file/a.h5"], "file', which is a file; expected a folder"),
        (["--checkpoint", "file"], "checkpoint: file is there already; add --resume"),
        (["--checkpoint", "file", "--resume"], "file cannot be read as a checkpoint"),
        (["--checkpoint", "."], "checkpoint: given '.', which is a folder; expected the name of a file"),
        (["--checkpoint", ".", "--resume"], "checkpoint: given '.', which is a folder; expected the name of a file"),
        (["--checkpoint", "a" * 300], "aaa', which cannot be looked up (File name too long); give another name"),
        (["--checkpoint", "a" * 300, "--resume"], "aaa', which cannot be looked up (File name too long); give"),
        (["--model", "FCN", "--checkpoint", "new/sub/a.h5"], "model: given 'FCN'"),
        (["--distortion", "TC", "--checkpoint", "new/sub/a.h5"], "distortion: given 'TC'"),
        (["--resume", "--checkpoint", "new/sub/a.h5"], "checkpoint: given 'new/sub/a.h5', but there is no such file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no checkpoint")
    assert run(["train", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and len(captured.err.splitlines()) == 1 and not captured.out
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "no checkpoint"


def test_a_checkpoint_that_another_run_has_made_in_the_meantime_stays(tmp_path, monkeypatch, capsys):
    """Another run may begin and end while this one reads its digits: the lock alone does not tell."""
    checkpoint = tmp_path / "a.h5"

    def slowly():
        checkpoint.write_text("another run's")
        return few_digits()

    monkeypatch.setattr(distorted_digits, "load_digits", slowly)
    assert run(["train", "--epochs", "1", "--checkpoint", str(checkpoint)]) == 2
    assert f"checkpoint: {checkpoint} is there already; add --resume" in capsys.readouterr().err
    assert checkpoint.read_text() == "another run's"


FULL = """
import resource, sys
from tests.tour.few_digits import few_digits
from refwarp.cli import run
from refwarp.tour import distorted_digits
distorted_digits.load_digits = few_digits
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(["train", "--distortion", "R", "--epochs", "1", "--checkpoint", sys.argv[2]]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
@pytest.mark.parametrize("limit", [4096, 10240])
def test_without_room_for_the_checkpoint_it_ends_with_a_sentence_and_no_file(tmp_path, limit):
    command = [sys.executable, "-c", FULL, str(limit), str(tmp_path / "run.h5")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"refwarp: {tmp_path / 'run.h5'}: the file cannot be written (File too large), and what was there is as "
        "before; make room, or give another name\n"
    )
    assert not list(tmp_path.iterdir())


def test_cuda_without_cupy_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert run(["train", "--device", "cuda"]) == 2
    expected = "refwarp: device: given 'cuda', which needs CuPy; install refwarp[cuda12] or refwarp[cuda13]\n"
    assert capsys.readouterr().err == expected


def test_without_scikit_learn():
    program = "import sys; sys.modules['sklearn'] = None; from refwarp.cli import run; sys.exit(run(['train']))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        'refwarp: The digits come with scikit-learn, which is not installed: run pip install "refwarp[data]".'
    ]
