"""The log-partition op: InfoNCE and uniformity before their means."""

from equiform.ops.info_nce.dispatch import log_partition

__all__ = ["log_partition"]
