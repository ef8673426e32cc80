"""No public name is missing from the table, and what takes no points works as it is listed."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import equiform
from tests.contract.outcomes import describe
from tests.contract.table import CALLS
from tests.contract.table.objects import OBJECTS
from tests.contract.table.others import ELSEWHERE, OTHERS

pytestmark = pytest.mark.filterwarnings("ignore")
LISTED = {call.name.partition(".")[0] for call in CALLS}
LISTED |= {name.partition(" ")[0] for name in OBJECTS} | {*OTHERS} | {*ELSEWHERE}


def public() -> Iterator[tuple[str, str, Any]]:
    """Every public name of the package and its subpackages."""
    packages = ["equiform", "equiform.testing"]
    packages += [
        f"equiform.{module.name}"
        for module in pkgutil.iter_modules(equiform.__path__)
        if module.ispkg
    ]
    for package in packages:
        module = importlib.import_module(package)
        names = getattr(module, "__all__", None) or [
            name for name, value in vars(module).items() if _is_own(name, value, module)
        ]
        for name in names:
            yield package, name, getattr(module, name)


def _is_own(name: str, value: object, module: object) -> bool:
    own = getattr(value, "__module__", None) == getattr(module, "__name__", "")
    return own and not name.startswith("_")


def needs_no_maker(value: object) -> bool:
    """Modules, constants, errors, and what only says what others are."""
    if not callable(value) or inspect.ismodule(value):
        return True
    return inspect.isclass(value) and (
        issubclass(value, Exception)
        or getattr(value, "_is_protocol", False)
        or hasattr(value, "_fields")
        or inspect.isabstract(value)
    )


def test_every_public_callable_is_in_the_table() -> None:
    missing = {
        f"{package}.{name}"
        for package, name, value in public()
        if name not in LISTED and not needs_no_maker(value)
    }
    assert not missing


def test_the_table_lists_nothing_that_is_gone() -> None:
    names = {name for _, name, _ in public()}
    bases = {
        base.__name__ for _, _, value in public() if inspect.isclass(value) for base in value.mro()
    }
    groups = {"CompactGroup", "NoncompactGroup", "JointGroup", "FramedGroup", "FiniteGroup"}
    made = {"SkewHermitian", *groups, *bases}
    assert {*OTHERS, *ELSEWHERE} <= names
    assert {name for name in LISTED if name not in names | made} == set()


@pytest.mark.parametrize("name", OTHERS)
def test_it_works_on_its_arguments(name: str, tmp_path: Path) -> None:
    other = OTHERS[name]
    other.function(*other.arguments(tmp_path), **other.keywords)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_argument_is_refused(name: str, tmp_path: Path) -> None:
    other = OTHERS[name]
    arguments = other.arguments(tmp_path)
    wrong = {}
    for position in range(len(arguments)):
        if position in other.free:
            continue
        for value in (None, object()):
            given = [*arguments]
            given[position] = value
            try:
                other.function(*given, **other.keywords)
            except (TypeError, ValueError):
                continue
            except Exception as error:
                wrong[f"{position}: {value}"] = describe(error)
            else:
                wrong[f"{position}: {value}"] = "it was taken"
    assert not wrong
