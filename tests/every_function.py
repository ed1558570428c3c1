"""Which Functions there are, and which of them were applied: for tests that leave none out."""

from importlib import import_module

from autograd_core import Function


def functions_of(package):
    """Return every Function that is defined in a package, with all modules that its public names come from."""
    module = import_module(package)
    for name in module.__all__:
        getattr(module, name)  # which imports its room
    return {function for function in _below(Function) if function.__module__.startswith(f"{package}.")}


def _below(base):
    for function in base.__subclasses__():
        yield function
        yield from _below(function)


def record_forwards(functions, monkeypatch):
    """Return a set to which each of the functions is added when it is applied."""
    applied = set()

    def recorded(function, forward):
        def record(*arguments, **options):
            applied.add(function)
            return forward(*arguments, **options)

        return staticmethod(record)

    for function in functions:
        monkeypatch.setattr(function, "forward", recorded(function, function.forward))
    return applied
