"""Damage to files, for tests: what hypothesis draws, and what may come of it."""

from contextlib import contextmanager

from hypothesis import strategies as st


@st.composite
def damaged_bytes(draw, content):
    """Return some bytes with up to three others, and cut off somewhere or not."""
    changed = bytearray(content)
    for position in draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        changed[position] ^= draw(st.integers(1, 255))
    end = draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))
    return bytes(changed[:end])


@contextmanager
def one_sentence_at_most(folder):
    """Let pass what can be read all the same, and errors for people, in one line, that name a file in a folder."""
    try:
        yield
    except (ValueError, OSError) as error:
        assert str(folder) in str(error) and "\n" not in str(error) and len(str(error)) < 1000
        assert not str(error).startswith("[Errno")
