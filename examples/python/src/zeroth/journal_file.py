"""A run's journal as a file: zeroth-journal/1 (docs/journal.md)."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from .checks import path
from .journal import ADDITIONS, NOISE, Change, DecayOf, Journal, Regrid, Rollback, Shifts
from .noise.table import KINDS
from .points import Shift

_FORMAT = "zeroth-journal/1"
_TEXTS = ("modelSha256", "baseSha256", "weightsSha256")

Object = dict[str, Any]


def read_journal(source: str | os.PathLike[str] | bytes) -> Journal:
    """Of a file's path, or of its bytes.

    Raises:
        ValueError: naming the line, what was expected and what came. What this package does not know is one, and never left out.
    """
    if isinstance(source, bytes):
        text = _decoded(source)
    else:
        with open(path("journal", source, or_bytes=True), encoding="utf-8") as file:
            text = file.read()
    lines = [line for line in text.split("\n") if line != ""]
    header = _header(_parsed(lines[0] if lines else "", 1), lines[1:])
    tensors = len(header["trainable"])
    return Journal(
        trainable=tuple(header["trainable"]),
        table=header["table"],
        base_sha256=header["baseSha256"],
        weights_sha256=header["weightsSha256"],
        changes=tuple(_change(_parsed(line, number), number, tensors) for number, line in enumerate(lines[1:], 2)),
        model_sha256=header["modelSha256"],
        additions=tuple(name for name in ADDITIONS if name in header),
    )


def _header(value: Object, lines: Sequence[str]) -> Object:
    if value.get("format") != _FORMAT:
        raise _wrong(1, _FORMAT, value.get("format"))
    if value.get("noise") != NOISE:
        raise _wrong(1, NOISE, value.get("noise"))
    for name in _TEXTS:
        if not isinstance(value.get(name), str):
            raise _wrong(1, f"a header with {name}", json.dumps(value)[:200])
    names = value.get("trainable")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(1, "a header with trainable, a list of names", names)
    if value.get("table") not in KINDS:
        raise _wrong(1, f"a table of {', '.join(KINDS)}", value.get("table"))
    if value.get("revision") != len(lines):
        raise _wrong(1, f"{value.get('revision')} changes behind it", len(lines))
    return value


def _change(value: Object, line: int, tensors: int) -> Change:
    """`tensors`: how many there are, which bounds their indices."""
    kind = value.get("kind")
    if kind == "shifts" and isinstance(value.get("shifts"), list):
        decay = _decay(value["decay"], line, tensors) if "decay" in value else None
        return Shifts(tuple(_shift(each, line) for each in value["shifts"]), decay)
    if kind == "regrid" and _is_index(value.get("tensor"), tensors) and _is_whole(value.get("exponent")):
        return Regrid(value["tensor"], value["exponent"])
    if kind == "rollback" and _is_index(value.get("toRevision"), line - 1):
        return Rollback(value["toRevision"])
    expected = f"shifts, a regrid of one of {tensors} tensors, or a rollback to an earlier revision"
    raise _wrong(line, expected, json.dumps(value)[:200])


def _shift(value: object, line: int) -> Shift:
    if isinstance(value, dict) and _is_seed(value.get("seed")) and _is_number(value.get("scale")):
        return Shift(int(value["seed"]), float(value["scale"]))
    raise _wrong(line, "shifts with a seed in decimal, as text, and a finite scale", json.dumps(value)[:200])


def _decay(value: object, line: int, tensors: int) -> DecayOf:
    if isinstance(value, dict) and _is_seed(value.get("seed")) and _is_number(value.get("factor")) and 0 < value["factor"] < 1:
        of = value.get("tensors")
        if isinstance(of, list) and all(_is_index(each, tensors) for each in of) and of == sorted(set(of)):
            return DecayOf(float(value["factor"]), int(value["seed"]), tuple(of))
    expected = f"a decay with a factor between 0 and 1, a seed in decimal, as text, and tensors below {tensors}, ascending"
    raise _wrong(line, expected, json.dumps(value)[:200])


def _is_seed(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value) is not None and int(value) < 2**64


def _is_number(value: object) -> bool:
    """Finite, as a float too. NaN is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_index(value: object, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def _parsed(text: str, line: int) -> Object:
    try:
        value = json.loads(text)
    except ValueError:
        raise _wrong(line, "JSON", text[:60]) from None
    if not isinstance(value, dict):
        raise _wrong(line, "an object", text[:60])
    return value


def _wrong(line: int, expected: str, got: object) -> ValueError:
    return ValueError(f"journal, line {line}: expected {expected}, got {got}")


def _decoded(source: bytes) -> str:
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"journal: expected text in UTF-8, got other bytes ({len(source)} of them)") from None
