"""numpy and the wire: every type, any memory order, any byte order."""

from __future__ import annotations

import numpy as np
import pytest

from zeroth import to_array, to_tensor, wire

TYPES = [name.removeprefix("DATA_TYPE_").lower() for name in wire.DataType.keys() if name != "DATA_TYPE_UNSPECIFIED"]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back_as_it_was(name: str) -> None:
    values = np.arange(24).reshape(2, 3, 4) % 2 if name == "bool" else np.arange(24).reshape(2, 3, 4)
    array = values.astype(name)
    tensor = to_tensor(array)
    assert tensor.data_type == wire.DataType.Value(f"DATA_TYPE_{name.upper()}")
    assert list(tensor.shape) == [2, 3, 4]
    back = to_array(tensor)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_bytes_are_little_endian_and_row_major_whatever_the_array_is() -> None:
    plain = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    expected = to_tensor(plain).data
    assert expected == plain.astype("<f4").tobytes()
    for other in (plain.astype(">f4"), np.asfortranarray(plain), np.repeat(plain, 2, axis=1)[:, ::2], plain[::-1][::-1], plain.T.copy().T):
        assert to_tensor(other).data == expected
        assert to_tensor(other).data_type == wire.DATA_TYPE_FLOAT32


def test_scalars_and_empty_ones_have_their_shapes() -> None:
    assert list(to_tensor(np.float32(2)).shape) == []
    assert to_array(to_tensor(np.float32(2))) == np.float32(2)
    assert to_array(to_tensor(np.zeros((0, 3), np.int64))).shape == (0, 3)


def test_what_comes_back_may_be_written_to() -> None:
    back = to_array(to_tensor(np.zeros(3)))
    back[0] = 1
    assert back[0] == 1


def test_python_numbers_are_what_numpy_makes_of_them() -> None:
    assert to_tensor([1.5]).data_type == wire.DATA_TYPE_FLOAT64
    assert to_tensor([1]).data_type == wire.DATA_TYPE_INT64


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([1j]), np.array([None]), np.array(["2020-01-01"], "datetime64[D]")])
def test_types_that_the_wire_has_not_are_refused(array: object) -> None:
    with pytest.raises(TypeError, match="dtype: expected one of float32, .* got "):
        to_tensor(array)  # type: ignore[arg-type]


def test_a_tensor_that_is_not_what_it_says_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data: expected 8 bytes for float32 \[2\], got 7"):
        to_array(wire.Tensor(data_type=wire.DATA_TYPE_FLOAT32, shape=[2], data=bytes(7)))
    with pytest.raises(ValueError, match="data_type: expected one of zeroth.v1's, got 0"):
        to_array(wire.Tensor(shape=[0]))
