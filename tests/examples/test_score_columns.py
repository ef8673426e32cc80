import pytest
from hypothesis import given
from hypothesis import strategies as st

import score_columns as columns


def test_headings_have_unit_and_direction() -> None:
    assert [columns.heading(key, 16) for key in columns.COLUMNS] == [
        "axis error (°) ↓",
        "axis MSE ↓",
        "probe ↑",
        "kNN ↑",
        "W_f ↓",
        "W_f null",
        "γ_b ↓",
        "γ_f ↓",
        "effective rank (of 16) ↑",
        "uniformity ↓",
        "seconds",
    ]
    assert columns.heading("effective_rank") == "effective rank ↑"


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=6), st.booleans())
def test_the_best_is_marked_and_what_looks_like_it(values: list[float], up: bool) -> None:
    marks = columns.are_best("knn" if up else "wahba", values)
    best = (max if up else min)(values)
    assert marks[values.index(best)]
    printed = [columns.digits(value) for value in values]
    assert marks == [text == columns.digits(best) for text in printed]


def test_nothing_is_marked_where_there_is_no_choice() -> None:
    for key in ("wahba_null", "seconds"):
        assert columns.are_best(key, [1.0, 2.0]) == [False, False]
    assert columns.are_best("wahba", [1.0]) == [False]


@pytest.mark.parametrize(
    ("value", "text"), [(0.00123456, "0.00123"), (41.66, "41.7"), (2, "2"), (1234.5, "1234")]
)
def test_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert columns.digits(value) == text


@given(st.text() | st.just("W_f ↓ ↑ γ_b 60° ± 1"), st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_what_is_encodable_is(text: str, encoding: str) -> None:
    columns.encodable(text, encoding).encode(encoding)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return
    assert columns.encodable(text, encoding) == text


def test_signs_are_spelt_where_they_cannot_be_shown() -> None:
    text = "axis error (°) ↓ γ_b ↑ 1 ± 2 é"
    assert columns.encodable(text, "utf-8") == text
    assert columns.encodable(text, None) == "axis error (deg) v gamma_b ^ 1 +- 2 ?"
