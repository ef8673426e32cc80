"""The Triton kernels of the Gram difference; nothing here is imported where Triton is missing."""
