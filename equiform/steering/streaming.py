"""Moments of each augmentation, kept while training goes on, and solved for when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from equiform._options import check_number
from equiform._points import check_points
from equiform.functional._arguments import check_group
from equiform.groups import IsometryGroup, Moments, Recovery
from equiform.ops.distributed import sum_over_ranks, world_size


class StreamingIsometry(nn.Module):
    r"""The second moments of each augmentation's points, and the isometry that they determine.

    The moments of a key, M = (P, N, Q, weight), follow its own updates, whatever others get:

    .. math:: M \leftarrow \mathrm{decay} \cdot M + M_\mathrm{batch}

    so that a point counts :math:`\mathrm{decay}^k` after k further updates of its key, and
    ``weight`` is the effective number of points, at most n / (1 - decay) for batches of n. Memory
    is 3 d² numbers a key, in float64 (complex128); embeddings are never stored.

    What a rank has gathered is its own: it is in no buffer, which DistributedDataParallel
    would overwrite by those of rank 0. It follows the module to a device, keeps its precision where
    the module is cast, and is in ``state_dict``; ``load_state_dict`` replaces all keys.

    Args:
        group: where the isometries are sought.
        decay: in (0, 1]; 1 forgets nothing.
    """

    _device: Tensor

    def __init__(self, group: IsometryGroup, *, decay: float = 1.0) -> None:
        super().__init__()
        check_group(group)
        self.decay = check_number("decay", decay, positive=True)
        if decay > 1:
            raise ValueError(f"decay must be in (0, 1], got {decay}")
        self.group = group
        self._moments: dict[str, Moments] = {}
        # Empty: it only remembers where the module was moved.
        self.register_buffer("_device", torch.empty(0), persistent=False)

    @torch.no_grad()
    def update(
        self, key: str, source: Tensor, target: Tensor, weights: Tensor | None = None
    ) -> None:
        """Take points f(x) and f(a x), ``(n, d)`` on any device, of the augmentation a of a key.

        Weights are nonnegative, shape ``(n,)``; 1 unless given. A batch that is refused, such as
        one that is not finite, leaves the moments as they were.
        """
        if not isinstance(key, str):
            raise TypeError(f"key must be a str, got {type(key).__name__}; use str(key)")
        check_points("(n, d)", source=source, target=target, empty=True, finite=True)
        d = self.group.dim
        if source.shape[-1] != d:
            raise ValueError(f"source must have shape (n, {d}), got {tuple(source.shape)}")
        self.group.form.check_embedding(source)
        moments = Moments.of(source, target, weights)
        if not all(x.isfinite().all() for x in moments.parts):
            raise ValueError(
                "weights must be finite, and source and target of a size whose squares are; "
                f"the moments of key {key!r} would hold NaN or infinity"
            )
        batch = self._move(moments)
        self._moments[key] = self._moments[key] * self.decay + batch if key in self else batch

    def recover(self, key: str, *, anchor: float = 0.0) -> Recovery:
        """Best isometry of one augmentation; KeyError where it has had no update.

        For all at once: ``streaming.group.recover_moments(streaming.moments())``.
        """
        return self.group.recover_moments(self[key], anchor=anchor)

    def moments(self, keys: Iterable[str] | None = None) -> Moments:
        """Moments of several keys, or of all, stacked in their order, shape ``(m, d, d)``."""
        chosen = [self[key] for key in (self.keys() if keys is None else keys)]
        if not chosen:
            raise ValueError("there are no keys to stack moments of; call update first")
        return _stack(chosen)

    def keys(self) -> KeysView[str]:
        """The augmentations, in the order of their first updates."""
        return self._moments.keys()

    def __getitem__(self, key: str) -> Moments:
        if key not in self:
            raise KeyError(f"key {key!r} has had no update; there are {len(self)} others")
        return self._moments[key]

    def __contains__(self, key: str) -> bool:
        return key in self._moments

    def __len__(self) -> int:
        return len(self._moments)

    def all_reduce(self) -> StreamingIsometry:
        """The sum over all ranks, which may have seen different keys, as a new module.

        It leaves this one as it is, so that calling it again counts nothing twice. All ranks must
        call it; the keys of the result are sorted. A plain copy without a process group.
        ValueError, on all ranks, where their groups differ.
        """
        total = StreamingIsometry(self.group, decay=self.decay).to(self._device.device)
        if world_size() == 1:
            total._moments = dict(self._moments)
            return total
        told: list[Any] = [None for _ in range(world_size())]
        seen = {key: m.eps for key, m in self._moments.items()}
        dist.all_gather_object(told, (repr(self.group), seen))
        groups, found = zip(*told, strict=True)
        if len({*groups}) > 1:
            raise ValueError(f"all ranks need one group, got {', '.join(groups)} by rank")
        keys = sorted(set().union(*found))
        if keys:
            dtype = torch.complex128 if self.group.form.sesquilinear else torch.float64
            unseen = Moments.zeros(d=self.group.dim, dtype=dtype, device=self._device.device)
            own = _stack([self._moments.get(key, unseen) for key in keys])
            parts = zip(*own.map(sum_over_ranks).parts, strict=True)
            eps = max(eps for keys_of_rank in found for eps in keys_of_rank.values())
            total._moments = {key: Moments(*m, eps=eps) for key, m in zip(keys, parts, strict=True)}
        return total

    def get_extra_state(self) -> dict[str, tuple[Any, ...]]:
        """The moments by key, for ``state_dict``."""
        return {key: (*moments.parts, moments.eps) for key, moments in self._moments.items()}

    def set_extra_state(self, state: dict[str, tuple[Any, ...]]) -> None:
        """Replace all keys and moments, for ``load_state_dict``."""
        for key, (source, *_) in state.items():
            if source.shape != (self.group.dim, self.group.dim):
                raise ValueError(
                    f"the state of key {key!r} has moments of shape {tuple(source.shape)}; load "
                    f"it into a group of that dimension, not {self.group!r}"
                )
        self._moments = {key: self._move(Moments(*parts)) for key, parts in state.items()}

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(streaming)``."""
        return f"{self.group!r}, decay={self.decay}, {len(self)} keys"

    def _move(self, moments: Moments) -> Moments:
        return moments.map(lambda x: x.to(self._device.device))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StreamingIsometry:
        # What moves or casts a module comes through here. The moments follow to the device only.
        super()._apply(fn, recurse)
        self._moments = {key: self._move(moments) for key, moments in self._moments.items()}
        return self


def _stack(moments: Sequence[Moments]) -> Moments:
    parts = zip(*(m.parts for m in moments), strict=True)
    return Moments(*map(torch.stack, parts), eps=max(m.eps for m in moments))
