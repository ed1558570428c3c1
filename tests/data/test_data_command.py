"""`refwarp data list` and `refwarp data check`, as typed."""

import pytest

from refwarp.cli import run
from refwarp.data.registry import datasets
from tests.data.tiny_sets import write_set


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("REFWARP_DATA", raising=False)


def test_the_list_says_what_each_set_is(capsys):
    assert run(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name, known in datasets().items():
        (line,) = (line for line in out.splitlines() if line.split()[:1] == [name])
        assert known.title in line and known.size in line and known.licence in line
    assert "there" not in out.splitlines()[1].split()


@pytest.mark.parametrize("environment", [False, True])
def test_the_list_says_where_each_set_is(tmp_path, monkeypatch, capsys, environment):
    write_set(tmp_path, "em")
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path if environment else tmp_path / "nowhere"))
    assert run(["data", "list", *([] if environment else ["--data", str(tmp_path)])]) == 0
    lines = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines() if line.split()}
    assert lines["name"] == "there" and lines["em"] == "em_vnc/stack1" and lines["mnist"] == "no"


def test_what_can_be_read_is_said_with_its_digest_and_exit_code_0(tmp_path, capsys):
    folder, _ = write_set(tmp_path, "em")
    assert run(["data", "check", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    lines = {line.split()[0]: line.strip() for line in captured.out.splitlines() if line.split()}
    assert "unknown content" in lines["em"] and datasets()["em"].digest(folder) in lines["em"]
    assert lines["mnist"].split()[1:] == ["missing", "published", "at", datasets()["mnist"].origin]
    assert not captured.err


def test_each_damaged_file_is_named_with_exit_code_1(tmp_path, monkeypatch, capsys):
    folder, _ = write_set(tmp_path, "em")
    (folder / "raw/01.tif").write_bytes(b"")
    (folder / "raw/02.tif").write_bytes(b"[red]no markup")
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path))
    assert run(["data", "check"]) == 1
    out = capsys.readouterr().out
    assert "2 flaws, below" in out
    flaws = [line for line in out.splitlines() if line.startswith("em: ")]
    assert [f"/raw/0{number}.tif: " in flaw for number, flaw in zip((1, 2), flaws, strict=True)] == [True, True]


def test_nothing_to_check_is_exit_code_1(tmp_path, capsys):
    assert run(["data", "check", str(tmp_path)]) == 1
    write_set(tmp_path, "em")
    assert run(["data", "check", str(tmp_path), "--name", "em"]) == 0
    assert run(["data", "check", str(tmp_path), "--name", "em", "--name", "mnist"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "data: no folder is given; name the one that holds the data sets"),
        (["check", "nowhere"], "data: given 'nowhere', but there is no such folder"),
        (["check", "file"], "data: given 'file', which is no folder"),
        (["check", ".", "--name", "imagenet"], "name: given 'imagenet', expected one of 'cluttered_mnist', "),
        (["list", "--data", "nowhere"], "data: given 'nowhere', but there is no such folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert run(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"refwarp: {message}") and len(captured.err.splitlines()) == 1 and not captured.out
