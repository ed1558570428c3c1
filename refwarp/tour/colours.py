"""Colours and markers of the tour's models and kink rules."""

from refwarp.drawing.style import BLUE, GREEN, ORANGE, PURPLE
from refwarp.tour.results import CNN, ST_CNN

MODEL_COLOURS = {CNN: ORANGE, ST_CNN: BLUE}
MODEL_TINTS = {CNN: "#f8ddcd", ST_CNN: "#cce3f0"}
MODEL_MARKERS = {CNN: "o", ST_CNN: "D"}
RULE_COLOURS = {"right": BLUE, "left": GREEN, "central": PURPLE, "literal": ORANGE}
RULE_MARKERS = {"right": ">", "left": "<", "central": "D", "literal": "X"}
