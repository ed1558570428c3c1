"""Middlebury: flow that is u before v and unknown in places, and files that are none."""

import struct

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_middlebury, middlebury_scenes, read_flow
from tests.data.tiny_sets import flo, save, write_middlebury, write_set


def test_frames_and_flow_are_read(tmp_path):
    _, (pictures, flow) = write_set(tmp_path, "middlebury")
    assert middlebury_scenes(tmp_path) == ("Cube",)
    pair = load_middlebury(tmp_path, "Cube")
    for found, picture in zip((pair.first, pair.second), pictures, strict=True):
        assert (found == (picture.astype(np.float64) / 255).astype(np.float32).transpose(2, 0, 1)).all()
    assert pair.flow.dtype == np.float32 and pair.flow.shape == (2, 5, 7) and pair.known.dtype == bool
    unknown = [(0, 0), (1, 6), (4, 2)]
    for i in range(5):
        for j in range(7):
            assert pair.known[i, j] == ((i, j) not in unknown)
            assert pair.flow[:, i, j].tolist() == ([0, 0] if (i, j) in unknown else flow[i, j].tolist())


def test_frames_and_flows_may_be_in_two_folders_as_published(tmp_path):
    write_middlebury(tmp_path, "other-gt-flow", "other-data")
    (tmp_path / "other-data/Wooden").mkdir()  # of a scene without a published flow
    assert middlebury_scenes(tmp_path) == ("Cube",)
    assert load_middlebury(tmp_path, "Cube").first.shape == (3, 5, 7)


def test_an_unknown_scene_is_refused_with_those_there_are(tmp_path):
    write_middlebury(tmp_path)
    with pytest.raises(ValueError, match="scene: given 'Venus', expected one of 'Cube'"):
        load_middlebury(tmp_path, "Venus")


def test_the_limit_of_what_is_known_is_1e9(tmp_path):
    below = np.nextafter(np.float32(1e9), np.float32(0))
    values = np.array([[[below, -below], [1e9, 0], [0, -1e9], [np.inf, 0], [0, np.nan]]], np.float32)
    (tmp_path / "a.flo").write_bytes(flo(values))
    flow, known = read_flow(tmp_path / "a.flo")
    assert known.tolist() == [[True, False, False, False, False]]
    assert flow[:, 0, 0].tolist() == [below, -below] and not flow[:, 0, 1:].any()


FLOW = flo(np.ones((2, 3, 2)))


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"", "truncated: 12 of 12 bytes"),
        (FLOW[:-1], "truncated: 1 of 48 bytes"),
        (FLOW + b"\0", "longer than its flow of 3x2 pixels"),
        (b"PIEG" + FLOW[4:], "no .flo file"),
        (struct.pack(">fii", 202021.25, 3, 2) + bytes(48), "no .flo file"),
        (FLOW[:4] + struct.pack("<ii", -3, -2) + bytes(48), "claims a flow of -3x-2 pixels"),
        (FLOW[:4] + struct.pack("<ii", 0, 2), "claims a flow of 0x2 pixels"),
        (FLOW[:4] + struct.pack("<ii", 99999, 99999) + bytes(48), "claims a flow of 99999x99999 pixels"),
        (FLOW[:4] + struct.pack("<ii", 8192, 8192) + bytes(48), "truncated: 536,870,864 of 536,870,912 bytes"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path, content, flaw):
    (tmp_path / "a.flo").write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"/a.flo: .*{flaw}"):
        read_flow(tmp_path / "a.flo")


def test_frames_have_the_size_of_the_flow(tmp_path):
    write_middlebury(tmp_path)
    save(tmp_path / "Cube/frame11.png", np.zeros((7, 5, 3), np.uint8), "PNG")
    with pytest.raises(DamagedFileError, match=r"/frame11.png: the frame .* \(7, 5\), and its flow \(5, 7\)"):
        load_middlebury(tmp_path, "Cube")
