"""The two noise tables: 16,384 rows of 64 float32, the same on every machine (noise/1, "Tables")."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .philox import Words, philox

ROWS = 16384
COLUMNS = 64

Table = npt.NDArray[np.float32]

_KEY = (0x5A45524F, 0x54480001)

_SHA256 = {
    "gaussian": "e50b4fed3fc1cf95b51a285f40ae6b926045498dea73f540fd74ec42a4252b3a",
    "rademacher": "fbe8dc851cad8433da3f694496ea28ed53992875952220c405a2c543a13451e7",
}

KINDS = tuple(_SHA256)


@lru_cache(maxsize=None)
def noise_table(kind: str) -> Table:
    """The table "gaussian" or "rademacher", float32 [16384, 64]; built once and shared, so it cannot be written to.

    Raises:
        ValueError: of another kind.
        ArithmeticError: where this machine's arithmetic does not give the table of noise/1: nothing that is computed from another table
            could be replayed anywhere else.
    """
    if kind not in _SHA256:
        raise ValueError(f"table: expected one of {', '.join(KINDS)}, got {kind!r}")
    table = _gaussian() if kind == "gaussian" else _rademacher()
    check_table(kind, table)
    table.flags.writeable = False
    return table


def check_table(kind: str, table: Table) -> None:
    sha256 = hashlib.sha256(table.astype("<f4").tobytes()).hexdigest()
    if sha256 != _SHA256[kind]:
        raise ArithmeticError(f"noise table {kind}: expected SHA-256 {_SHA256[kind]}, got {sha256}")


def _words() -> Words:
    return philox((np.arange(ROWS * COLUMNS // 4), 0, 0, 0), _KEY).reshape(ROWS, COLUMNS)


def _rademacher() -> Table:
    """-1 where the top bit is set."""
    return np.where(_words() >> np.uint32(31), np.float32(-1), np.float32(1))


def _gaussian() -> Table:
    """Box-Muller in float64, whitened (every row x becomes the y with L y = x), then rounded to float32."""
    words = _words().astype(np.float64)
    r = np.sqrt(-2 * np.log((words[:, 0::2] + 1) / 2**32))
    t = 2 * np.pi * words[:, 1::2] / 2**32
    x = np.empty((ROWS, COLUMNS))
    x[:, 0::2] = r * np.cos(t)
    x[:, 1::2] = r * np.sin(t)
    factor = np.linalg.cholesky(x.T @ x / ROWS)
    # Row-major: rows are what is looked up, and of another order numpy would copy the table each time.
    return np.linalg.solve(factor, x.T).T.astype(np.float32, order="C")
