"""The page on training names everything that the command takes."""

import inspect
from pathlib import Path

from refwarp.classification.design import MODELS
from refwarp.classification.parts import DIGITS
from refwarp.classification.recipe import OPTIMIZERS, SCHEDULES
from refwarp.cli.training import predict, train
from refwarp.networks.names import sampler_names, transformation_names

PAGE = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")


def test_every_name_is_on_the_page():
    names = [*transformation_names(), *sampler_names(), *MODELS, *OPTIMIZERS, *SCHEDULES, DIGITS, "tps", "none"]
    assert [name for name in names if f"`{name}`" not in PAGE and f"`{name}(" not in PAGE] == []


def test_every_option_is_on_the_page():
    names = {*inspect.signature(train).parameters, *inspect.signature(predict).parameters} - {"pictures", "as_json"}
    options = [f"--{name.replace('_', '-')}" for name in names]
    assert [option for option in (*options, "--json") if option not in PAGE] == []
