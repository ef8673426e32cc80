"""The Triton route of the Gram difference: which kernel runs, with which parameters."""

from equiform.ops.gram_difference.problem import Problem, Solution
from equiform.ops.gram_difference.triton.config import LAUNCH
from equiform.ops.gram_difference.triton.forward import forward
from equiform.ops.gram_difference.triton.fused import fused
from equiform.ops.gram_difference.triton.small import MAX_POINTS, small


def triton_gram(problem: Problem) -> Solution:
    """Loss and gradients in fused kernels, for float32 and float64; the same bits every time."""
    a = problem.a
    config = LAUNCH.configs_for(a)
    if a.shape[1] <= MAX_POINTS:
        return small(problem, config.small)
    if problem.need_grad:
        return fused(problem, config.fused)
    return forward(problem, config.forward), a.new_empty(0), a.new_empty(0)
