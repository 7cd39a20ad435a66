"""noise/1 and decay/1: every vector of test/fixtures, bit for bit."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import FIXTURES

from zeroth import noise
from zeroth.noise.grid import Floats
from zeroth.noise.table import check_table

VECTORS = json.loads((FIXTURES / "noise-vectors.json").read_text())
DECAYS = json.loads((FIXTURES / "decay-vectors.json").read_text())

Case = dict[str, Any]


def sha256(values: npt.NDArray[Any]) -> str:
    return hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()


def bits(values: Floats) -> list[str]:
    return [f"{word:08x}" for word in values.view(np.uint32)]


@pytest.mark.parametrize("case", VECTORS["philox4x32_10"])
def test_philox_gives_the_words_of_random123(case: Case) -> None:
    counter, key = ([int(word, 16) for word in case[name]] for name in ("counter", "key"))
    words = noise.philox((counter[0], counter[1], counter[2], counter[3]), (key[0], key[1]))
    assert [f"{word:08x}" for word in words] == case["words"]


@pytest.mark.parametrize("kind", VECTORS["tables"])
def test_tables_are_those_of_noise_1(kind: str) -> None:
    expected, table = VECTORS["tables"][kind], noise.noise_table(kind)
    assert table.shape == (expected["rows"], expected["columns"])
    assert bits(table[0])[:8] == expected["first_row_head"]
    assert bits(table[-1])[-4:] == expected["last_row_tail"]
    assert sha256(table) == expected["sha256"]


def test_a_table_that_differs_in_one_bit_is_refused() -> None:
    table = noise.noise_table("gaussian").copy()
    table[5, 5] = np.nextafter(table[5, 5], np.float32(9))
    with pytest.raises(ArithmeticError, match="noise table gaussian: expected SHA-256 e50b4f"):
        check_table("gaussian", table)


def test_a_table_is_built_once_and_nobody_writes_to_it() -> None:
    assert noise.noise_table("gaussian") is noise.noise_table("gaussian")
    with pytest.raises(ValueError, match="read-only"):
        noise.noise_table("gaussian")[0, 0] = 1
    with pytest.raises(ValueError, match="table: expected one of gaussian, rademacher, got 'uniform'"):
        noise.noise_table("uniform")


@pytest.mark.parametrize("case", VECTORS["block_words"])
def test_block_words(case: Case) -> None:
    count = len(case["words"])
    seeds = [3, int(case["seed"])]
    assert [f"{word:08x}" for word in noise.block_words(seeds, case["tensor"], 0, count)[1]] == case["words"]
    # From any block on the same ones.
    for first in range(count):
        some = noise.block_words(seeds, case["tensor"], first, count - first)[1]
        assert [f"{word:08x}" for word in some] == case["words"][first:]


@pytest.mark.parametrize("case", VECTORS["directions"])
def test_directions(case: Case) -> None:
    z = noise.direction(noise.noise_table(case["table"]), int(case["seed"]), case["tensor"], case["length"])
    assert bits(z)[: len(case["head"])] == case["head"]
    assert bits(z)[-len(case["tail"]) :] == case["tail"]
    assert sha256(z) == case["sha256"]


@pytest.mark.parametrize("case", VECTORS["grid_exponents"])
def test_grids(case: Case) -> None:
    assert noise.grid_exponent(case["max_abs"]) == case["exponent"]


@pytest.mark.parametrize("magnitude", [float("nan"), float("inf")])
def test_there_is_no_grid_for_what_is_not_finite(magnitude: float) -> None:
    with pytest.raises(ValueError, match="grid: expected a finite magnitude"):
        noise.grid_exponent(magnitude)


@pytest.mark.parametrize("case", VECTORS["steps"])
def test_steps_of_shifts(case: Case) -> None:
    place = case["tensor"], case["exponent"], case["length"]
    k = noise.shift_steps(noise.noise_table(case["table"]), int(case["seed"]), case["scale"], *place)
    assert k[: len(case["head"])].tolist() == case["head"]
    assert sha256(k) == case["sha256"]


def scenario() -> tuple[Case, Floats]:
    case = VECTORS["scenario"]
    i = np.arange(case["length"], dtype=np.uint64)
    w = ((i * np.uint64(2654435761) % np.uint64(2**32)).astype(np.float64) / 2**32 - 0.5) * 0.125
    return case, w.astype(np.float32)


def moved(values: Floats, case: Case, shifts: list[tuple[int, float]], exponent: int) -> Floats:
    after = values.copy()
    noise.move(after, noise.noise_table(case["table"]), shifts, case["tensor"], exponent)
    return after


def test_the_scenario_in_any_order_and_back_and_across_a_regrid() -> None:
    case, given = scenario()
    assert sha256(given) == case["sha256_input"]
    weights = noise.snap(given, case["exponent"])
    assert sha256(weights) == case["sha256_snapped"]
    shifts = [(int(shift["seed"]), shift["scale"]) for shift in case["shifts"]]
    after = moved(weights, case, shifts, case["exponent"])
    assert sha256(after) == case["sha256_after"]
    assert bits(after)[: len(case["after_head"])] == case["after_head"]
    one_by_one = weights
    for shift in reversed(shifts):
        one_by_one = moved(one_by_one, case, [shift], case["exponent"])
    assert sha256(one_by_one) == case["sha256_after"]
    back = moved(after, case, [(seed, -scale) for seed, scale in shifts], case["exponent"])
    assert sha256(back) == case["sha256_snapped"]
    regridded = noise.snap(after, case["regrid"]["exponent"])
    assert sha256(regridded) == case["regrid"]["sha256_after"]
    again = moved(regridded, case, shifts, case["regrid"]["exponent"])
    assert sha256(again) == case["regrid"]["sha256_after_shifts_again"]


def test_shifts_that_cancel_are_exact_even_where_one_alone_leaves_the_range() -> None:
    case, given = scenario()
    weights = noise.snap(given, case["exponent"])
    far = [(1, 3.0), (2, 2.5), (1, 3.0), (1, -3.0), (3, 1e-3), (1, -3.0), (2, -2.5)]
    assert sha256(moved(weights, case, far, case["exponent"])) == sha256(moved(weights, case, [(3, 1e-3)], case["exponent"]))
    # Two that together are near again: the second begins beyond 2^24 steps, where float32 has no odd numbers.
    seen = noise.shift_steps(noise.noise_table(case["table"]), 5, 3.0, case["tensor"], case["exponent"], given.size).astype(np.float64)
    back = noise.shift_steps(noise.noise_table(case["table"]), 5, -2.999, case["tensor"], case["exponent"], given.size).astype(np.float64)
    expected = (weights.astype(np.float64) / 2.0 ** case["exponent"] + seen + back) * 2.0 ** case["exponent"]
    assert sha256(moved(weights, case, [(5, 3.0), (5, -2.999)], case["exponent"])) == sha256(expected)


@pytest.mark.parametrize("scale", [6.0, 1e300])
def test_weights_that_leave_the_range_are_an_error(scale: float) -> None:
    case, given = scenario()
    with pytest.raises(noise.OutOfRange, match="tensor 4: a weight leaves the range of its grid"):
        moved(noise.snap(given, case["exponent"]), case, [(1, scale)], case["exponent"])


def test_a_tensor_of_many_pieces_moves_as_one() -> None:
    length = 64 * 4096 * 2 + 777
    table = noise.noise_table("rademacher")
    weights = noise.snap(noise.direction(table, 9, 1, length) / np.float32(8), -22)
    shifts = [(1, 1e-3), (2**64 - 1, -2e-3)]
    steps = [noise.shift_steps(table, seed, scale, 2, -22, length) for seed, scale in shifts]
    noise.move(weights, table, shifts, 2, -22)
    expected = noise.direction(table, 9, 1, length) / np.float32(8) + (steps[0] + steps[1]) * np.float32(2.0**-22)
    assert sha256(weights) == sha256(expected)


def spread(case: Case) -> npt.NDArray[np.float64]:
    """-largest .. largest, in no order."""
    i = np.arange(case["length"], dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    return (i % np.uint64(2 * case["largest"] + 1)).astype(np.float64) - int(case["largest"])


@pytest.mark.parametrize("case", DECAYS["cases"], ids=lambda case: f"times {case['factor']} with seed {case['seed']}")
def test_decays(case: Case) -> None:
    q = 2.0 ** case["exponent"]
    weights = (np.concatenate([DECAYS["edges"], spread(case)]) * q).astype(np.float32)
    assert sha256(weights) == case["sha256_before"]
    noise.decay(weights, case["factor"], int(case["seed"]), case["tensor"], case["exponent"])
    assert (weights[: len(case["after_head"])] / q).tolist() == case["after_head"]
    assert sha256(weights) == case["sha256_after"]
    assert not np.signbit(weights[weights == 0]).any()


def test_decays_one_after_the_other() -> None:
    case = DECAYS["scenario"]
    weights = (spread(case) * 2.0 ** case["exponent"]).astype(np.float32)
    for each in case["decays"]:
        noise.decay(weights, each["factor"], int(each["seed"]), case["tensor"], case["exponent"])
    assert sha256(weights) == case["sha256_after"]
