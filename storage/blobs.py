"""Arrays as compressed blobs with a checksum, and back to the bit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 1


@dataclass(frozen=True, slots=True)
class Blob:
    """One array (n,): `dtype` as numpy writes it, `crc32` of its bytes, `data` zlib."""

    dtype: str
    crc32: int
    data: bytes


def to_blob(array: NDArray) -> Blob:  # type: ignore[type-arg]
    array = np.ascontiguousarray(array)
    # Times grow by equal steps: their differences need a hundredth of the room. Integers wrap, so it stays exact.
    packed = np.diff(array, prepend=array.dtype.type(0)) if array.dtype.kind == "i" else array
    return Blob(array.dtype.str, zlib.crc32(array.tobytes()), zlib.compress(packed.tobytes(), LEVEL))


def from_blob(blob: Blob) -> NDArray | None:  # type: ignore[type-arg]
    """The array, None where the blob is damaged."""
    try:
        # bytearray, so that the array can be written to as the one that was stored.
        packed = np.frombuffer(bytearray(zlib.decompress(blob.data)), np.dtype(blob.dtype))
    except (zlib.error, ValueError, TypeError):
        return None
    array = np.cumsum(packed, dtype=packed.dtype) if packed.dtype.kind == "i" else packed
    return array if zlib.crc32(array.tobytes()) == blob.crc32 else None
