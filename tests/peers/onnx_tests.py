"""Node tests of ONNX, by ONNX's own backend test runner."""

import unittest
import warnings
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import onnxruntime
from onnx.backend.base import Backend
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner
from onnx.reference import ReferenceEvaluator


class Reference(Backend):
    """ONNX's reference evaluator."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> Any:
        evaluator = ReferenceEvaluator(model)
        names = [value.name for value in model.graph.input]
        return SimpleNamespace(run=lambda inputs: evaluator.run(None, dict(zip(names, inputs, strict=True))))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


class Runtime(Reference):
    """ONNX Runtime on the CPU."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        names = [value.name for value in model.graph.input]
        return SimpleNamespace(run=lambda inputs: session.run(None, dict(zip(names, inputs, strict=True))))


class FolderRunner(Runner):
    """The runner, on a folder of tests alone: without those that ONNX brings, which take minutes to make."""

    def __init__(self, backend: type[Backend], folder: Path) -> None:
        self.backend = backend
        self._parent_module = None
        self._include_patterns, self._exclude_patterns, self._xfail_patterns = set(), set(), set()
        self._test_kwargs = {}
        self._test_items = defaultdict(dict)
        for test in load_model_tests(str(folder.parent), folder.name):
            self._add_model_test(test, "Node")


def failures(backend: type[Backend], folder: Path, without: str = "$^") -> tuple[int, dict[str, str]]:
    """Return how many tests ran, and by name the last line of what those that failed say."""
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever is judged may warn
        FolderRunner(backend, folder).exclude(without).test_suite.run(result)
    failed = {test._testMethodName.removesuffix("_cpu"): text for test, text in result.failures + result.errors}
    return result.testsRun - len(result.skipped), failed
