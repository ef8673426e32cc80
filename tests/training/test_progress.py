import io
import sys
from contextlib import redirect_stderr
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equiform.training import progress
from equiform.training.progress import Progress, say


class Clock:
    """Stands where the time does."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(progress, "perf_counter", clock := Clock())
    return clock


@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_lines_are_ten_seconds_apart_and_silence_is_no_longer_than_a_minute(
    durations: list[float],
) -> None:
    clock, last = Clock(), 0.0
    with redirect_stderr(io.StringIO()) as lines, patch.object(progress, "perf_counter", clock):
        shown = Progress("run", epochs=1, steps=len(durations))
        for duration in durations:
            clock.now += duration
            before = len(lines.getvalue())
            shown.step()
            if len(lines.getvalue()) > before:
                assert clock.now - last >= 10
                last = clock.now
            else:
                assert clock.now - last < 60


def test_lines_say_how_far_and_how_fast(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("care", epochs=4, steps=2, unit="image", unit_size=64)
    for epoch in range(1, 5):
        for _ in range(2):
            clock.now += 8
            shown.step()
        shown.epoch(1 / epoch, clock.now)
    shown.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "care: training for 4 epochs of 2 steps",
        "care: 0 of 4 epochs, 8 image/s, 48 s to go",
        "care: 1 of 4 epochs, loss 1.0000, 8 image/s, 32 s to go",
        "care: 2 of 4 epochs, loss 0.5000, 8 image/s, 16 s to go",
        "care: 3 of 4 epochs, loss 0.3333, 8 image/s, 0 s to go",
        "care: trained for 4 epochs in 64.0 s, loss 0.2500",
    ]


def test_the_rate_is_that_of_this_run(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("care", epochs=100, steps=1, done=98)
    clock.now = 10
    shown.step()
    assert capsys.readouterr().err.splitlines() == [
        "care: training for 100 epochs of 1 steps, 98 of them before",
        "care: 98 of 100 epochs, 0.1 step/s, 10 s to go",
    ]


def test_a_terminal_has_the_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    shown = Progress("care", epochs=2, steps=3, done=1, unit="image", unit_size=10)
    for _ in range(3):
        shown.step()
    shown.epoch(0.25, 1.0)
    shown.close()
    bar = terminal.getvalue()
    assert "care:  50%|" in bar
    assert "care: 100%|" in bar
    assert "60/60" in bar
    assert "loss=0.2500" in bar
    assert "trained for" not in bar


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_another_process_shows_nothing(
    stream: type[io.StringIO], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", written := stream())
    shown = Progress("care", epochs=1, steps=1, shown=False)
    clock.now = 100
    shown.step()
    shown.epoch(0.25, 1.0)
    shown.close()
    assert written.getvalue() == ""


def test_a_line_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(file, encoding="utf-8"))
    say("drawing")
    assert file.getvalue() == b"drawing\n"
