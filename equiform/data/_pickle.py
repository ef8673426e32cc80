"""Read the pickles that CIFAR comes as, without running what a pickle can run.

A pickle is a program: it may call any function by its name. Here a name leads to a stand-in of this
module or to an error, so that neither numpy nor anything else is called with what the file says.
The stand-ins take down what an array consists of, and its bytes become one once its type and size
are checked.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equiform.data.images import ImageFormatError


def read_pickled_dict(data: bytes, *, name: str) -> dict[str, Any]:
    """A dict of plain values and byte arrays out of a pickle; nothing in it is executed.

    Args:
        data: the pickle, of Python 2 or 3, numpy 1 or 2.
        name: what the error calls it.

    Returns:
        Values by key: lists, tuples, dicts, str, bytes, numbers, and uint8 arrays. Where the
        pickle is damaged, or holds anything else, ImageFormatError is raised.
    """
    try:
        _check_memo(data)
        value = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"a dict was expected, not {type(value).__name__}")
        keys = (key.decode("latin1") if isinstance(key, bytes) else str(key) for key in value)
        entries = (x.value if isinstance(x, _Array) else x for x in value.values())
        return dict(zip(keys, entries, strict=True))
    except Exception as error:  # whatever the unpickler makes of a damaged file
        raise ImageFormatError(f"{name}: not a pickle of plain arrays ({error})") from error


def _check_memo(data: bytes) -> None:
    # The unpickler's table of earlier objects grows to the largest index that a file asks for, be
    # it 2**32 in a file of a few bytes; those who write pickles count up from 0 or 1.
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
        index: Any = argument
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and index > count:
            raise pickle.UnpicklingError(f"object {index} of at most {count}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        for prefix in ("numpy.core.", "numpy._core."):  # of numpy 1 and 2
            module = module.replace(prefix, "numpy.")
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in image data") from None


# No stand-in has a __dict__: what a pickle may set on an object finds nothing to be set on.
class _Dtype:
    """Takes the place of numpy.dtype("u1")."""

    __slots__ = ()

    def __call__(self, code: object, align: object = False, copy: object = True, /) -> _Dtype:
        if code not in ("u1", "uint8", "|u1"):
            raise pickle.UnpicklingError(f"arrays must be of uint8, not {code!r}")
        return self

    def __setstate__(self, state: object, /) -> None:
        """Byte order and fields: a byte has neither."""


class _Array:
    """Takes the place of an array that is filled afterwards, or at once by `_FromBuffer`."""

    __slots__ = ("value",)

    def __setstate__(self, state: tuple[object, ...], /) -> None:
        _, shape, dtype, fortran, content = state
        self.value = _checked_array(shape, dtype, "F" if fortran else "C", content)


class _Reconstruct:
    """Takes the place of numpy's _reconstruct, which makes an array to be filled."""

    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object, /) -> _Array:
        return _Array()


class _FromBuffer:
    """Takes the place of numpy's _frombuffer, of pickle protocol 5."""

    __slots__ = ()

    def __call__(self, content: Any, dtype: Any, shape: Any, order: Any, /, *rest: Any) -> _Array:
        array = _Array()
        array.value = _checked_array(shape, dtype, order, content)
        return array


class _Encode:
    """Takes the place of _codecs.encode, with which Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __call__(self, text: object, encoding: object, /) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("only bytes may be encoded, as latin1")
        return text.encode("latin1")


_STAND_INS = {
    ("numpy", "dtype"): _Dtype(),
    ("numpy", "ndarray"): "numpy.ndarray",  # only ever handed to _reconstruct
    ("numpy.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy.numeric", "_frombuffer"): _FromBuffer(),
    ("_codecs", "encode"): _Encode(),
}


def _checked_array(shape: Any, dtype: Any, order: Any, content: Any) -> NDArray[np.uint8]:
    if isinstance(content, str):  # how encoding="latin1" reads a byte string of Python 2
        content = content.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array without bytes")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise pickle.UnpicklingError(f"an array of shape {shape!r}")
    if order not in ("C", "F"):
        raise pickle.UnpicklingError(f"an array in order {order!r}")
    return np.frombuffer(content, np.uint8).reshape(shape, order=order)
