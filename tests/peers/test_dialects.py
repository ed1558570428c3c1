"""The dialect table: what it says of a peer is what the peer answers, where that version is installed."""

import json
from pathlib import Path

import pytest

from refwarp.golden import SUITE
from refwarp.golden.dialects import PROBES, ask
from refwarp.golden.format import read
from refwarp.golden.peers import page
from refwarp.golden.targets import PEERS, load

TABLE = json.loads((Path(__file__).parents[2] / "docs" / "dialects.json").read_text())


@pytest.mark.parametrize("name", ["refwarp", *(pytest.param(peer, marks=pytest.mark.peers) for peer in PEERS)])
def test_the_table_says_what_the_program_answers(name):
    try:
        opened = load(name)
    except ImportError as error:
        pytest.skip(str(error))
    with opened as target:
        if target.version != TABLE[name]["version"]:
            pytest.skip(f"{name}: version {target.version} is here, the table is of {TABLE[name]['version']}")
        assert {probe.name: ask(probe, target) for probe in PROBES} == TABLE[name]["answers"]


def test_every_probe_tells_programs_apart_or_is_answered_by_the_house():
    for probe in PROBES:
        assert TABLE["refwarp"]["answers"][probe.name] in probe.answers, probe.name


def test_the_page_is_written_from_the_table():
    """But for the line of versions, which names the Python and the machine that it was written on."""

    def body(text):
        return [line for line in text.splitlines() if not line.startswith("refwarp ")]

    text = (Path(__file__).parents[2] / "docs" / "peers.md").read_text()
    assert body(text) == body(page(TABLE))


def test_the_table_is_of_the_suite_that_ships():
    """If not, `python -m refwarp.golden.peers docs` asks the peers again."""
    suite = read(SUITE)
    ran = {"generator": suite.generator, "digest": suite.digest}
    assert {name: peer["suite"] for name, peer in TABLE.items()} == dict.fromkeys(TABLE, ran)


def test_the_page_says_of_which_suite_it_is():
    text = (Path(__file__).parents[2] / "docs" / "peers.md").read_text()
    for name, peer in TABLE.items():
        (line,) = [line for line in text.splitlines() if peer["suite"]["digest"] in line]
        assert f"generator {peer['suite']['generator']}" in line and name in line.rpartition(": ")[2].split(", ")


def test_the_page_holds_every_answer():
    page = (Path(__file__).parents[2] / "docs" / "peers.md").read_text()
    for probe in PROBES:
        row = next(line for line in page.splitlines() if line.startswith(f"| {probe.question} |"))
        for peer in TABLE.values():
            answer = peer["answers"][probe.name]
            assert answer == "not offered" or f"| {answer} |" in row
