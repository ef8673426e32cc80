"""The Triton kernels of the log-partition; nothing here is imported where Triton is missing."""
