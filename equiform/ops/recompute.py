"""What is computed again in the backward pass, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch._C._functorch import maybe_current_level
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """The result, of which nothing is kept for the backward pass, where it is computed again.

    Inside a transform of ``torch.func`` all is kept, for there is no going back in those.
    """
    if maybe_current_level() is not None:
        return function(*arguments)
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
