"""`refwarp train` and `refwarp predict`, as typed."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from refwarp.classification import parts
from refwarp.classification.kept import load_classifier
from refwarp.cli import run
from refwarp.cli.training import train as command
from refwarp.training import error_rate, load_state
from tests.classification.tiny_pictures import CLASSES, write_pictures
from tests.data.tiny_sets import save
from tests.tour.few_digits import few_digits

FILES = {"checkpoint.h5", "weights.h5", "metrics.json", "split.json", "curves.png", "transformers.png"}
QUICK = ["--lr", "0.01", "--epochs", "3", "--batch-size", "16"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with some pictures by class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFWARP_DATA", raising=False)
    write_pictures(tmp_path / "pictures", 12)
    return tmp_path


def train(*options):
    return run(["train", "--data", "pictures", *QUICK, *options])


def states(folder):
    """Return what has to repeat of a run's files: all but the seconds, and the name of the folder."""
    numbers = json.loads((folder / "metrics.json").read_text())
    del numbers["seconds"], numbers["history"]["seconds"], numbers["command"]
    saved = load_state(folder / "checkpoint.h5")
    del saved["history"]["seconds"]
    files = {name: (folder / name).read_bytes() for name in FILES - {"metrics.json", "checkpoint.h5"}}
    return numbers, repr(saved), files


def test_it_trains_and_leaves_all_that_it_takes_to_run_it_again(here, capsys):
    assert train("--out", "a/b", "--warp", "tps(points=(3, 3))", "--seed", "5") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("ST-CNN (tps(points=(3, 3)), bilinear) on pictures, seed 5: ")
    assert len(printed.err.splitlines()) == 3 and printed.out.splitlines()[1].startswith("a/b has the network")
    folder = here / "a/b"
    assert {path.name for path in folder.iterdir()} == FILES
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["classes"] == list(CLASSES) and np.sum(numbers["confusion"]) == 3
    assert numbers["epochs"] == 3 == len(numbers["history"]["validation_error"])
    assert numbers["data"]["pictures"] == {"train": 30, "validation": 3, "test": 3}
    assert set(numbers["versions"]) >= {"refwarp", "python", "numpy", "numba", "blas"}
    assert numbers["test_error"] == pytest.approx(1 - np.trace(numbers["confusion"]) / 3, abs=1e-15)
    for name in ("curves.png", "transformers.png"):
        assert imread(folder / name).ndim == 3

    # The files of the test, and the network, give that error.
    split = json.loads((folder / "split.json").read_text())
    data = parts.load_parts("pictures", np.random.default_rng(np.random.SeedSequence(5).spawn(3)[0]))
    assert data.files == split and sum(map(len, split.values())) == 36
    assert error_rate(load_classifier(folder / "weights.h5").network, data.test) == numbers["test_error"]

    # The command line that is kept says everything, so its defaults may change, and it does the same.
    words = shlex.split(numbers["command"])
    assert words[:2] == ["refwarp", "train"]
    options = {name.replace("_", "-") for name in command.__annotations__} - {"return", "resume"}
    assert {word.removeprefix("--") for word in words[2::2]} == options
    words[words.index("--out") + 1] = "again"
    assert run(words[1:]) == 0
    assert states(here / "again") == states(folder)


@pytest.mark.parametrize("epoch", [0, 2])
def test_interrupted_and_resumed_it_ends_with_the_same_bits(here, monkeypatch, capsys, epoch):
    from refwarp.training import loop

    options = ["--sampler", "linearized(noise={'count': 4})"]  # which draws, too
    assert train("--out", "whole", *options) == 0
    validate, validated = loop.error_rate, []

    def interrupt(model, examples):
        if len(validated) == epoch:
            raise KeyboardInterrupt
        validated.append(examples)
        return validate(model, examples)

    monkeypatch.setattr(loop, "error_rate", interrupt)
    capsys.readouterr()
    assert train("--out", "cut", *options) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "refwarp: interrupted"
    assert {path.name for path in (here / "cut").iterdir()} == {"checkpoint.h5"}
    assert load_state(here / "cut/checkpoint.h5")["epoch"] == epoch
    monkeypatch.setattr(loop, "error_rate", validate)
    assert train("--out", "cut", "--resume", *options) == 0
    assert states(here / "cut") == states(here / "whole")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_loses_at_most_an_epoch(here):
    """A real interrupt, at a moment that falls anywhere after the first epoch is saved."""
    words = [sys.executable, "-m", "refwarp", "train", "--data", "pictures", "--epochs", "100000", "--model", "FCN"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, cwd=here, env=environment, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
    assert process.returncode == 130 and "Traceback" not in errors and errors.splitlines()[-1] == "refwarp: interrupted"
    assert line.startswith("pictures: epoch 1/100000, ")
    assert load_state(here / "run/checkpoint.h5")["epoch"] >= len(errors.splitlines()) - 1


def test_without_data_it_learns_scikit_learn_s_digits_distorted(here, monkeypatch, capsys):
    monkeypatch.setattr(parts, "load_digits", few_digits)
    assert run(["train", "--model", "FCN", "--epochs", "1"]) == 0
    assert capsys.readouterr().out.startswith("FCN on digits, distorted by RTS, seed 0: ")
    assert not (here / "run/transformers.png").exists() and not (here / "run/split.json").exists()
    assert (
        run(["train", "--model", "FCN", "--epochs", "1", "--distortion", "none", "--size", "8", "--out", "plain"]) == 0
    )
    assert capsys.readouterr().out.startswith("FCN on digits, seed 0: ")
    assert load_classifier(here / "plain/weights.h5").design.shape == (1, 8, 8)


def test_the_best_epoch_is_kept_and_patience_ends_a_run(here, monkeypatch):
    from refwarp.training import loop

    errors = iter([0.5, 0.25, 0.5, 0.25, 0.0])
    monkeypatch.setattr(loop, "error_rate", lambda model, examples: next(errors))
    assert train("--epochs", "5", "--patience", "1", "--schedule", "plateau") == 0
    numbers = json.loads((here / "run/metrics.json").read_text())
    assert numbers["history"]["validation_error"] == [0.5, 0.25, 0.5, 0.25]
    assert numbers["best_epoch"] == 2 and numbers["validation_error"] == 0.25


def test_predict_prints_a_table_or_json_and_writes_what_the_network_sees(here, capsys):
    assert train("--epochs", "12") == 0
    capsys.readouterr()
    assert run(["predict", "pictures/bars", "pictures/dots/00.png", "--warped", "out"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["picture", "class", "probability"] and len(rows) == 14
    assert rows[1][0] == "pictures/bars/00.png" and rows[1][2].endswith("%")
    assert len(list((here / "out").iterdir())) == 13
    assert run(["predict", "--run", "run", "--json", "pictures/dots/00.png"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["class"] == rows[13][1] and one["probability"] == max(one["probabilities"].values())
    assert set(one["probabilities"]) == set(CLASSES) and f"{one['probability']:.1%}" == rows[13][2]
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    folder = write_pictures(here / "more", 12)  # the same pictures
    assert run(["predict", "--json", str(folder)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sum(Path(row["picture"]).parent.name == row["class"] for row in said) > 18  # of 36; guessing gets 12


def one_class(here):
    write_pictures(here / "one", 5, classes=("bars",))


def damaged_picture(here):
    (write_pictures(here / "damaged") / "bars" / "03.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def a_run(here):
    (here / "old").mkdir()
    (here / "old" / "checkpoint.h5").write_text("another run's")


def a_file(here):
    (here / "file").write_text("something")


def wide(here):
    for name in CLASSES:
        for k in range(4):
            save(here / "wide" / name / f"{k}.png", np.zeros((12, 20), np.uint8), "PNG")


def nothing(here):
    pass


BAD = [
    (
        nothing,
        ["--data", "nowhere"],
        "data: given 'nowhere', but there is no such folder; expected a folder of pictures",
    ),
    (
        nothing,
        ["--data", "mnist"],
        "data: no folder is given; name the one that holds the data sets as `--data DIR`, or",
    ),
    (one_class, ["--data", "one"], "data: given 'one' with the one class 'bars' in it, expected at least two classes"),
    (nothing, ["--data", "pictures/bars"], "data: given 'pictures/bars' with no folders in it"),
    (damaged_picture, ["--data", "damaged"], "damaged/bars/03.png: the picture cannot be read ("),
    (a_file, ["--data", "file"], "data: given 'file', which is no folder; expected a folder of pictures by class"),
    (nothing, ["--model", "RNN"], "model: given 'RNN', expected one of 'CNN', 'FCN', 'ST-CNN', 'ST-FCN'"),
    (nothing, ["--warp", "afine"], "warp: given 'afine', expected one of 'translation', "),
    (nothing, ["--warp", "none"], "warp: given 'none' with the model 'ST-CNN', which warps; give a transformation"),
    (nothing, ["--warp", "tps(points=(1, 2))"], "whose options do not fit: points: given 1, expected an integer of at"),
    (nothing, ["--sampler", "cubic"], "sampler: given 'cubic', expected one of 'bilinear', 'nearest', 'bicubic', "),
    (nothing, ["--sampler", "gaussian"], "sampler: given 'gaussian', whose options do not fit"),
    (
        nothing,
        ["--model", "CNN", "--sampler", "bicubic"],
        "sampler: given 'bicubic' with the model 'CNN', which does not",
    ),
    (nothing, ["--optimizer", "lbfgs"], "optimizer: given 'lbfgs', expected one of 'sgd', 'adam'"),
    (nothing, ["--schedule", "step"], "schedule: given 'step', expected one of 'cosine', 'plateau', 'constant'"),
    (nothing, ["--lr", "0"], "lr: given 0.0, expected a finite number above 0"),
    (nothing, ["--lr", "nan"], "lr: given nan, expected a finite number above 0"),
    (nothing, ["--epochs", "0"], "Invalid value for '--epochs'"),
    (nothing, ["--size", "0"], "size: given '0', expected a number of pixels up to 9999, or two as 32x48"),
    (nothing, ["--size", "2x3x4"], "size: given '2x3x4', expected a number of pixels"),
    (nothing, ["--size", "1" * 5000], "111', expected a number of pixels"),
    (nothing, ["--size", ""], "size: given '', expected a number of pixels"),
    (nothing, ["--size", "-5"], "size: given '-5', expected a number of pixels"),
    (
        nothing,
        ["--size", "9"],
        "size: given pictures of 9x9 pixels, which are too small for the convolutions of ST-CNN;",
    ),
    (nothing, ["--distortion", "X"], "distortion: given 'X', expected one of R, RTS, P, E, TC, none"),
    (
        wide,
        ["--data", "wide", "--distortion", "R"],
        "distortion: given 'R' with pictures of 12x20 pixels, expected squ",
    ),
    (a_run, ["--out", "old"], "out: old holds a run already; add --resume to go on with it, or give another folder"),
    (a_run, ["--out", "old", "--resume"], "old/checkpoint.h5 cannot be read as a checkpoint"),
    (
        nothing,
        ["--resume"],
        "out: given 'run/checkpoint.h5', but there is no such file; expected a run to resume; check",
    ),
    (a_file, ["--out", "file"], "out: given 'file', which is a file; expected a folder"),
    (a_file, ["--out", "file/run"], "out: given 'file/run', where no file can be written"),
    (nothing, ["--out", "pictures/run"], "out: given 'pictures/run', which lies in the folder of the pictures; give"),
    (nothing, ["--out", "a" * 300], "which cannot be looked up (File name too long); give another name"),
    (nothing, ["--out", "a" * 300, "--resume"], "which cannot be looked up (File name too long); give another name"),
    (nothing, ["--data", "a" * 300], "but there is no such folder; expected a folder of pictures by class, or one of"),
    (nothing, ["--device", "gpu"], "Invalid value for '--device'"),
]


@pytest.mark.parametrize(("prepare", "options", "sentence"), BAD, ids=[" ".join(case[1])[:40] for case in BAD])
def test_bad_input_is_one_sentence_and_exit_code_2_and_leaves_all_as_it_was(here, capsys, prepare, options, sentence):
    prepare(here)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert train(*options) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and len(captured.err.splitlines()) == 1 and not captured.out
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


BAD_PICTURES = [
    (
        ["pictures", "--run", "nowhere"],
        "run: given 'nowhere/weights.h5', but there is no such file; expected the folder",
    ),
    (["nothing.png"], "pictures: given 'nothing.png', but there is no such file; expected a picture, or a folder"),
    (["empty"], "pictures: given 'empty', a folder without pictures; expected some in it"),
    (["run/metrics.json"], "run/metrics.json: the picture cannot be read (it is of another format); replace it, or"),
    (["pictures", "--run", "cut"], "cut/weights.h5 cannot be read as a checkpoint"),
    (["pictures", "--warped", "out"], "warped: given with a network FCN, which does not warp; leave it out"),
    ([], "Missing argument 'pictures'"),
]


def test_bad_input_of_predict_is_one_sentence_and_exit_code_2(here, capsys):
    assert train("--model", "FCN", "--epochs", "1") == 0
    (here / "empty").mkdir()
    (here / "cut").mkdir()
    (here / "cut/weights.h5").write_bytes((here / "run/weights.h5").read_bytes()[:-100])
    for options, sentence in BAD_PICTURES:
        capsys.readouterr()
        assert run(["predict", *options]) == 2
        captured = capsys.readouterr()
        assert sentence in captured.err and len(captured.err.splitlines()) == 1 and not captured.out


def test_a_run_with_other_options_is_not_resumed(here, capsys):
    assert train("--model", "FCN") == 0
    before = states_of(here / "run")
    for options, which in (
        (["--model", "ST-FCN"], "its network is "),
        (["--model", "FCN", "--seed", "1"], "its seed is 0, and that of this run 1"),
        (["--model", "FCN", "--epochs", "4"], "its epochs is 3, and that of this run 4"),
        (["--model", "FCN", "--optimizer", "sgd"], "its optimizer is 'adam', and that of this run 'sgd'"),
    ):
        capsys.readouterr()
        assert train("--resume", *options) == 2
        assert which in capsys.readouterr().err and states_of(here / "run") == before
    save(here / "pictures/bars/00.png", np.full((12, 12), 7, np.uint8), "PNG")
    assert train("--resume", "--model", "FCN") == 2
    assert "its digest of " in capsys.readouterr().err and states_of(here / "run") == before


def states_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_that_another_has_begun_in_the_meantime_stays(here, monkeypatch, capsys):
    """Another run may begin and end while this one reads its pictures: the lock alone does not tell."""
    load = parts.find_class_folders

    def slowly(*arguments):
        (here / "run").mkdir()
        (here / "run/checkpoint.h5").write_text("another run's")
        return load(*arguments)

    monkeypatch.setattr(parts, "find_class_folders", slowly)
    assert train() == 2
    assert "out: run holds a run already; add --resume" in capsys.readouterr().err
    assert (here / "run/checkpoint.h5").read_text() == "another run's"


FULL = """
import resource, sys
from refwarp.cli import run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(["train", "--data", "pictures", "--model", "FCN", "--epochs", "1"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
@pytest.mark.parametrize("limit", [4096, 40960])
def test_without_room_it_ends_with_a_sentence_and_no_file(here, limit):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(limit)], capture_output=True, text=True, check=False, cwd=here, env=environment
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"refwarp: {here / 'run/checkpoint.h5'}: the file cannot be written (File too large), and what was there is as "
        "before; make room, or give another name\n"
    )
    assert not list((here / "run").iterdir())


def test_a_rate_that_is_too_large_is_told(here, capsys, recwarn):
    assert train("--optimizer", "sgd", "--lr", "1e30", "--model", "FCN") == 2
    assert "lr: given 1e+30, with which the loss is " in capsys.readouterr().err.splitlines()[-1]


def test_cuda_without_cupy_is_one_sentence_and_exit_code_2(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert train("--device", "cuda") == 2
    expected = "refwarp: device: given 'cuda', which needs CuPy; install refwarp[cuda12] or refwarp[cuda13]\n"
    assert capsys.readouterr().err == expected


def test_without_scikit_learn(here):
    program = "import sys; sys.modules['sklearn'] = None; from refwarp.cli import run; sys.exit(run(['train']))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=here, env=environment)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        'refwarp: The digits come with scikit-learn, which is not installed: run pip install "refwarp[data]".'
    ]
