"""A training loop: epochs, a progress bar with its rate, a log, and exact resumption."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from equiform._extras import require
from equiform.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)


class Batches(Protocol[Batch_co]):
    """An epoch that can be iterated again and again; a DataLoader is one."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch_co]: ...


class History(NamedTuple):
    """What a run did.

    Attributes:
        losses: the mean loss of each epoch.
        seconds: time spent in training, over all the runs that a resumed one consists of.
    """

    losses: list[float]
    seconds: float


def fit(
    module: nn.Module,
    loss: Callable[[Batch], Tensor],
    batches: Batches[Batch],
    optimizer: Optimizer,
    *,
    epochs: int,
    scheduler: LRScheduler | None = None,
    generators: Sequence[torch.Generator] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    configuration: Mapping[str, Any] | None = None,
    description: str = "training",
) -> History:
    """Minimise ``loss(batch)`` and leave ``module`` in eval mode.

    A run that was interrupted and resumed from its checkpoint ends with the same bits, on the CPU,
    as one that was not, provided that all randomness comes from torch's own generators or from
    ``generators``.

    Args:
        module: what the loss trains; set to train mode at the start.
        loss: a scalar of a batch.
        batches: gives the batches of an epoch each time it is iterated, as a DataLoader does.
        optimizer: of the parameters.
        epochs: how many in all, those before resumption included.
        scheduler: stepped after each batch.
        generators: random generators, other than torch's own, that ``batches`` and ``loss`` use.
        checkpoint: file to write after each epoch.
        resume: go on from ``checkpoint`` where there is one.
        configuration: what tells this run from others: plain data, kept in the checkpoint and
            compared on resumption.
        description: shown at the progress bar.

    Returns:
        The history of the whole run.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another configuration.
        FloatingPointError: the loss of an epoch is not finite.
        ValueError: ``epochs`` is under 1, there are no batches, or ``resume`` has no checkpoint.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if not len(batches):
        raise ValueError("batches is empty; use a smaller batch size or drop_last=False")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=PATH, got None")
    configuration = dict(configuration or {})
    stateful = {"module": module, "optimizer": optimizer}
    if scheduler is not None:
        stateful["scheduler"] = scheduler  # pyright: ignore[reportArgumentType]
    losses, earlier = [], 0.0
    if resume and checkpoint is not None and Path(checkpoint).exists():
        state = load_checkpoint(checkpoint)
        _check_same(state["configuration"], configuration, checkpoint)
        for name, part in stateful.items():
            part.load_state_dict(state[name])
        restore_random_state(state["random"], generators)
        losses, earlier = state["losses"], state["seconds"]
    start = time.perf_counter()
    module.train()
    progress = require("tqdm", extra="examples").tqdm(
        total=epochs * len(batches),
        initial=len(losses) * len(batches),
        desc=description,
        unit="step",
    )
    with progress:
        for _ in range(len(losses), epochs):
            total = 0.0
            for batch in batches:
                value = loss(batch)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
                total += value.item()
                progress.update()
            losses.append(total / len(batches))
            progress.set_postfix(loss=f"{losses[-1]:.4f}")
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"{description}: the loss is {losses[-1]} in epoch {len(losses)}; "
                    "lower the learning rate"
                )
            if checkpoint is not None:
                parts = {name: part.state_dict() for name, part in stateful.items()}
                run = {
                    "configuration": configuration,
                    "random": random_state(generators),
                    "losses": losses,
                    "seconds": earlier + time.perf_counter() - start,
                }
                save_checkpoint(checkpoint, parts | run)
    module.eval()
    return History(losses, earlier + time.perf_counter() - start)


def _check_same(
    saved: Mapping[str, Any], wanted: Mapping[str, Any], path: str | os.PathLike[str]
) -> None:
    different = [
        f"{key}: {saved.get(key)!r} there, {wanted.get(key)!r} here"
        for key in sorted(saved.keys() | wanted.keys())
        if saved.get(key) != wanted.get(key)
    ]
    if different:
        raise CheckpointError(
            f"{os.fspath(path)} is of another configuration ({'; '.join(different)}); "
            "use the same arguments, another output folder, or do not resume"
        )
