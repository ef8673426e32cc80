"""Images per second of a whole training step: SimCLR, CARE-SimCLR, and CARE as its authors ran it.

    python -m benchmarks.care_step [--encoder tiny] [--device cpu] [--markdown FILE]

A step augments uint8 images on the device, encodes the views, and does the loss, the backward pass
and a step of Adam. All take the same images, augmentation, initial encoder and optimiser, and one
thread on a CPU; the median of steps in turns. The parts are timed on their own.

* **SimCLR**: two views, one call of the encoder.
* **CARE, equiform**: ``care_views``, one call of the encoder for all four views, ``CARELoss``.
* **CARE, three views**: of the contrastive pair one view has the transformation of its chunk, and
  is a view of the equivariance pair too.
* **CARE, two views**: both terms on the pair whose transformations are shared by chunks.
* **CARE, released structure** (github: Sharut/CARE at 7090100): a call of the encoder for each
  view, a Python loop over chunks in the loss, masks built by Python loops, naive exponentials. Its
  code draws one pair of transformations for the whole batch, so its augmentation is one call a
  view. What it reads back for its log each step is left out, and its contrastive views, which it
  makes by PIL in the loader, are made here as ours are.
* **CARE, looped over chunks**: the same, with a pair for each chunk as Algorithm 1 of the paper
  says, hence a call of the augmentation for each chunk and view.

Nothing is timed before the losses and their gradients agree on the same embeddings. In a step the
embeddings differ: batch norms see four views at once, or one.

On a CPU the memory of freed tensors is kept, as ``cifar_care.py`` does; else those of 1024 images
are mapped from the system anew each time, and one call of the encoder costs more than four.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.care_methods import (
    BATCH,
    DIM,
    ENCODERS,
    NUM_CHUNKS,
    Method,
    Run,
    check_losses,
    methods,
)
from benchmarks.timing import machine, median_ms
from equiform.data import synthetic_shapes
from equiform.training import keep_freed_memory
from images.encoder import ImageEncoder

#: On a GPU: the most that CARE may take of SimCLR's step, and the least that the released takes
#: of ours.
TARGET_OF_SIMCLR, TARGET_OF_RELEASED = 1.9, 3.0
PARTS = ("augmentation", "encoder", "loss", "optimiser")


def step_and_parts(
    method: Method, initial: ImageEncoder, images: Tensor, run: Run
) -> dict[str, Callable[[], object]]:
    """The whole step, and its parts with what comes before them fixed."""
    trained, timed = copy.deepcopy(initial), copy.deepcopy(initial)
    optimiser, optimiser_alone = (
        torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
        for model in (trained, timed)
    )
    network, network_alone = run.network(trained), run.network(timed)
    views = method.augment(images)
    embeddings = method.encode(network_alone, views)
    cotangents = [torch.randn_like(z) for z in embeddings]
    leaves = [z.detach().requires_grad_() for z in embeddings]

    def step() -> None:
        loss = method.loss(*method.encode(network, method.augment(images)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def encoder() -> None:
        optimiser_alone.zero_grad()
        torch.autograd.backward(method.encode(network_alone, views), cotangents)

    return {
        "step": step,
        "augmentation": lambda: method.augment(images),
        "encoder": encoder,
        "loss": lambda: torch.autograd.grad(method.loss(*leaves), leaves),
        "optimiser": optimiser_alone.step,
    }


def measure(
    encoder: ImageEncoder,
    images: Tensor,
    *,
    run: Run | None = None,
    names: Iterable[str] | None = None,
    seconds: float = 5.0,
) -> dict[str, dict[str, float]]:
    """Milliseconds of the step and of each part, by method, all in turns.

    Raises:
        AssertionError: our loss or its gradient is not that of the released formula.
    """
    run, device = run or Run(), images.device.type
    of = methods(device)
    care = of["CARE, equiform"]
    check_losses(care.encode(encoder, care.augment(images)))
    steps = {
        (name, part): call
        for name in names or of
        for part, call in step_and_parts(of[name], encoder, images, run).items()
    }
    ms = median_ms(steps, seconds=seconds, device=device)
    table: dict[str, dict[str, float]] = {}
    for (name, part), value in ms.items():
        table.setdefault(name, {})[part] = value
    return table


def markdown(ms: dict[str, dict[str, float]], num_images: int) -> list[str]:
    """The rows of the table, and its head."""
    simclr, ours = (ms[name]["step"] for name in ("SimCLR", "CARE, equiform"))
    lines = [
        "| step | images/s | ms a step | augmentation | encoder | loss | optimiser "
        "| of SimCLR's step | of equiform's CARE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, parts in ms.items():
        step = parts["step"]
        lines.append(
            f"| {name} | {1e3 * num_images / step:.0f} | {step:.4g} "
            f"| {' | '.join(f'{parts[part]:.3g}' for part in PARTS)} "
            f"| {step / simclr:.2f}× | {step / ours:.2f}× |"
        )
    return lines


def targets(ms: dict[str, dict[str, float]]) -> str:
    """What was asked of a GPU, and what was reached here."""
    simclr, ours, released, looped = (
        ms[name]["step"]
        for name in (
            "SimCLR", "CARE, equiform", "CARE, released structure", "CARE, looped over chunks",
        )
    )  # fmt: skip
    return (
        f"CARE in at most {TARGET_OF_SIMCLR}× SimCLR's step, "
        f"{_verdict(ours / simclr <= TARGET_OF_SIMCLR)} ({ours / simclr:.2f}×); at least "
        f"{TARGET_OF_RELEASED:.0f}× as fast as the released structure, "
        f"{_verdict(released / ours >= TARGET_OF_RELEASED)} ({released / ours:.2f}×), and looped "
        f"over chunks, {_verdict(looped / ours >= TARGET_OF_RELEASED)} ({looped / ours:.2f}×)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--encoder", choices=list(ENCODERS), default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seconds", type=float, default=5.0, help="about how long to time each")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(0)
    images = synthetic_shapes(BATCH).images.to(args.device)
    encoder = ENCODERS[args.encoder]().to(args.device)
    load = os.getloadavg()[0]
    ms = measure(encoder, images, seconds=args.seconds)
    together, apart = (
        4e3 * BATCH / ms[f"CARE, {how}"]["encoder"] for how in ("equiform", "released structure")
    )
    lines = [
        f"{BATCH} images of 32×32, {NUM_CHUNKS} chunks, encoder {args.encoder}, embeddings of "
        f"{DIM}, on {machine(args.device)}, torch {torch.__version__}; load average "
        f"{load:.1f} before, {os.getloadavg()[0]:.1f} after",
        "",
        *markdown(ms, BATCH),
        "",
        f"The encoder alone, forward and backward: {together:.0f} views/s with four views a call, "
        f"{apart:.0f} with one.",
        "",
        f"Targets, set for a GPU{'' if args.device == 'cuda' else ', measured here on a CPU'}: "
        + targets(ms),
    ]
    table = "\n".join(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n")


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    main()
