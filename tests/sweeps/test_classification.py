"""Tables of errors: what each network got wrong, differences on the same pictures, and what the paper says of them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from autograd_core.layers import Flatten
from refwarp.data import Examples
from refwarp.drawing.style import render
from refwarp.sweeps import Result, Results
from refwarp.sweeps.classification import ErrorTable, Ordering, judge

PAPER = {"A": {"R": 2.0, "E": 3.0}, "B": {"R": 1.5, "E": 3.0}, "C": {"R": 1.0}}
COLOURS = {"A": "red", "B": "green", "C": "blue"}


def judged(shown, labels):
    """Return the verdict on pictures that show some classes, and whose labels are others.

    The network reads the class that the brightest of four pixels has.
    """
    images = np.eye(4, dtype=np.float32)[shown].reshape(-1, 1, 2, 2)
    return judge(Flatten(), Examples(images, np.array(labels)))


def result(model, task, seed, wrong, **values):
    """Return the result of a network that gets some of ten pictures wrong."""
    labels = np.arange(10) % 4
    shown = np.where(np.isin(np.arange(10), wrong), (labels + 1) % 4, labels)
    values = {**judged(shown, labels), "parameters": 1234, "validation_error": [0.5, 0.25], **values}
    cell = SimpleNamespace(model=model, task=task, seed=seed, steps=100)
    return Result(cell, values, {"training": 10.0 * (seed + 1), "prediction": 0.5}, {})


RESULTS = [
    result("B", "R", 1, [0, 1]),
    result("A", "R", 0, [0, 1, 2]),
    result("A", "R", 1, [0, 1, 2, 3, 4]),
    result("B", "R", 0, [0]),
    result("A", "R", 7, [9]),  # a seed that B has not
    result("A", "E", 0, [1]),
]


@pytest.fixture
def table():
    return ErrorTable(Results("small", None, RESULTS, 2), PAPER, "task")


def test_a_verdict_is_the_share_of_errors_and_which_pictures_they_are():
    verdict = judged([0, 1, 2, 3, 0, 1, 2, 3, 0], [0, 1, 2, 3, 1, 1, 2, 0, 0])
    assert (verdict["error"], verdict["judged"]) == (2 / 9, 9)
    # The fifth and the eighth of nine: bits 1111 0110 and 1, in base64.
    assert verdict["right"] == "9oA="


def test_errors_are_those_of_each_seed_in_order(table):
    assert table.errors("A", "R") == pytest.approx([30, 50, 10])
    assert table.errors("C", "R") == []
    assert (table.models, table.tasks) == (["A", "B"], ["R", "E"])


def test_differences_are_those_of_common_seeds_on_the_same_pictures(table):
    # Seed 0 differs on pictures 1 and 2, seed 1 on 2, 3 and 4.
    found = table.difference("A", "B", "R")
    by_seed, by_picture = [0.2, 0.3], [0, 0.5, 1, 0.5, 0.5, 0, 0, 0, 0, 0]
    error = math.sqrt(np.var(by_seed, ddof=1) / 2 + np.var(by_picture, ddof=1) / 10)
    assert found.mean == pytest.approx(25) and found.standard_error == pytest.approx(100 * error)
    assert table.difference("A", "C", "R") is None and table.difference("A", "B", "E") is None


def test_tables_have_ours_beside_the_papers(table):
    assert table.summary() == (
        "Errors in % on 10 pictures, mean and standard deviation over 3 seeds (0, 1, 7). 2 cells are missing."
    )
    ours = table.table()
    assert ours.header == ["", "R", "paper", "E", "paper"]
    assert ours.rows == [["A", "30.00 ± 20.00", "2.0", "10.00", "3.0"], ["B", "15.00 ± 7.07", "1.5", "", "3.0"]]
    every = table.every()
    assert ["B on R", "15.00", "7.07", "1.5", "+13.50", "1,234", "15", "0.5"] in every.rows
    assert ["A on E", "10.00", "", "3.0", "+7.00", "1,234", "10", "0.5"] in every.rows
    assert len(every.rows) == 3 and all(len(row) == len(every.header) for row in every.rows)


def test_what_the_paper_has_no_number_for_has_none_beside_it():
    paper = {"A": {"R": 2.0, "E": 3.0}, "B": {}}
    table = ErrorTable(Results("small", None, RESULTS, 0), paper, "task")
    assert table.table().rows[1] == ["B", "15.00 ± 7.07", "", "", ""]
    assert ["B on R", "15.00", "7.07", "", "", "1,234", "15", "0.5"] in table.every().rows
    (row,) = table.orderings([("A", "B")]).rows
    assert row[0] == "R: A − B" and row[3:] == ["", "not in the paper"]


def test_a_single_seed_is_one(table):
    alone = ErrorTable(Results("small", None, RESULTS[-1:], 0), PAPER, "task")
    assert alone.summary() == "Errors in % on 10 pictures, mean and standard deviation over 1 seed (0)."


@pytest.mark.parametrize(
    ("wrong", "paper", "order"),
    [
        (([0, 1, 2, 3, 4, 5, 6, 7], [0]), 1.0, "as in the paper"),
        (([0], [0, 1, 2, 3, 4, 5, 6, 7]), 1.0, "opposite to the paper"),
        (([0, 1, 2, 3, 4, 5, 6, 7], [0]), 0.0, "equal in the paper"),
        (([0, 1], [0]), 1.0, "not told apart"),
        (([0], [0]), 0.0, "not told apart"),
    ],
)
def test_orders_are_told_by_two_standard_errors(wrong, paper, order):
    results = [result(model, "R", seed, wrong[k]) for k, model in enumerate("AB") for seed in (0, 1)]
    paper = {"A": {"R": 1.0 + paper}, "B": {"R": 1.0}}
    table = ErrorTable(Results("small", None, results, 0), paper, "task")
    ((_, ours, interval, papers, found),) = table.orderings([("A", "B")]).rows
    assert (found, papers) == (order, f"{paper['A']['R'] - 1:+.1f}")
    mean, (low, high) = float(ours), map(float, interval.split(" to "))
    assert mean == pytest.approx(10 * (len(wrong[0]) - len(wrong[1]))) and low + high == pytest.approx(
        2 * mean, abs=0.02
    )


def test_of_one_seed_nothing_is_told_apart():
    results = [result("A", "R", 0, [0, 1, 2, 3]), result("B", "R", 0, [])]
    rows = ErrorTable(Results("small", None, results, 0), PAPER, "task").orderings([("A", "B"), ("A", "C")]).rows
    assert rows == [["R: A − B", "+40.00", "", "+0.5", "not told apart"]]


def test_what_the_paper_has_not_is_shown_without():
    """A model that it does not have, and a task, which comes behind its own."""
    results = [
        result(model, task, seed, wrong)
        for model, wrong in (("A", range(8)), ("new", [0]))
        for task in ("fresh", "E")
        for seed in (0, 1)
    ]
    table = ErrorTable(Results("small", None, results, 0), {**PAPER, "new": {}}, "task")
    assert (table.tasks, table.models) == (["E", "fresh"], ["A", "new"])
    assert table.table().rows == [
        ["A", "80.00 ± 0.00", "3.0", "80.00 ± 0.00", ""],
        ["new", "10.00 ± 0.00", "", "10.00 ± 0.00", ""],
    ]
    assert [row[:5] for row in table.every().rows] == [
        ["A on E", "80.00", "0.00", "3.0", "+77.00"],
        ["new on E", "10.00", "0.00", "", ""],
        ["A on fresh", "80.00", "0.00", "", ""],
        ["new on fresh", "10.00", "0.00", "", ""],
    ]
    orders = [(row[0], row[1], *row[3:]) for row in table.orderings([("A", "new")]).rows]
    assert orders == [(f"{task}: A − new", "+70.00", "", "not in the paper") for task in ("E", "fresh")]
    assert render(table.draw_errors, {"A": "red", "new": "blue"})[:4] == b"\x89PNG"


def test_claims_are_those_of_which_there_are_results(table):
    claims = table.claims(
        [Ordering("A", "B", "R", least=0.8), Ordering("B", "A", "R", most=0.3), Ordering("A", "C", "R")]
    )
    assert [(claim.text, claim.least, claim.most) for claim in claims] == [
        ("R: B has at least 0.8 points fewer than A", 0.8, math.inf),
        ("R: B has at most 0.3 points more than A", -math.inf, 0.3),
    ]
    assert claims[0].difference.mean == pytest.approx(25) and claims[1].difference.mean == pytest.approx(-25)


@pytest.mark.parametrize("draw", ["draw_errors", "draw_curves"])
def test_pictures_have_a_panel_for_each_task(table, draw):
    figure = getattr(table, draw)(COLOURS)
    assert [axes.get_title("left") or axes.get_title() for axes in figure.axes] == ["R", "E"]
    assert render(getattr(table, draw), COLOURS).startswith(b"\x89PNG")


def test_curves_are_means_over_seeds(table):
    table.runs["A", "R"][0].values["validation_error"] = [0.8, 0.25]
    figure = table.draw_curves(COLOURS)
    (line,) = (line for line in figure.axes[0].get_lines() if line.get_label() == "A")
    np.testing.assert_allclose(line.get_xydata(), [[50, 60], [100, 25]])
