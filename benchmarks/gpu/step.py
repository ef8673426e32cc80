"""Stage 5: images per second of a training step, of SimCLR, CARE and the released structure."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import care_methods, care_step
from benchmarks.gpu.options import Options
from benchmarks.gpu.results import Results
from equiform.data import synthetic_shapes

#: Compiling takes most of a minute for each number of views: only these are.
COMPILED = ("SimCLR", "CARE, equiform")


def run(results: Results, options: Options) -> None:
    """All methods as they are, then two of them compiled."""
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    batch = 32 if options.rehearse else care_methods.BATCH
    name = "tiny" if options.rehearse else "resnet18"
    images = synthetic_shapes(batch).images.to(options.device)
    encoder = care_methods.ENCODERS[name]().to(options.device)
    results.put(encoder=name, batch=batch, chunks=care_methods.NUM_CHUNKS, dim=care_methods.DIM)
    seconds = 0.01 if options.rehearse else 0.5
    as_it_is = care_methods.Run(torch.bfloat16)
    ms = care_step.measure(encoder, images, run=as_it_is, seconds=seconds)
    results.put(ms=ms)
    print("\n".join([*care_step.markdown(ms, batch), care_step.targets(ms)]), flush=True)
    compiled = {}
    for name in COMPILED:
        if results.left() <= 0:
            return
        compiled |= care_step.measure(
            encoder,
            images,
            run=care_methods.Run(torch.bfloat16, compiled=not options.rehearse),
            names=[name],
            seconds=seconds,
        )
        results.put(compiled=compiled)
    results.finish()


def page(record: dict[str, Any]) -> str:
    """The table, the targets, and the compiled steps."""
    lines = [
        "### A step on a GPU",
        "",
        f"{record['batch']} images of 32×32, {record['chunks']} chunks, {record['encoder']} in "
        f"bfloat16, channels last, embeddings of {record['dim']}.",
        "",
        *care_step.markdown(record["ms"], record["batch"]),
        "",
        f"Asked: {care_step.targets(record['ms'])}",
    ]
    compiled = {name: parts["step"] for name, parts in record.get("compiled", {}).items()}
    if compiled:
        named = ", ".join(f"{name} {step:.4g} ms" for name, step in compiled.items())
        lines += ["", f"With the encoder compiled: {named}."]
    return "\n".join(lines)
