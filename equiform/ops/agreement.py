"""What ranks must have in common before they exchange rows, and one error for all where they don't.

Collectives of tensors that differ in shape end the process in C++, and one that a rank never comes
to blocks all others. So the first exchange of a forward pass is a header of three numbers a rank:
how many rows it holds, and a digest of its arguments in words. Where digests differ, or where a
rank has refused its arguments, the words follow, and every rank raises the same error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from inspect import signature
from typing import Any, ClassVar, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from equiform.forms import Form
from equiform.ops.collectives import all_gather, world_size

R = TypeVar("R")

#: What a rank that refuses its arguments may raise on the others.
_ERRORS = TypeError, ValueError, RuntimeError
#: Which axis ranks may differ in, by the name of the argument.
_AXIS_OF_ROWS = {"x": 0, "weights": -1}


class Agreement:
    """The arguments of one call on this rank, to be compared with those of the others.

    Attributes:
        sizes: the number of rows of each rank, once all have agreed.
        current: that of the call under way, which the calls within it are part of.
    """

    current: ClassVar[Agreement | None] = None

    def __init__(self, call: str, arguments: Mapping[str, object]) -> None:
        self._call = call
        self._words = {name: _words(name, value) for name, value in arguments.items()}
        self._devices = [x.device for x in arguments.values() if isinstance(x, Tensor)]
        self._met = False
        self.sizes: list[int] = []

    def meet(self, rows: int) -> list[int]:
        """The number of rows of each rank; raises on all ranks unless they agree."""
        if not self._met:
            self.sizes = self._exchange(rows, ["", self._call, self._words])
            backends = _backends()
            for device in self._devices:
                if device.type not in backends:
                    raise ValueError(
                        f"{self._call} over several ranks needs tensors on {' or '.join(backends)},"
                        f" where their process group is, got {device.type}; move them"
                    )
        return self.sizes

    def refuse(self, error: Exception) -> None:
        """Raise an error of this rank on all, unless they have met already, or all have it."""
        if not self._met:
            kind = next((kind for kind in _ERRORS if isinstance(error, kind)), RuntimeError)
            self._exchange(0, [kind.__name__, self._call, str(error)])

    def _exchange(self, rows: int, said: list[Any]) -> list[int]:
        self._met = True
        text = json.dumps(said).encode()
        digest = int.from_bytes(blake2b(text, digest_size=7).digest())
        device = self.device_of_headers()
        header = torch.tensor([rows, digest, len(text)], device=device)
        sizes, digests, lengths = torch.stack(all_gather(header), 1).tolist()
        if len(set(digests)) > 1:
            padded = torch.tensor([*text.ljust(max(lengths))], device=device)
            raise _disagreement([json.loads(bytes(x.tolist())) for x in all_gather(padded)])
        return sizes

    def device_of_headers(self) -> torch.device:
        """One with collectives: the CPU where it has them, since there nothing is waited for."""
        backends = _backends()
        if "cpu" in backends:
            return torch.device("cpu")
        own = (device for device in self._devices if device.type in backends)
        return next(own, torch.device(backends[0]))


def unagreed() -> bool:
    """Whether there are several ranks, and this is no call within :func:`together`."""
    return world_size() > 1 and Agreement.current is None


def together(function: Callable[..., R], **arguments: Any) -> R:
    """What a function that exchanges rows returns, or on all ranks one and the same error.

    The function checks its arguments and then asks :func:`rows_of_ranks`, before any other
    collective. What it raises until then, it raises on every rank; what its arguments must have in
    common (all but the number of rows) is compared there. Graphs of torch.compile end before it.

    Args:
        arguments: of the function; others are left out, so that it may give its ``locals()``.
    """
    arguments = {name: arguments[name] for name in signature(function).parameters}
    if torch.compiler.is_compiling():
        # Not above the function: on import it would load the compiler.
        return torch.compiler.disable(_together)(function, arguments)  # pyright: ignore[reportCallIssue]
    return _together(function, arguments)


def _together(function: Callable[..., R], arguments: dict[str, Any]) -> R:
    Agreement.current = agreement = Agreement(function.__name__, arguments)
    try:
        return function(**arguments)
    except Exception as error:
        agreement.refuse(error)
        raise
    finally:
        Agreement.current = None


def rows_of_ranks(rows: int) -> list[int]:
    """How many rows each rank holds, this one ``rows``; the same in all calls within a call.

    Raises:
        ValueError: on all ranks, where they disagree on arguments, or none has any rows.
    """
    sizes = [rows]
    if world_size() > 1:
        sizes = (Agreement.current or Agreement("a loss", {})).meet(rows)
    if not any(sizes):
        raise ValueError(f"there are no embeddings on any of {len(sizes)} ranks; give some to one")
    return sizes


def _words(name: str, value: object) -> str:
    """An argument as other ranks are to have it too."""
    if isinstance(value, Tensor):
        sizes, axis = [*map(str, value.shape)], _AXIS_OF_ROWS.get(name, -2)
        if -value.ndim <= axis < value.ndim:
            sizes[axis] = "*"
        # Without a gradient a rank would be missing in the backward pass.
        graph = " with gradient" if value.requires_grad and torch.is_grad_enabled() else ""
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype} ({', '.join(sizes)}) on {value.device.type}{graph}"
    # Of other objects the representation may hold an address, or the values of a parameter.
    plain = value is None or isinstance(value, bool | int | float | str | Form)
    return repr(value) if plain else type(value).__name__


def _backends() -> list[str]:
    """The kinds of device that the process group has collectives for."""
    return [part.partition(":")[0] for part in dist.get_backend_config().split(",")]


def _disagreement(said: list[Any]) -> Exception:
    """One error for all ranks from what each has said: kind of error, function, words."""
    kinds, calls, words = zip(*said, strict=True)
    refused = {rank: words[rank] for rank, kind in enumerate(kinds) if kind}
    if refused:
        first = min(refused)
        kind = next(kind for kind in _ERRORS if kind.__name__ == kinds[first])
        told = "; ".join(f"on {ranks}: {text}" for text, ranks in _by_text(refused))
        return kind(f"{calls[first]} {told}")
    if len({*calls}) > 1:
        return ValueError(f"ranks must make the same calls in one order: {_shown(calls)}")
    different = "; ".join(
        f"{name} is {_shown([of_rank[name] for of_rank in words])}"
        for name in words[0]
        if len({of_rank[name] for of_rank in words}) > 1
    )
    return ValueError(f"{calls[0]} needs the same on all ranks, but for the rows: {different}")


def _shown(told: Sequence[str]) -> str:
    return ", ".join(f"{text} ({ranks})" for text, ranks in _by_text(dict(enumerate(told))))


def _by_text(told: Mapping[int, str]) -> list[tuple[str, str]]:
    """Each text with the ranks that said it."""
    ranks: dict[str, list[int]] = {}
    for rank, text in told.items():
        ranks.setdefault(text, []).append(rank)
    return [
        (text, f"rank{'s' * (len(which) > 1)} {', '.join(map(str, which))}")
        for text, which in ranks.items()
    ]
