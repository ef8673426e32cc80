"""Checkpoints that are whole or are not there, and hold everything a run needs to go on."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import pickle
import reprlib
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiform._files import write_bytes

_MAGIC = b"equiform checkpoint 1\n"
_DIGEST_BYTES = hashlib.sha256().digest_size
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


class CheckpointError(RuntimeError):
    """A checkpoint that is damaged, is none, or belongs to another run; the message says which."""


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a checkpoint such that at every moment the file holds the old one or the new one.

    The state is of tensors, numbers, strings, and dictionaries, lists and tuples of them: what
    ``torch.load(weights_only=True)`` reads back. TypeError names what is not.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict, got {reprlib.repr(state)}")
    buffer = io.BytesIO()
    torch.save(plain("state", state, Tensor), buffer)
    payload = buffer.getvalue()
    write_bytes(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of :func:`save_checkpoint`, on the CPU.

    The file is checked against its own SHA-256 before anything is unpickled, and only plain data
    is: no code in it can run. One that is damaged, or of something else, raises CheckpointError.
    """
    content = Path(path).read_bytes()
    if not content.startswith(_MAGIC):
        raise CheckpointError(f"{path} is no checkpoint of equiform; delete it, or give another")
    body = content.removeprefix(_MAGIC)
    digest, payload = body[:_DIGEST_BYTES], body[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise CheckpointError(f"{path} is damaged (SHA-256 differs); delete it and train again")
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise CheckpointError(f"{path} holds more than plain data: {error}") from error


def plain(name: str, value: Any, *others: type) -> Any:
    """A copy of plain data and `others`, numpy's scalars as Python's; TypeError names the rest."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        # torch needs the methods of the one and an attribute of the other.
        made: Any = copy.copy(value) if type(value) in (Counter, OrderedDict) else {}
        made.clear()
        for key, item in value.items():
            made[plain(name, key)] = plain(f"{name}[{key!r}]", item, *others)
        return made
    for kind in (list, tuple, set):
        if isinstance(value, kind):
            return kind([plain(f"{name}[{i}]", x, *others) for i, x in enumerate(value)])
    if type(value) not in _PLAIN and not isinstance(value, others):
        given = f"{reprlib.repr(value)} ({type(value).__name__})"
        raise TypeError(f"{name} must be plain data, got {given}; use str(...) or .tolist()")
    return value


def random_state(generators: Sequence[torch.Generator]) -> list[Tensor]:
    """State of torch's own generators (CPU and each CUDA device), then of the given ones."""
    own = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return own + [generator.get_state() for generator in generators]


def restore_random_state(states: Sequence[Tensor], generators: Sequence[torch.Generator]) -> None:
    """Put back what :func:`random_state` returned, on as many CUDA devices."""
    own = 1 + torch.cuda.device_count()
    if len(states) != own + len(generators):
        raise CheckpointError(
            f"the checkpoint holds {len(states)} random states, this run has "
            f"{own + len(generators)} (1 for the CPU, {own - 1} CUDA devices, "
            f"{len(generators)} generators); resume on the machine and with the arguments it has"
        )
    torch.set_rng_state(states[0])
    torch.cuda.set_rng_state_all(list(states[1:own]))
    for generator, state in zip(generators, states[own:], strict=True):
        generator.set_state(state)
