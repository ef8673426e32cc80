import json
from pathlib import Path

import pytest

from equiform.training import format_table, versions, write_json


def test_write_json_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.json"
    write_json(path, {"W": 0.25, "name": "λ"})
    assert json.loads(path.read_text("utf-8")) == {"W": 0.25, "name": "λ"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"W": float("nan")})
    assert json.loads(path.read_text("utf-8"))["W"] == 0.25
    assert list(path.parent.iterdir()) == [path]


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"python", "torch", "geoopt"} <= set(versions())


def test_table_aligns_text_left_and_numbers_right() -> None:
    table = format_table(["method", "W"], [["care", 0.12345], ["uniformity", 10.0]])
    assert table.splitlines() == [
        "method          W",
        "-----------------",
        "care        0.123",
        "uniformity     10",
    ]
