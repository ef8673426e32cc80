"""How far a training is, on stderr: a bar in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
from time import perf_counter

from equiform._extras import require


def say(text: str) -> None:
    """Print a line on stderr at once, so that a file or a pipe has it while the run goes on."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Shows the steps of a training; to be closed, whatever becomes of it.

    Where stderr is a terminal, tqdm draws its bar. Where it is a file or a pipe, tqdm would be
    silent, and the bar unreadable: there are lines when the training starts, when it ends, and
    between, the first after ten seconds and then at least one a minute.

    Args:
        description: what the bar and the lines begin with.
        epochs, steps: how many in all, and of an epoch.
        done: epochs of an earlier run.
        unit, unit_size: what is counted, and how many of it a step is.
        shown: whether this process shows anything.
    """

    def __init__(
        self,
        description: str,
        epochs: int,
        steps: int,
        done: int = 0,
        *,
        unit: str = "step",
        unit_size: int = 1,
        shown: bool = True,
    ) -> None:
        self._description, self._epochs, self._steps = description, epochs, steps
        self._unit, self._unit_size = unit, unit_size
        self._bar = require("tqdm", extra="examples").tqdm(
            total=epochs * steps * unit_size,
            initial=done * steps * unit_size,
            desc=description,
            unit=unit,
            disable=None if shown else True,
        )
        self._in_lines = shown and self._bar.disable
        self._left, self._taken = (epochs - done) * steps, 0
        self._start, self._said = perf_counter(), 0.0
        self._epochs_done, self._loss = done, ""
        if self._in_lines:
            before = f", {done} of them before" if done else ""
            say(f"{description}: training for {epochs} epochs of {steps} steps{before}")

    def step(self) -> None:
        """Count a step."""
        self._bar.update(self._unit_size)
        self._taken += 1
        self._left -= 1
        elapsed = perf_counter() - self._start
        # Often at first, when one asks whether it works at all; seldom in the log of a long run.
        if self._in_lines and elapsed - self._said >= min(max(10, elapsed / 10), 60):
            self._said = elapsed
            rate = self._taken / elapsed
            say(
                f"{self._description}: {self._epochs_done} of {self._epochs} epochs, {self._loss}"
                f"{rate * self._unit_size:.3g} {self._unit}/s, {self._left / rate:.0f} s to go"
            )

    def epoch(self, loss: float, seconds: float) -> None:
        """Tell what an epoch gave: its mean loss, and the seconds of the run until then."""
        self._bar.set_postfix(loss=f"{loss:.4f}")
        self._epochs_done, self._loss = self._epochs_done + 1, f"loss {loss:.4f}, "
        if self._in_lines and self._epochs_done == self._epochs:
            what = f"{self._description}: trained for {self._epochs} epochs"
            say(f"{what} in {seconds:.1f} s, loss {loss:.4f}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
