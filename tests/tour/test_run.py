"""The main job from end to end, in small; and what it says when it cannot start."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from refwarp.cli import run as refwarp
from refwarp.golden import SUITE
from refwarp.golden.format import read
from refwarp.golden.verify import verify
from refwarp.tour import run, summary
from refwarp.tour.distorted_digits import Budget
from refwarp.tour.run import Plan, run_tour
from tests.tour.examples import make_results

FILES = {
    "report.html", "tour.png", "poses.png", "errors.png", "curves.png", "kink.png", "golden.h5", "metrics.json"
}  # fmt: skip
SMALL = Plan({"RTS": 1}, Budget(epochs=1))


def silent() -> Console:
    return Console(file=io.StringIO(), width=80)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small tour's folder, and what it printed at its end."""
    folder = tmp_path_factory.mktemp("tour") / "out"
    folder.mkdir()
    (folder / "report.html").write_text("of an earlier tour")
    results = run_tour(folder, seed=3, plan=SMALL, console=silent())
    console = silent()
    summary.show(results, folder, console)
    return folder, console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_all_files_are_there_and_nothing_else(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    assert {file.name for file in folder.iterdir()} == FILES
    assert read(folder / "golden.h5").digest == read(SUITE).digest
    assert (folder / "report.html").read_text().endswith("</html>\n")
    assert (folder / "tour.png").stat().st_size < 200_000


def test_metrics_name_the_runs(finished: tuple[Path, str]) -> None:
    found = json.loads((finished[0] / "metrics.json").read_text())
    runs = [(t["distortion"], t["model"], t["seed"]) for t in found["trials"]]
    assert runs == [("RTS", "CNN", 3), ("RTS", "ST-CNN", 3)]
    assert all(len(t["validation_error"]) == 1 and 0 <= t["test_error"] <= 1 for t in found["trials"])
    assert found["verify"]["passed"] and found["kink"]["agrees"]


def test_the_summary_fits_on_a_screen_and_says_where_and_how_well(finished: tuple[Path, str]) -> None:
    folder, text = finished
    assert len(text.splitlines()) <= 24
    for part in (str(folder), "report.html", "Kernels:", "ST-CNN", "seed 3", "mean"):
        assert part in text


def test_brackets_in_the_name_of_the_folder_are_printed_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=200)
    summary.show(make_results(), Path("/x[/b] [red]y"), console)
    assert "written to /x[/b] [red]y:" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_cuda_without_cupy_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert refwarp(["tour", "--out", str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "device: given 'cuda', which needs CuPy" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ({}, "trials: given none, expected a number of seeds for at least one distortion"),
        ({"TC": 1}, "trials: given 'TC', expected one of 'R', 'RTS'"),
        ({"R": 0}, r"trials\['R'\]: given 0, expected a positive integer"),
    ],
)
def test_a_plan_of_nothing_is_refused(trials: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan(trials)


def test_a_negative_seed_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed: given -1, expected an integer of at least 0"):
        run_tour(tmp_path / "out", seed=-1, plan=SMALL, console=silent())
    assert list(tmp_path.iterdir()) == []


def test_without_scikit_learn_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sklearn", "threadpoolctl"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("refwarp.tour")]:
        monkeypatch.delitem(sys.modules, name)  # imported anew, without them
    assert refwarp(["tour", "--out", str(tmp_path / "out")]) == 2
    assert "refwarp[data]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert refwarp(["tour", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "which is a file" in error and error.count("\n") == 1
    assert (tmp_path / "out").read_text() == "mine"


def test_interrupted_ends_with_130_and_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    # All cases are another test's.
    monkeypatch.setattr(run, "verify", lambda cases, *options: verify(cases[:9], *options))
    monkeypatch.setattr(run, "train_on_distorted_digits", interrupt)
    assert refwarp(["tour", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "refwarp: interrupted"
    assert [file.name for file in tmp_path.iterdir()] == ["golden.h5"]
    read(tmp_path / "golden.h5")
