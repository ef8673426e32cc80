"""The Triton kernels as the compiler for GPUs sees them, without one."""

import os
import subprocess
import sys

import pytest

COMPILE = """
import sys, torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from equiform.ops.gram_difference.triton import forward as triton_forward
from equiform.ops.gram_difference.triton import fused as triton_fused
from equiform.ops.gram_difference.triton import moments as triton_moments
from equiform.ops.gram_difference.triton import small as triton_small
from equiform.ops.gram_difference.triton.config import LAUNCH

DOUBLE = {"partials", "workspace", "moments"}
POINTERS = {"a", "b", "sign", "grad_a", "grad_b"}

def compile_kernel(kernel, dtype, config, none, constants):
    def type_of(name):
        if name in none or name in constants:
            return "constexpr"
        if name in POINTERS or (name == "partials" and kernel is triton_small._small_kernel):
            return f"*{dtype}"
        return {"index": "*i64", "mask": "*u8"}.get(name, "*fp64" if name in DOUBLE else "i32")

    fields = {name.upper(): value for name, value in config._asdict().items()}
    constants = fields | constants | dict.fromkeys(none)
    names = kernel.arg_names
    constants = {name: value for name, value in constants.items() if name in names}
    signature = {name: type_of(name) for name in names}
    source = ASTSource(kernel, signature, {(names.index(k),): v for k, v in constants.items()})
    options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
    binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert binary.asm["cubin"]

whole = sys.argv[1] == "whole"
entries = [
    ({"float32": "fp32", "float64": "fp64"}[dtype], configs)
    for entry in LAUNCH.entries.values()
    for dtype, by_width in entry.items()
    for _, configs in by_width
]
for dtype, configs in entries if whole else entries[-1:]:
    for none in ({"index", "sign", "mask"}, set()) if whole else (set(),):
        flags = {"EXCLUDE_DIAGONAL": not none}
        for grads in (set(), {"grad_a", "grad_b"}) if whole else (set(),):
            compile_kernel(
                triton_small._small_kernel, dtype, configs.small, none | grads,
                flags | {"COLUMNS": 64},
            )
        compile_kernel(triton_fused._fused_kernel, dtype, configs.fused, none, flags)
        compile_kernel(triton_forward._forward_kernel, dtype, configs.forward, none, flags)
    c = configs.moments
    # One point of one coordinate: Triton takes arguments that are 1 for constants.
    for ones in ({}, {"n": 1, "d": 1, "points": 1, "splits": 1, "a_row": 1}) if whole else ({},):
        compile_kernel(triton_moments._partial_kernel, dtype, c, set(), ones)
        compile_kernel(triton_moments._reduce_kernel, dtype, c, set(), ones)
"""


@pytest.mark.parametrize("extent", ["float64", pytest.param("whole", marks=pytest.mark.slow)])
def test_the_compiler_accepts_the_kernels(extent, tmp_path):
    """For sm_90, in a process of its own without the interpreter; nothing is run.

    float64 and a mask are where it has refused what the interpreter accepted.
    """
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, "-W", "ignore", "-c", COMPILE, extent]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
