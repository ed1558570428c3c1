"""The suite in C and C++: the header reads the JSON and grades a sampler and a decoder, each also with a defect."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from refwarp.golden import SUITE_AS_JSON

SOURCES = Path(__file__).with_name("c")
HEADER = SUITE_AS_JSON.with_name("refwarp_golden.h")
COMPILER = shutil.which("cc")
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off", f"-I{HEADER.parent}"]
GRID_SAMPLE = ("forward/output", "vjp/ginput", "vjp/ggrid", "second_vjp/ggout", "second_vjp/ginput", "second_vjp/ggrid")
DENSE_DECODE = ("forward/output", "vjp/gvalues", "vjp/ggrid", "vjp/gprevious")
OUTPUTS = {"grid_sample": GRID_SAMPLE, "dense_decode": DENSE_DECODE}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler, `cc`")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """The suite as JSON, not compressed."""
    path = tmp_path_factory.mktemp("suite") / "suite.json"
    with gzip.open(SUITE_AS_JSON) as compressed, path.open("wb") as file:
        shutil.copyfileobj(compressed, file)
    return path


def run(folder: Path, source: Path, file: Path, *options: str) -> tuple[int, str]:
    """Compile a program in C and run it on a file; return its exit code and what it says."""
    program = folder / source.stem
    subprocess.run([COMPILER, "-std=c99", *STRICT, *options, str(source), "-o", str(program), "-lm"], check=True)
    ended = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def check(folder: Path, operation: str, file: Path, *options: str) -> tuple[int, str, dict[str, list[int]]]:
    """Run the check of an operation; return its exit code, what it says, and how many outputs have which grade."""
    code, printed = run(folder, SOURCES / f"check_{operation}.c", file, *options)
    rows = (line.split() for line in printed.splitlines() if line.startswith(OUTPUTS[operation]))
    return code, printed, {path: [int(count) for count in counts] for path, *counts in rows}


@pytest.mark.parametrize("real", ["float", "double"])
def test_a_plain_sampler_has_working_precision(tmp_path, plain, real):
    code, printed, found = check(tmp_path, "grid_sample", plain, f"-DREAL={real}")
    assert code == 0 and tuple(found) == GRID_SAMPLE, printed
    for faithful, working, wrong in found.values():
        assert faithful > 300 and working > 10 and wrong == 0


@pytest.mark.parametrize("real", ["float", "double"])
def test_accurate_coordinates_make_values_faithful(tmp_path, plain, real):
    """Those of bilinear samples with zeros, about a fifth of all, are computed accurately."""
    values = [check(tmp_path, "grid_sample", plain, f"-DREAL={real}", *careful)[2] for careful in ([], ["-DCAREFUL"])]
    rough, accurate = (found["forward/output"] for found in values)
    assert accurate[1] < rough[1] and accurate[2] == 0


@pytest.mark.parametrize("real", ["float", "double"])
def test_a_decoder_in_a_wider_type_is_faithful(tmp_path, plain, real):
    code, printed, found = check(tmp_path, "dense_decode", plain, f"-DREAL={real}")
    assert code == 0 and tuple(found) == DENSE_DECODE, printed
    for faithful, working, wrong in found.values():
        assert faithful > 20 and working == wrong == 0


@pytest.mark.parametrize(
    ("operation", "case"), [("grid_sample", "row_at_pixel"), ("dense_decode", "three_sources_at_pixel")]
)
def test_a_defect_is_found_where_it_is(tmp_path, plain, operation, case):
    """Slopes on the lattice are wrong, values and their gradients are not."""
    code, printed, found = check(tmp_path, operation, plain, "-DDEFECT")
    first, gradient, slope = OUTPUTS[operation][:3]
    assert code == 1 and found[first][2] == found[gradient][2] == 0
    assert found[slope][2] > 5 and f"wrong: {operation}/{case}, vjp/ggrid, at " in printed


@pytest.mark.parametrize("operation", OUTPUTS)
def test_it_is_c_plus_plus_as_well(tmp_path, operation):
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler, `c++`")
    source = SOURCES / f"check_{operation}.c"
    subprocess.run(
        [compiler, "-std=c++11", *STRICT, "-fsyntax-only", "-x", "c++", str(source)], check=True, cwd=tmp_path
    )


def test_a_truncated_or_foreign_file_is_refused(tmp_path, plain):
    content = plain.read_bytes()
    lines = content.splitlines(keepends=True)
    damaged = {
        "in_a_line": content[: content.index(b"grid_sample") + 20000],
        "between_lines": b"".join(lines[: len(lines) // 2]),
        "without_a_line": b"".join([lines[0], *lines[2:]]),
    }
    for name, part in damaged.items():
        (tmp_path / name).write_bytes(part)
        code, printed, _ = check(tmp_path, "grid_sample", tmp_path / name, "-fsanitize=undefined")
        assert (code, printed.splitlines()[-1]) == (2, f"{tmp_path / name} is truncated")
    (tmp_path / "foreign.json").write_text("{}\n")
    for other in ("foreign.json", "missing.json"):
        code, printed, _ = check(tmp_path, "dense_decode", tmp_path / other)
        assert code == 2 and printed.startswith("usage: ")


def test_nothing_checked_is_no_success(tmp_path, plain):
    start, _, _ = plain.read_bytes().partition(b',"count":')
    (tmp_path / "empty.json").write_bytes(start + b',"count":0,"cases":[\n]}\n')
    code, _, found = check(tmp_path, "grid_sample", tmp_path / "empty.json")
    assert code == 1 and found == {path: [0, 0, 0] for path in GRID_SAMPLE}


def test_the_example_of_the_page_compiles(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "c.md").read_text()
    example = page.partition("```c\n")[2].partition("```")[0]
    declaration = "float *my_grid_sample(rg_array *input, rg_array *grid, int align_corners);\n"
    include, header, rest = example.partition('#include "refwarp_golden.h"\n')
    (tmp_path / "example.c").write_text(include + header + declaration + rest)
    subprocess.run([COMPILER, "-std=c99", *STRICT, "-fsyntax-only", str(tmp_path / "example.c")], check=True)


QUESTIONS = """
#include "refwarp_golden.h"

int main(int argc, char **argv)
{
    rg_suite suite;
    const char *name;
    long size[4];
    if (argc != 2 || rg_open(&suite, argv[1])) return 2;
    while (rg_next(&suite)) {
        const float nothing[64] = {0};
        if (rg_is(&suite, "name", "dense_decode/two_in_one_cell")) {
            rg_array values = rg_input(&suite, "values"), none = rg_input(&suite, "none");
            int length = rg_name(&suite, &name), axes = rg_option_integers(&suite, "size", size, 4);
            printf("%.*s %d [%ld] %d %ld", length, name, axes, size[3], values.axes, values.n);
            printf(" %g %g %d\\n", values.values[0], values.values[1], none.values == NULL);
            rg_free(&values);
        }
        if (rg_is(&suite, "name", "grid_sample/nearest_zeros_ties")) {
            static const char *const conventions[] = {"even", "up", "away", NULL};
            int i;
            printf("%d %d", rg_has_flag(&suite, "Ties"), rg_has_flag(&suite, "Tie"));
            for (i = 0; i < 4; i++) {
                rg_array even = rg_input(&suite, "input");
                rg_verdict found = rg_grade(&suite, "forward/output", conventions[i], nothing, RG_FLOAT);
                printf(" %d %ld", found.grade, found.at);
                rg_free(&even);
            }
            printf(" %d\\n", rg_grade(&suite, "forward/nothing", NULL, nothing, RG_FLOAT).grade);
        }
    }
    return rg_close(&suite) ? 2 : 0;
}
"""


def test_questions_about_a_case_are_answered(tmp_path, plain, by_name):
    source = tmp_path / "questions.c"
    source.write_text(QUESTIONS)
    code, printed = run(tmp_path, source, plain)
    decoder, ties = printed.splitlines()
    values = by_name["dense_decode/two_in_one_cell"].inputs["values"].ravel()
    width = by_name["dense_decode/two_in_one_cell"].options["size"][3]
    assert decoder == f"dense_decode/two_in_one_cell 4 [{width}] 4 {values.size} {values[0]:g} {values[1]:g} 1"
    truths = by_name["grid_sample/nearest_zeros_ties"].conventions("forward/output")
    wrong = {name: truth.elements["value"].ravel() != 0 for name, truth in truths.items()}
    any_of_them = wrong["even"] & wrong["up"] & wrong["away"]
    expected = [(2, int(each.argmax())) for each in (wrong["even"], wrong["up"], wrong["away"], any_of_them)]
    assert code == 0 and ties == f"1 0 {' '.join(f'{grade} {at}' for grade, at in expected)} -1"
