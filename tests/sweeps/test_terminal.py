"""How a sweep shows: lines off a terminal, and a table on one that fits and goes again."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from refwarp.sweeps import load_experiment
from refwarp.sweeps.progress import Status
from refwarp.sweeps.terminal import cost, duration, show_experiments, sweep_display
from refwarp.terminal.console import TextConsole
from tests.sweeps.sweeping import EXPERIMENT

LONG = {
    "ST-CNN Aff RTS rate 0.1 seed 11": (0.42, "loss 0.123, validation error 3.4%"),
    "[bold]\N{CJK UNIFIED IDEOGRAPH-6570}\N{CJK UNIFIED IDEOGRAPH-5B57} :smile:": (1.0, "begun"),
}
STATUSES = [
    Status(12, 0, 0, {}, 4000.0),
    Status(12, 0, 0, LONG, 3999.5),
    Status(12, 1, 0, LONG, 3000.0),
    Status(12, 1, 1, LONG, 2000.0),
    Status(12, 11, 1, {}, 0.0),
]


def test_off_a_terminal_there_is_a_line_for_each_cell_that_ends():
    stream = io.StringIO()
    with sweep_display("table", "12 cells", TextConsole(file=stream)) as show:
        for status in STATUSES:
            show(status)
    assert stream.getvalue().splitlines() == [
        "12 cells",
        "table: 0 of 12 cells, 1:06:40 left",
        "table: 1 of 12 cells, 0:50:00 left",
        "table: 1 of 12 cells, 1 failed, 0:33:20 left",
        "table: 11 of 12 cells, 1 failed",
    ]


def shown(width, height=24, **options):
    """Return what a terminal of some size is sent."""
    stream = io.StringIO()
    size = {"width": width, "height": height, "force_terminal": True, "legacy_windows": False, "_environ": {}}
    with sweep_display("table", "12 cells", TextConsole(file=stream, **{**size, **options})) as show:
        for status in STATUSES:
            show(status)
    return stream.getvalue()


def screens(sent):
    """Return the pictures that a terminal shows one after the other below the heading, as lists of lines."""
    sent = re.sub(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]", "", sent)
    parts = [part.splitlines() for part in re.split(r"\r(?:\x1b\[2K|\x1b\[1A)+", sent) if part.strip()]
    return [part for part in parts if part[0].startswith("ta")]


@pytest.mark.parametrize("width", [5, 10, 20, 40, 80, 200])
def test_on_a_terminal_it_fits_the_width_with_room_for_an_echo(width):
    pictures = screens(shown(width))
    assert len(pictures) >= len(STATUSES)
    for picture in pictures:
        assert len(picture) <= 4 and max(map(cell_len, picture)) <= width - 2


def test_on_a_wide_terminal_all_is_there():
    picture = screens(shown(100))[3]
    assert picture[0] == "table: 1 of 12 cells, 1 failed, 0:33:20 left"
    assert set(picture[1]) <= set("━╸╺ ") and len(picture[1]) == 60
    assert picture[2].split("  ")[1:] == [
        "ST-CNN Aff RTS rate 0.1 seed 11", " 42%", "loss 0.123, validation error 3.4%"
    ]  # fmt: skip
    assert picture[3].strip().startswith("[bold]") and ":smile:" in picture[3]


def test_at_the_end_the_screen_is_as_before():
    """As many lines are erased as were written, and the cursor shows."""
    sent = shown(40)
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h") == 1
    last = sent[sent.rindex("table:") :]
    assert last.count("\x1b[1A\x1b[2K") == last.count("\n")


def test_without_a_status_nothing_shows():
    stream = io.StringIO()
    for options in ({}, {"force_terminal": True, "_environ": {}}):
        with sweep_display("table", "12 cells", TextConsole(file=stream, **options)):
            pass
    assert not re.sub(r"\x1b\[[0-9?]*[A-Za-z]|\s", "", stream.getvalue())


def test_on_a_low_terminal_it_is_cut():
    assert all(len(picture) <= 2 for picture in screens(shown(80, height=2)))


def test_a_terminal_that_moves_no_cursor_gets_lines():
    sent = shown(80, _environ={"TERM": "dumb"})
    assert "\x1b" not in sent and len(sent.splitlines()) == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (0.01, "0:00:01"), (59.5, "0:01:00"), (3723, "1:02:03"), (1e5, "1 day, 3:46:40")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01, "1 cell, about a second of one core"),
        (2, "1 cell, about 2 seconds of one core"),
        (119, "1 cell, about 119 seconds of one core"),
        (120, "1 cell, about 2 minutes of one core"),
        (5040, "1 cell, about 84 minutes of one core"),
        (7200, "1 cell, about 2 hours of one core"),
        (94 * 86400, "1 cell, about 94 days of one core"),
        (12345 * 86400, "1 cell, about 12,345 days of one core"),
    ],
)
def test_the_cost_in_words(seconds, text):
    experiment = SimpleNamespace(scales={"x": None}, cells=lambda settings, seeds: seeds, seconds=lambda cell: seconds)
    assert cost(SimpleNamespace(experiment=experiment), "x", [0]) == text


def test_the_list_says_what_each_scale_costs():
    stream = io.StringIO()
    show_experiments([load_experiment(EXPERIMENT)], Console(file=stream, width=200))
    lines = [line.split("  ") for line in stream.getvalue().splitlines()]
    found = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    title = "no paper: whether networks tell bright from dark"
    assert ["small_experiment", title, "tiny", "6 cells, about a second of one core"] in found
    assert ["endless", "3 cells, about 4 days of one core"] in found
