"""Arrays as compressed blobs with a checksum, and back to the bit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 1


@dataclass(frozen=True, slots=True)
class Blob:
    """One array (n,): `dtype` as numpy writes it, `crc32` of its bytes, `data` zlib.

    Numbers are packed with their first bytes together, then their second bytes, and so on: high bytes that repeat
    become runs, which zlib can be told to look for alone. A year of minutes is stored in half the time for it.
    """

    dtype: str
    crc32: int
    data: bytes


def to_blob(array: NDArray) -> Blob:  # type: ignore[type-arg]
    array = np.ascontiguousarray(array)
    # Times grow by equal steps: their differences need a hundredth of the room. Integers wrap, so it stays exact.
    packed = np.diff(array, prepend=array.dtype.type(0)) if array.dtype.kind == "i" else array
    if array.dtype.kind == "U":
        data = zlib.compress(packed.tobytes(), LEVEL)
    else:
        runs = zlib.compressobj(LEVEL, strategy=zlib.Z_RLE)
        data = runs.compress(_bytes_apart(packed)) + runs.flush()
    return Blob(array.dtype.str, _crc32(array), data)


def from_blob(blob: Blob) -> NDArray | None:  # type: ignore[type-arg]
    """The array, None where the blob is damaged."""
    try:
        dtype = np.dtype(blob.dtype)
        # bytearray, so that the array can be written to as the one that was stored.
        data = bytearray(zlib.decompress(blob.data))
        packed = np.frombuffer(data if dtype.kind == "U" else _bytes_together(data, dtype.itemsize), dtype)
    except (zlib.error, ValueError, TypeError):
        return None
    array = np.cumsum(packed, dtype=packed.dtype) if packed.dtype.kind == "i" else packed
    return array if _crc32(array) == blob.crc32 else None


def _crc32(array: NDArray) -> int:  # type: ignore[type-arg]
    return zlib.crc32(array.view(np.uint8).data) if array.size else 0


def _bytes_apart(array: NDArray) -> bytes:  # type: ignore[type-arg]
    return array.view(np.uint8).reshape(-1, array.dtype.itemsize).T.tobytes()


def _bytes_together(data: bytearray, size: int) -> bytearray:
    return bytearray(np.frombuffer(data, np.uint8).reshape(size, -1).T.tobytes())
