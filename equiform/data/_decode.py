"""Photographs to squares of one size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from equiform._extras import require
from equiform.data.images import ImageFormatError

require("PIL", extra="images")
from PIL import Image, ImageOps  # noqa: E402


def decode_images(files: Sequence[Path], *, size: int) -> Tensor:
    """Read JPEG and PNG files, scaled by their shorter side and cropped about the centre.

    Returns (N, 3, size, size) uint8, in the order of `files`; raises ImageFormatError where one is
    damaged, cut short, or absurdly large.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    images = np.empty((len(files), size, size, 3), np.uint8)

    def decode(i: int) -> None:
        images[i] = np.asarray(_decode(files[i], size))

    # Pillow lets go of the interpreter while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, range(len(files))))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _decode(file: Path, size: int) -> Image.Image:
    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            rgb = image.convert("RGB")
    # SyntaxError is what Pillow raises for a damaged PNG.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageFormatError(f"{file}: not a readable image ({error})") from error
    return ImageOps.fit(rgb, (size, size), Image.Resampling.BILINEAR)
