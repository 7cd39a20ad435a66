"""What a program hands in, checked before it is sent: errors name the field, what was expected and what came."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import FieldDescriptor

Fields = ParamSpec("Fields")
Built = TypeVar("Built")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

_NUMBERS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def shown(value: object) -> str:
    """What came, on a line."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {list(value.shape)}"
    text = " ".join(_SHORT.repr(value).split())
    kind = type(value)
    # Messages show their fields only.
    return text if kind.__module__ == "builtins" or text.startswith(("<", kind.__name__)) else f"{kind.__name__} {text}".rstrip()


def whole(field: str, value: object, end: int | None = None) -> int:
    """From 0 to `end` - 1, where there is one: a power of two. Raises TypeError or ValueError."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{field}: expected a whole number, got {shown(value)}") from None
    if end is not None and not 0 <= number < end:
        raise ValueError(f"{field}: expected 0 to 2^{end.bit_length() - 1} - 1, got {number}")
    return number


def number(field: str, value: Any) -> float:
    """Raises TypeError, also for a number as text."""
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{field}: expected a number, got {shown(value)}")


def text(field: str, value: object) -> str:
    """Raises TypeError."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{field}: expected a text, got {shown(value)}")


def function(field: str, value: object) -> None:
    """Raises TypeError."""
    if not callable(value):
        raise TypeError(f"{field}: expected a function, got {shown(value)}")


def path(field: str, value: Any, *, or_bytes: bool = False) -> Any:
    """Of a file. Raises TypeError, also for the number of an open one."""
    if isinstance(value, (str, os.PathLike)) or (or_bytes and isinstance(value, bytes)):
        return value
    raise TypeError(f"{field}: expected the path of a file{' or its bytes' if or_bytes else ''}, got {shown(value)}")


def listed(field: str, expected: str, values: Any) -> list[Any]:
    """What an iterable has; a text or a dict is one too, and never meant. Raises TypeError."""
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping)):
        return list(values)
    raise TypeError(f"{field}: expected {expected}, got {shown(values)}")


def named(field: str, expected: str, values: Any) -> dict[str, Any]:
    """A dict by names. Raises TypeError."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{field}: expected {expected}, got {shown(values)}")
    return {text(f"{field}: its names", name): value for name, value in values.items()}


def array(field: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Raises ValueError where rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{field}: expected an array, got {shown(value)}") from None


def choice(field: str, value: object, of: Any) -> Any:
    """The value of an enum by its last word: "gaussian" of NOISE_TABLE_GAUSSIAN. Raises ValueError."""
    prefix = of.keys()[0].removesuffix("UNSPECIFIED")
    numbers = {name.removeprefix(prefix).lower(): each for name, each in of.items()[1:]}
    if not isinstance(value, str) or value.lower() not in numbers:
        raise ValueError(f"{field}: expected one of {', '.join(numbers)}, got {shown(value)}")
    return numbers[value.lower()]


def message(kind: Callable[Fields, Built], *positional: Fields.args, **fields: Fields.kwargs) -> Built:
    """`kind(**fields)`; what does not fit is an error that names its field, which protobuf's own does not. Raises TypeError or ValueError."""
    described: Mapping[str, FieldDescriptor] = kind.DESCRIPTOR.fields_by_name  # type: ignore[attr-defined]
    for name, value in fields.items():
        # Taken letter by letter otherwise.
        if described[name].is_repeated and isinstance(value, str):
            raise TypeError(f"{name}: expected {_expected(described[name])}, got {shown(value)}")
    try:
        return kind(*positional, **fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            _check(kind, described[name], value)
        raise


def _check(kind: Callable[..., object], field: FieldDescriptor, value: object) -> None:
    try:
        kind(**{field.name: value})
    except (TypeError, ValueError) as error:
        raise type(error)(f"{field.name}: expected {_expected(field)}, got {shown(value)}") from None


def _expected(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        one = f"one of {', '.join(value.name for value in field.enum_type.values)}"
    elif field.message_type is not None:
        one = f"zeroth.wire.{field.message_type.name} or a dict of its fields ({', '.join(field.message_type.fields_by_name)})"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        one = "a text"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        one = "True or False"
    else:
        one = "a number" if field.cpp_type in _NUMBERS else f"a whole number ({_integer(field)})"
    return f"a list, each {one}" if field.is_repeated else one


def _integer(field: FieldDescriptor) -> str:
    is_unsigned = field.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    is_long = field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
    bits = 64 if is_long else 32
    return f"0 to 2^{bits} - 1" if is_unsigned else f"{bits} bits with a sign"
