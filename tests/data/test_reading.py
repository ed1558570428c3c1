"""Where data are looked for."""

import pytest

from refwarp.data import data_folder


def test_a_folder_that_is_given_comes_before_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("REFWARP_DATA", str(tmp_path))
    (tmp_path / "here").mkdir()
    assert data_folder(tmp_path / "here") == tmp_path / "here"
    assert data_folder() == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_folder_one_sentence_says_how_to_name_one(monkeypatch, value):
    monkeypatch.delenv("REFWARP_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("REFWARP_DATA", value)
    with pytest.raises(
        ValueError, match=r"data: no folder is given; name .* `--data DIR`, or .* variable REFWARP_DATA"
    ):
        data_folder()


@pytest.mark.parametrize("given", [True, False])
def test_what_is_no_folder_is_named_with_where_it_was_given(tmp_path, monkeypatch, given):
    def find(path):
        monkeypatch.setenv("REFWARP_DATA", str(path))
        return data_folder(path if given else None)

    argument = "data" if given else "REFWARP_DATA"
    with pytest.raises(FileNotFoundError, match=f"^{argument}: given '.*nowhere', but there is no such folder; exp"):
        find(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=f"^{argument}: given 'n+', but there is no such folder"):
        find("n" * 5000)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"^{argument}: given '.*file', which is no folder; expected the folder"):
        find(tmp_path / "file")
