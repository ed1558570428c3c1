"""A trained network in a file: it comes back as it was, and nothing else is taken for one."""

import numpy as np
import pytest

from refwarp.classification.design import Design
from refwarp.classification.kept import Classifier, load_classifier
from refwarp.training import load_state, predict, save_state, scores

PICTURES = np.random.default_rng(0).random((5, 3, 12, 10), np.float32)


def classifier(model="ST-FCN"):
    warp = "tps(points=(3, 3))" if model.startswith("ST-") else "none"
    design = Design(model, warp, "lanczos(2)", (3, 12, 10), (8, 8), 4)
    network = design.build(np.random.default_rng(3))
    for parameter in network.parameters():  # so that it does not warp by the identity
        noise = 0.1 * np.random.default_rng(4).standard_normal(parameter.shape)
        parameter.data = parameter.data + noise.astype(np.float32)
    return Classifier(network, design, ("a", "b/c", "ö", "\udcff"), (8, 8))


@pytest.mark.parametrize("model", ["FCN", "ST-FCN"])
def test_it_comes_back_with_the_same_bits(tmp_path, model):
    one = classifier(model)
    one.save(tmp_path / "a.h5")
    again = load_classifier(tmp_path / "a.h5")
    assert (again.design, again.classes, again.size) == (one.design, one.classes, one.size)
    assert (scores(again.network, PICTURES) == scores(one.network, PICTURES)).all()
    assert len(set(predict(one.network, PICTURES))) > 0


def test_what_is_no_classifier_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "a.h5"
    one = classifier()
    one.save(path)
    whole = load_state(path)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_classifier(tmp_path / "b.h5")
    changes = {
        "it is no 'refwarp classifier 1'": {"kind": "a checkpoint"},
        "the description of a network is damaged": {"design": {}},
        "missing entries": {"model": {}},
        "not enough values to unpack": {"size": [1]},
        "whose options do not fit": {"design": {**whole["design"], "sampler": "lanczos(-2)"}},
    }
    for sentence, change in changes.items():
        save_state(path, {**whole, **change})
        with pytest.raises(ValueError, match=rf"^.*a\.h5 holds no trained network: .*{sentence}"):
            load_classifier(path)
    del whole["classes"]
    save_state(path, whole)
    with pytest.raises(ValueError, match="holds no trained network: 'classes'; name another, or train again"):
        load_classifier(path)
    path.write_bytes(b"refwarp")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_classifier(path)
