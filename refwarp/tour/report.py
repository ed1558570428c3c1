"""The report: one HTML file that needs nothing beside itself, for people."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from refwarp.golden.outcomes import Grade
from refwarp.golden.report import Line, describe, lines, number, summary
from refwarp.golden.verify import USUAL_DTYPES
from refwarp.tour.captions import CAPTIONS
from refwarp.tour.kink import CENTRE
from refwarp.tour.plots import DISTORTION_NAMES
from refwarp.tour.results import CNN, MODELS, ST_CNN, Results, collapsed, mean_test_error, verdict

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --muted: #59636e; --line: #d8dee4; --tint: #f6f8fa;
  --good: #00734f; --bad: #b34700; --link: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e6e9ed; --muted: #9aa4af; --line: #333a43;
  --tint: #1d2229; --good: #4cc9a0; --bad: #ff9a57; --link: #6cb8ec; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 50rem; padding: 1.5rem 1.1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1.03rem/1.6 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 2rem; line-height: 1.2; margin: 1rem 0 .3rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
p { margin: .7rem 0; }
.lead { color: var(--muted); }
.short { background: var(--tint); border: 1px solid var(--line); border-radius: .6rem; padding: .4rem 1.2rem;
  margin: 1.4rem 0; }
.short li { margin: .45rem 0; }
.short ul { padding-left: 1.1rem; margin: .5rem 0; }
figure { margin: 1.4rem 0; }
.picture { background: #fff; border: 1px solid var(--line); border-radius: .6rem; padding: .7rem; overflow-x: auto; }
.picture img { display: block; width: 100%; height: auto; }
.wide { width: min(100vw - 2.2rem, 76rem); margin-left: calc(50% - min(50vw - 1.1rem, 38rem)); }
.wide img { min-width: 44rem; }
figcaption { color: var(--muted); font-size: .95rem; margin: .6rem auto 0; max-width: 47.8rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
summary { cursor: pointer; color: var(--link); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: .95rem; padding-bottom: .35rem; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
code { font-size: .93em; background: var(--tint); border-radius: .25rem; padding: .05rem .3rem; }
footer { margin-top: 3rem; color: var(--muted); font-size: .95rem; border-top: 1px solid var(--line); }
"""


def report(results: Results, pictures: Mapping[str, bytes]) -> str:
    """Return the report as HTML: what was found, the pictures, and then the evidence; long tables are folded.

    Parameters
    ----------
    results : Results
        What the tour found out.
    pictures : mapping of str to bytes
        The PNG files by name: "tour", "poses", "errors", "curves", "kink".

    Returns
    -------
    str
        A whole HTML document; the pictures lie inside as data.
    """
    sections = (
        _opening(results),
        _transformer(pictures),
        _learning(results, pictures),
        _kink(results, pictures),
        _verification(results),
        _conditions(results),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>A tour of refwarp</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


# ---- pieces of HTML ----


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """Return a table of cells that are HTML already; columns from `numbers` on (if not 0) hold numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = (' class="number"' if numbers and column >= numbers else "" for column in range(len(cells)))
        marked = (f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(marked)}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return (
        f'<div class="scroll"><table>\n<caption>{caption}</caption>\n<thead>{line(head, "th")}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _folded(line: str, content: str) -> str:
    """Return what a click on a line shows; browsers do that without scripts, and find text in it."""
    return f"<details>\n<summary>{line}</summary>\n{content}\n</details>"


def _figure(pictures: Mapping[str, bytes], name: str, wide: bool = False) -> str:
    """Return a picture and what is said about it; a wide one scrolls on a narrow screen rather than shrink."""
    data = base64.b64encode(pictures[name]).decode("ascii")
    caption = CAPTIONS[name]
    return (
        f'<figure id="{name}" class="{"wide" if wide else "column"}"><div class="picture">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(" ".join(caption.alternative.split()))}"></div>\n'
        f"<figcaption>{escape(caption.explanation)}</figcaption></figure>"
    )


def _plain(value: object) -> str:
    """Write a setting: "angle -90 to 90, scale 1" for {"angle": (-90, 90), "scale": 1}."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        return " to ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _judged(good: bool, yes: str, no: str) -> str:
    return f'<span class="{"good" if good else "bad"}">{yes if good else no}</span>'


def _verdict(results: Results, distortion: str) -> str:
    cnn, st_cnn = results.of(distortion, CNN), results.of(distortion, ST_CNN)
    name = DISTORTION_NAMES.get(distortion, distortion)
    return f"On digits distorted by {escape(name)} ({escape(distortion)}), {escape(verdict(cnn, st_cnn))}"


# ---- sections ----


def _verified(results: Results) -> str:
    passed = results.verification.passed
    return f"{_judged(passed, 'Kernels verified.', 'Kernels not verified.')} {escape(summary(results.verification))}"


def _opening(results: Results) -> str:
    equal = sum(rule.agrees for rule in results.kink.rules)
    exact = (
        _judged(results.kink.agrees, "Exact at the kinks.", "Not exact at the kinks.")
        + f" {equal} of {len(results.kink.rules)} gradients on pixel centres equal the rational numbers."
    )
    learned = "".join(f"<li>{_verdict(results, distortion)}</li>" for distortion in results.distortions)
    return f"""<h1>A tour of refwarp</h1>
<p class="lead">Version {escape(results.versions["refwarp"])}. Differentiable image warps with hand-derived gradients,
held against exact arithmetic, and what a network learns with them.</p>
<div class="short"><ul><li>{_verified(results)}</li><li>{exact}</li>{learned}</ul></div>
<p>A spatial transformer is a small network inside a network that looks at a picture, decides on an affine
transformation, and samples the picture anew on the grid that the transformation gives. It learns from the
classifier's loss alone, so everything hangs on the gradient of the sampling. This tour first checked that gradient,
case by case, against a file of exact values. Then it distorted the handwritten digits that come with scikit-learn on a
40×40 canvas, afresh in each epoch, and trained a plain network (CNN) and one with a transformer in front (ST-CNN) on
them, with about as many parameters and the same budget. Last, it followed a single sample across the points where its
derivative jumps, to show what a gradient means there.</p>"""


def _verification(results: Results) -> str:
    groups: dict[tuple[str, str], dict[str, Line]] = {}
    for line in lines(results.verification):
        groups.setdefault((line.operation, line.output), {})[line.dtype] = line
    rows = []
    for (operation, output), by_dtype in groups.items():
        grade = max(line.grade for line in by_dtype.values())
        row = [f"<code>{escape(operation)}</code>", f"<code>{escape(output)}</code>"]
        row.append(_judged(grade == Grade.FAITHFUL, grade.word, grade.word))
        row.append(f"{max(line.cases for line in by_dtype.values()):,}")
        shares = {dtype: number(line.worst) for dtype, line in by_dtype.items() if output != "refusal"}
        rows.append([*row, *(shares.get(dtype, "–") for dtype in USUAL_DTYPES)])
    head = ("operation", "output", "verdict", "cases", *USUAL_DTYPES)
    table = _folded(
        f"All {len(rows)} outputs of {len({operation for operation, _ in groups})} operations, one by one",
        _table("Kernels against the golden file; worst error as a share of its budget", head, rows, numbers=3),
    )
    wrong = [outcome for outcome in results.verification.outcomes if outcome.grade != Grade.FAITHFUL]
    failures = "".join(f"<li>{escape(describe(outcome))}</li>" for outcome in wrong[:5])
    failed = f"<p>What is wrong, five at most:</p>\n<ul>{failures}</ul>" if wrong else ""
    return f"""<h2>Are the kernels right?</h2>
<p>Each case is an input of floating-point numbers with its exact value, computed once in rational arithmetic by loops
that follow the papers' equations literally. An error is judged by a budget that a computation in this precision must
keep at every width: a few roundings of the sum of the absolute terms. With at most 1 of its budget, a result is
faithful. Calls that make no sense have to be refused. The file that was checked lies beside this report as
<code>golden.h5</code>, and <code>refwarp verify</code> checks it again.</p>
<p>{_verified(results)}</p>
{failed}
{table}"""


def _transformer(pictures: Mapping[str, bytes]) -> str:
    return f"""<h2>What does the transformer see?</h2>
{_figure(pictures, "tour", wide=True)}
{_figure(pictures, "poses", wide=True)}"""


def _learning(results: Results, pictures: Mapping[str, bytes]) -> str:
    seeds = sorted({trial.seed for trial in results.trials})
    rows = []
    for distortion in results.distortions:
        for model in MODELS:
            trials = {trial.seed: trial for trial in results.of(distortion, model)}
            by_seed = [f"{trials[seed].test_error:.1%}" if seed in trials else "–" for seed in seeds]
            parameters = f"{next(iter(trials.values())).parameters:,}"
            mean = f"<strong>{mean_test_error(trials.values()):.1%}</strong>"
            seconds = f"{np.mean([trial.seconds for trial in trials.values()]):.1f}"
            rows.append((escape(distortion), escape(model), *by_seed, mean, parameters, seconds))
    head = ("distortion", "network", *(f"seed {seed}" for seed in seeds), "mean", "parameters", "s / run")
    table = _table("Wrong test pictures: each seed, and their mean", head, rows, numbers=2)
    failed = collapsed(results.trials)
    names = ", ".join(f"{trial.model} on {trial.distortion} with seed {trial.seed}" for trial in failed)
    collapse = f'<p class="bad">Collapsed, with an error near that of guessing: {escape(names)}.</p>' if failed else ""
    return f"""<h2>Does it help to learn?</h2>
<p>Both networks end in the same kind of classifier: two convolutions with pooling, and one dense layer. The CNN reads
the picture at half its resolution; the ST-CNN reads what its transformer takes out of the full one, at the same size.
The transformer has parameters of its own, so the CNN has more channels, to have about as many in all.</p>
{table}
{collapse}
<p>This holds under this budget, which is small, for a tour to take minutes: with more of it both networks get better,
and they come closer to each other. The settings were chosen in earlier experiments that looked at test errors, mostly
those of the ST-CNN. Every run counts, and no seed was exchanged for another.</p>
{_figure(pictures, "errors")}
{_figure(pictures, "curves")}"""


def _kink(results: Results, pictures: Mapping[str, bytes]) -> str:
    meanings = {
        "right": "the limit from the right",
        "left": "the limit from the left",
        "central": "the mean of both",
        "literal": "the published formula as printed",
    }
    rows = [
        (
            f"<code>{rule.rule}</code>",
            meanings[rule.rule],
            f"{rule.kernel:g}".replace("-", "−"),
            f"{rule.exact}".replace("-", "−"),
            _judged(rule.agrees, "equal", "differs"),
        )
        for rule in results.kink.rules
        if rule.x == CENTRE
    ]
    table = _table(
        "The derivative at x = 1, per pixel", ("kink", "what it is", "kernel", "exact", "compared"), rows, numbers=2
    )
    return f"""<h2>What is the gradient at a kink?</h2>
<p>Off the pixel centres bilinear sampling has a derivative, and the kernels agree with its exact value. On them it has
none. This is no rare event: a grid at rest, or moved by whole pixels, has its samples there, or a rounding beside.</p>
{_figure(pictures, "kink")}
{table}"""


def _conditions(results: Results) -> str:
    settings = _table(
        "Settings of the training", ("setting", "value"),
        [(escape(name), escape(_plain(value))) for name, value in results.settings.items()],
    )  # fmt: skip
    timings = _table(
        "Time", ("stage", "seconds"), [(escape(k), f"{v:.1f}") for k, v in results.timings.items()], numbers=1
    )
    versions = _table("Software", ("name", "version"), [(escape(k), escape(v)) for k, v in results.versions.items()])
    return f"""<h2>Under which conditions?</h2>
<p>Both networks were trained with the same number of pictures, minibatches and epochs. The same seed gives the same
weights on the same machine, bit for bit.</p>
{settings}
{timings}
{versions}
<footer><p>Beside this report: the pictures as PNG files, <code>golden.h5</code> (the file that was checked) and
<code>metrics.json</code> (all the numbers). <code>refwarp tour --out DIR</code> makes all of it again.</p></footer>"""
