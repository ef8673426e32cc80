"""A line that is broken."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One line of one file, what it is changed to, and the tests that must notice."""

    what: str
    file: str
    old: str
    new: str
    tests: str
