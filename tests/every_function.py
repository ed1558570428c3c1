"""Which Functions there are, and which of them were applied: for tests that leave none out."""

from autograd_core import Function


def functions_of(package, base=Function):
    """Yield every Function that is defined in a package, as far as its modules are imported."""
    for function in base.__subclasses__():
        if function.__module__.startswith(f"{package}."):
            yield function
        yield from functions_of(package, function)


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
