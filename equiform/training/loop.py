"""A training loop: epochs, their progress, a log, and exact resumption."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from equiform._options import check_count, check_flag
from equiform.functional._arguments import check_callable
from equiform.ops.distributed import sum_over_ranks, world_size
from equiform.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    plain,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from equiform.training.finite import check_finite, sizes
from equiform.training.processes import rank
from equiform.training.progress import Progress

_RECORDED = {"epoch", "learning_rate", "seconds"}

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
        rows: for each epoch its number, the means of all terms of the loss, the learning rate, what
            was measured after it, and the seconds until then.
    """

    losses: list[float]
    seconds: float
    rows: list[dict[str, float]]


def fit(
    module: nn.Module,
    loss: Callable[[Batch], Tensor | Mapping[str, Tensor]],
    batches: Batches[Batch],
    optimizer: Optimizer,
    *,
    epochs: int,
    scheduler: LRScheduler | None = None,
    accumulate: int = 1,
    after_step: Callable[[], object] | None = None,
    measure: Callable[[int], float | Tensor | Mapping[str, float | Tensor]] | None = None,
    logs: Sequence[Callable[[list[dict[str, float]]], object]] = (),
    generators: Sequence[torch.Generator] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    configuration: Mapping[str, Any] | None = None,
    description: str = "training",
    unit: str = "step",
    unit_size: int = 1,
) -> History:
    """Minimise ``loss(batch)`` and leave ``module`` in eval mode.

    A run that was interrupted and resumed from its checkpoint ends with the same bits as one that
    was not, on the CPU of the same machine with the same number of threads, provided that all
    randomness comes from torch's own generators or from ``generators``.

    Progress goes to stderr: a bar in a terminal, elsewhere a line at the start, now and then, and
    at the end. Under torchrun the first rank writes it, the checkpoint and the logs, and all ranks
    resume with its random states: what ranks draw must be the same on all of them.

    Args:
        module: what the loss trains; set to train mode at the start.
        loss: a scalar of a batch, or several by name: the one called ``loss`` is minimised, all
            are recorded. Of a `CARELoss` return ``terms.total``, or the dict
            ``{"loss": terms.total, "equivariance": terms.equivariance}``. It may use autocast in
            bfloat16; float16 would need a GradScaler, which is not offered.
        batches: gives the batches of an epoch each time it is iterated, as a DataLoader does.
        epochs: how many in all, those before resumption included.
        scheduler: stepped after each step of the optimizer; not a ReduceLROnPlateau.
        accumulate: batches whose mean gradient makes a step; the last step of an epoch may have
            fewer. It equals a larger batch where the loss is a mean over samples; a contrastive
            loss finds its negatives within a batch, and the equivariance loss its pairs.
        after_step: called after each step too.
        measure: called after each epoch with its number, from 1, in eval mode; its number, or dict
            of them, is recorded. It must draw no random numbers that the training draws.
        logs: called after each epoch with the rows of all epochs so far, the last one new.
        generators: random generators, other than torch's own, that ``batches`` and ``loss`` use.
        checkpoint, resume: file to write after each epoch, and whether to go on from it.
        configuration: what tells this run from others: plain data, kept in the checkpoint and
            compared on resumption.
        description, unit, unit_size: what the progress begins with, what it counts, and how many
            of it a batch is.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another configuration or scheduler.
        FloatingPointError: a loss or a gradient is not finite; the message names the first epoch
            and batch. No step is taken with it: the weights are those of the step before.
    """
    epochs, accumulate = check_count("epochs", epochs), check_count("accumulate", accumulate)
    unit_size = check_count("unit_size", unit_size)
    check_flag("resume", resume)
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch module, got {module!r}")
    check_callable("loss", loss, "a function of a batch")
    for name, function in {"after_step": after_step, "measure": measure}.items():
        if function is not None:
            check_callable(name, function, "a function")
    for name, several in {"logs": logs, "generators": generators}.items():
        if not isinstance(several, Sequence):
            raise TypeError(f"{name} must be a list, got {several!r}; use {name}=[...]")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a torch Optimizer, got {optimizer!r}")
    if not isinstance(scheduler, LRScheduler | None):
        raise TypeError(f"scheduler must be a torch LRScheduler, got {scheduler!r}")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise TypeError("scheduler must need no metric, got ReduceLROnPlateau; step it in measure")
    try:
        steps = len(batches)
    except TypeError as error:
        raise TypeError(f"batches must have a length, got {batches!r}; use list(...)") from error
    if not steps:
        raise ValueError("batches is empty; use a smaller batch size or drop_last=False")
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise TypeError(f"checkpoint must be a path, got {checkpoint!r}")
    if not isinstance(configuration, Mapping | None):
        raise TypeError(f"configuration must be a dict, got {configuration!r}")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=PATH, got None")
    identity: dict[str, Any] = plain("configuration", configuration or {})
    stateful = {"module": module, "optimizer": optimizer}
    if scheduler is not None:
        stateful["scheduler"] = scheduler  # pyright: ignore[reportArgumentType]
    rows, earlier = [], 0.0
    if resume and checkpoint is not None and Path(checkpoint).exists():
        state = load_checkpoint(checkpoint)
        held = {*stateful, "configuration", "random", "rows", "seconds"}
        if held != state.keys():
            different = f"{checkpoint} holds {sorted(state)}, this run has {sorted(held)}"
            raise CheckpointError(f"{different}; use the same arguments, or do not resume")
        _check_same(state["configuration"], identity, Path(checkpoint))
        for name, part in stateful.items():
            part.load_state_dict(state[name])
        restore_random_state(state["random"], generators)
        rows, earlier = state["rows"], state["seconds"]
    first = rank() == 0
    start = time.perf_counter()
    module.train()
    done = len(rows)
    with closing(
        Progress(description, epochs, steps, done, unit=unit, unit_size=unit_size, shown=first)
    ) as progress:
        for epoch in range(done + 1, epochs + 1):
            totals: dict[str, Tensor] = {}
            seen: list[Tensor] = []  # since the last step
            for index, batch in enumerate(batches):
                terms = _scalars("loss", loss(batch), "tensor", _RECORDED)
                if "loss" not in terms:
                    raise ValueError(f'loss must return one term called "loss", got {list(terms)}')
                if not terms["loss"].requires_grad:
                    raise ValueError("loss must depend on parameters, got one without a gradient")
                behind = index % accumulate  # batches of this step that came before
                if not behind:
                    optimizer.zero_grad()
                (terms["loss"] / min(accumulate, steps - index + behind)).backward()
                seen.append(sizes(terms["loss"], optimizer))
                if behind + 1 == accumulate or index + 1 == steps:
                    check_finite(seen, description, epoch, first=index + 1 - behind)
                    seen.clear()
                    optimizer.step()
                    if scheduler is not None:
                        scheduler.step()
                    if after_step is not None:
                        after_step()
                for name, term in terms.items():
                    # Not .item(), which would have a GPU wait at each batch.
                    totals[name] = totals.get(name, 0) + term.detach().double()
                progress.step()
            means = sum_over_ranks(torch.stack(list(totals.values())) / steps) / world_size()
            row = {"epoch": epoch, **dict(zip(totals, means.tolist(), strict=True))}
            row["learning_rate"] = float(optimizer.param_groups[0]["lr"])
            if measure is not None:
                module.eval()
                measured = _scalars("measure", measure(epoch), "number", row.keys() | _RECORDED)
                row |= {name: float(value) for name, value in measured.items()}
                module.train()
            row["seconds"] = earlier + time.perf_counter() - start
            rows.append(row)
            progress.epoch(row["loss"], row["seconds"])
            if not first:
                continue
            # Before the checkpoint: a run that dies between the two writes this row again.
            for log in logs:
                log(rows)
            if checkpoint is not None:
                parts = {name: part.state_dict() for name, part in stateful.items()}
                run = {"configuration": identity, "random": random_state(generators)}
                run |= {"rows": rows, "seconds": row["seconds"]}
                save_checkpoint(checkpoint, parts | run)
    module.eval()
    seconds = earlier + time.perf_counter() - start
    return History([row["loss"] for row in rows], seconds, rows)


def _scalars(function: str, returned: Any, what: str, taken: Set[str]) -> Mapping[str, Any]:
    """What a function returned, by name; raise unless it is scalars, by names that are free."""
    terms = returned if isinstance(returned, Mapping) else {function: returned}
    if names := sorted(taken & terms.keys()):
        raise ValueError(f"{function} must not return {names}, which fit records; use other names")
    kinds = Tensor if what == "tensor" else Real | Tensor
    for name, term in terms.items():
        scalar = isinstance(term, kinds) and not getattr(term, "ndim", 0)
        if not scalar or (isinstance(term, Tensor) and term.is_complex()):
            tensor = isinstance(term, Tensor)
            shape = f" of shape {tuple(term.shape)}, {term.dtype}" if tensor else ""
            remedy = "; return terms.total" if hasattr(term, "total") else ""
            raise TypeError(
                f"{function} must return a scalar {what}, or a dict of them, got {name}: "
                f"{type(term).__name__}{shape}{remedy}"
            )
    return terms


def _check_same(saved: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    values = {key: (saved.get(key), wanted.get(key)) for key in {**saved, **wanted}}
    different = [f"{key}: {a!r} there, {b!r} here" for key, (a, b) in values.items() if a != b]
    if different:
        raise CheckpointError(
            f"{path} is of another configuration ({'; '.join(different)}); "
            "use the same arguments, another output folder, or do not resume"
        )
