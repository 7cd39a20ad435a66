"""numpy arrays and tensors on the wire: row-major, little-endian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import wire
from .checks import array as to_ndarray
from .checks import shown

Array = npt.NDArray[Any]

_DTYPES: Mapping[str, wire.DataType.ValueType] = {
    name: wire.DataType.Value(f"DATA_TYPE_{name.upper()}")
    for name in (
        ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")
    )
}
_NAMES = {number: name for name, number in _DTYPES.items()}


def to_tensor(array: npt.ArrayLike, field: str = "array") -> wire.Tensor:
    """A tensor of anything that numpy takes for an array: in any memory order, of any byte order.

    Python's own numbers become float64 and int64, as numpy has them; models mostly take float32.

    Args:
        field: what errors call it.

    Raises:
        TypeError: where the elements are none of zeroth.v1's types (complex, text, objects).
        ValueError: where rows have different lengths.

    >>> to_tensor([[1, 2], [3, 4]]).shape
    [2, 2]
    """
    values = to_ndarray(field, array)
    return wire.Tensor(data_type=data_type(values, field), shape=values.shape, data=to_bytes(values))


def to_array(tensor: wire.Tensor) -> Array:
    """The array of a tensor: of its own memory, which may be written to.

    Raises:
        ValueError: where its data is not what its type and shape say.
    """
    if not isinstance(tensor, wire.Tensor):
        raise TypeError(f"tensor: expected a zeroth.wire.Tensor, got {shown(tensor)}")
    dtype = np.dtype(_NAMES[tensor.data_type]) if tensor.data_type in _NAMES else None
    if dtype is None:
        raise ValueError(f"data_type: expected one of zeroth.v1's, got {tensor.data_type}")
    expected = int(np.prod(tensor.shape, dtype=np.int64)) * dtype.itemsize
    if len(tensor.data) != expected:
        raise ValueError(f"data: expected {expected} bytes for {dtype.name} {list(tensor.shape)}, got {len(tensor.data)}")
    values = np.frombuffer(tensor.data, dtype.newbyteorder("<")).reshape(tuple(tensor.shape))
    return values.astype(dtype)


def to_arrays(tensors: Mapping[str, wire.Tensor]) -> dict[str, Array]:
    return {name: to_array(tensor) for name, tensor in tensors.items()}


def data_type(array: Array, field: str) -> wire.DataType.ValueType:
    """Raises TypeError where zeroth.v1 has no such type."""
    found = _DTYPES.get(array.dtype.name)
    if found is None:
        raise TypeError(f"{field}.dtype: expected one of {', '.join(_DTYPES)}, got {array.dtype}")
    return found


def to_bytes(array: Array) -> bytes:
    """Row-major and little-endian, whatever the array is."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes("C")
