"""The log-partition op: InfoNCE and uniformity before their means."""

from equiform.ops.info_nce.api import Backend, log_partition

__all__ = ["Backend", "log_partition"]
