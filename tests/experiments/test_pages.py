"""The pages about experiments are what the results say."""

import pytest

from refwarp.sweeps.pages import pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_what_the_results_say(path):
    assert path.read_text(encoding="utf-8") == PAGES[path]
