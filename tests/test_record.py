from equiform._record import format_table, versions


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
