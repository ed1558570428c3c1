"""The report is whole, balanced HTML that needs nothing from elsewhere, and says what the numbers say."""

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from refwarp.tour.captions import CAPTIONS
from refwarp.tour.report import report
from refwarp.tour.results import Results, metrics, verdict
from tests.tour.examples import make_results, make_trial, make_verification

PICTURES = {name: b"\x89PNG " + name.encode() for name in CAPTIONS}
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Checks that tags are balanced, and gathers attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        # Of each picture and each table that is no child of <details>, in their order: its tag, and its rows.
        self.shown: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "summary":
            assert self.open[-1] == "details"
        if tag in ("img", "table") and "details" not in self.open:
            self.shown.append((tag, 0))
        if tag == "tr" and "details" not in self.open:
            self.shown[-1] = ("table", self.shown[-1][1] + 1)
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def values(self, wanted: str) -> Iterator[tuple[str, str | None]]:
        return ((tag, value) for tag, name, value in self.attributes if name == wanted)


def read(results: Results) -> Reader:
    reader = Reader()
    reader.feed(report(results, PICTURES))
    reader.close()
    reader.text = re.sub(r"\s+", " ", reader.text)
    return reader


def test_balanced_and_self_contained() -> None:
    html = report(make_results(), PICTURES)
    reader = read(make_results())
    assert html.startswith("<!DOCTYPE html>\n<html lang=") and reader.open == []
    assert not re.search(r"https?:|//[a-z]|<script|<link|url\(|@import", html.replace("image/png", ""))
    assert {tag for tag, _ in reader.values("src")} == {"img"}
    sources = [value for _, value in reader.values("src")]
    prefix = "data:image/png;base64,"
    assert all(source is not None and source.startswith(prefix) for source in sources)
    assert {base64.b64decode(str(source)[len(prefix) :]) for source in sources} == set(PICTURES.values())
    assert all(value for _, value in reader.values("alt")) and len(list(reader.values("alt"))) == len(PICTURES)
    identifiers = [value for _, value in reader.values("id")]
    assert len(identifiers) == len(set(identifiers))


def test_findings_and_pictures_come_first_and_long_tables_are_folded() -> None:
    results = make_results()
    (first, *_) = results.verification.outcomes
    outcomes = tuple(replace(first, output=f"forward/output_{count}") for count in range(100))
    results = replace(results, verification=replace(results.verification, outcomes=outcomes))
    html, reader = report(results, PICTURES), read(results)
    assert "<details>\n<summary>All 100 outputs of 1 operations, one by one</summary>\n<div" in html
    assert html.count("<code>forward/output_") == 100 and html.count("</details>") == 1
    assert reader.shown[0] == ("img", 0) and max(rows for _, rows in reader.shown) < 20
    assert html.index("Kernels verified.") < html.index("<img") < html.index("Are the kernels right?")
    assert html.index("Are the kernels right?") > html.rindex("<img"), "no evidence stands between the pictures"


def test_settings_are_escaped() -> None:
    html = report(make_results(), PICTURES)
    assert "&lt;odd&gt; &amp; setting" in html and "<odd>" not in html


def test_each_seed_and_the_means_are_in_the_table() -> None:
    text = read(make_results()).text
    for number in ("20.0%", "21.0%", "22.0%", "11.0%", "12.0%", "13.0%", "4.5%", "5.5%", "6.5%"):
        assert number in text


def test_the_verdict_follows_the_numbers() -> None:
    def trials(model: str, *errors: float) -> list[Any]:
        return [make_trial("RTS", model, seed, error) for seed, error in enumerate(errors)]

    lower = verdict(trials("CNN", 0.2, 0.3, 0.4), trials("ST-CNN", 0.1, 0.1, 0.1))
    assert "a lower test error than CNN: 10.0% against 30.0%" in lower and "lower on 3 of 3." in lower
    assert lower.endswith("Each run of the ST-CNN is better than every run of the other.")
    mixed = verdict(trials("CNN", 0.2, 0.3, 0.4), trials("ST-CNN", 0.1, 0.35, 0.1))
    assert "a lower test error" in mixed and "lower on 2 of 3." in mixed
    assert mixed.endswith("The runs of the two overlap, so which is better may be luck.")
    higher = verdict(trials("CNN", 0.2, 0.3), trials("ST-CNN", 0.4, 0.3))
    assert "no lower test error than CNN: 35.0% against 25.0%" in higher and "lower on 0 of 2." in higher
    assert higher.endswith("With so few seeds that may be luck.")
    worse = verdict(trials("CNN", 0.2, 0.3, 0.3), trials("ST-CNN", 0.4, 0.35, 0.4))
    assert worse.endswith("Each run of the CNN is better than every run of the other.")
    assert "no lower" in verdict(trials("CNN", 0.2), trials("ST-CNN", 0.2))
    shuffled = verdict(trials("CNN", 0.2, 0.3)[::-1], trials("ST-CNN", 0.1, 0.25))
    assert "lower on 2 of 2." in shuffled, "runs are compared by seed, not by place"


def test_failures_are_said_and_marked() -> None:
    good = make_results()
    bad = replace(good, verification=make_verification(math.inf))
    assert "Kernels verified. All 3 cases are faithful" in read(good).text
    assert "Kernels not verified. 1 of 3 cases are wrong." in read(bad).text
    unfolded = re.sub(r"(?s)<details>.*</details>", "", report(bad, PICTURES))
    assert "What is wrong, five at most:" in unfolded and "grid_sample/edge" in unfolded
    assert 'class="bad"' in report(bad, PICTURES) and 'class="bad"' not in report(good, PICTURES)
    assert "0 of 16" not in read(good).text and "Exact at the kinks. 16 of 16" in read(good).text


def test_a_collapsed_run_is_named() -> None:
    good = make_results()
    bad = replace(good, trials=(*good.trials[:-1], make_trial("R", "ST-CNN", 2, 0.9)))
    assert "Collapsed" not in read(good).text
    assert "Collapsed, with an error near that of guessing: ST-CNN on R with seed 2." in read(bad).text


def test_metrics_are_json_with_every_number() -> None:
    results = make_results()
    read_back = json.loads(json.dumps(metrics(results), allow_nan=False))
    assert set(read_back) == {
        "versions", "settings", "timings_seconds", "verify", "trials", "mean_test_error", "verdict", "kink"
    }  # fmt: skip
    assert len(read_back["trials"]) == len(results.trials) == 12
    assert read_back["trials"][0]["test_error"] == results.trials[0].test_error
    assert read_back["mean_test_error"]["RTS"]["ST-CNN"] == pytest.approx(0.12, abs=1e-15)
    assert read_back["verify"]["passed"] is True
    assert {"x": 1, "rule": "central", "kernel": 0.5, "exact": "1/2"} in read_back["kink"]["rules"]


def test_metrics_of_a_failure_are_json_too() -> None:
    failed = metrics(replace(make_results(), verification=make_verification(math.inf)))["verify"]
    json.dumps(failed, allow_nan=False)
    assert failed["passed"] is False
    assert [line["worst_share_of_budget"] for line in failed["operations"] if line["verdict"] == "wrong"] == [None]
