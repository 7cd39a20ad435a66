"""MeZO-SVRG over the wire: `python mezo_svrg.py [ADDRESS [RUN_ID]]`.

The problem is that of docs/clients.md, which has the same program in other languages; all leave the same journal and the same weights. The strategy
itself is `mezo_svrg`: it knows seeds, losses and shifts, and never sees a weight.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import zeroth
from zeroth import Dataset, Point, Run, batch_rows, seed_for
from zeroth.points import BatchLike

Gradient = list[tuple[int, float]]
"""A seed for a direction, and how steep the loss is along it."""

Floats = npt.NDArray[np.float64]

STEPS, ROWS, BATCH_SIZE = 200, 96, 16


def mezo_svrg(
    run: Run,
    dataset: Dataset,
    *,
    steps: int,
    q: int,
    eta1: float,
    eta2: float,
    epsilon: float,
    anchor_directions: int,
    seed: int,
    batch_size: int,
    batch_seed: int,
) -> Iterator[tuple[int, float]]:
    """MeZO-SVRG (arXiv 2404.08080, algorithm 1). Yields step and loss. A step one of whose losses is not finite changes nothing."""
    anchor: Gradient = []
    revision, mini_batches = run.revision, 0

    def estimate(seeds: list[int], batch: BatchLike, *snapshots: str | None) -> tuple[Floats, Floats]:
        """Slopes along each seed at the head (None) and at snapshots, in one request: two points a direction, theta + epsilon z and theta - epsilon z."""
        points = [Point([(z, side)], snapshot=at) for at in snapshots for z in seeds for side in (epsilon, -epsilon)]
        losses = run.evaluate(points, batch).losses
        plus, minus = losses.reshape(len(snapshots), len(seeds), 2).transpose(2, 0, 1)
        return (plus - minus) / (2 * epsilon), losses

    def descend(step: int, gradient: Gradient, rate: float) -> int:
        """The request id makes an update that is sent twice, because its answer was lost, one that is applied once."""
        shifts = [(z, 0 - rate * c) for z, c in gradient]
        return run.update(shifts, request_id=f"mezo-svrg/{step + 1}").revision

    for step in range(steps):
        if step % q == 0 or not anchor:
            # Every q steps: the gradient on all rows, and a snapshot of where it was taken.
            seeds = [seed_for(seed, step, direction) for direction in range(anchor_directions)]
            [slopes], losses = estimate(seeds, dataset, None)
            gradient, rate = list(zip(seeds, slopes / anchor_directions)), eta1
            if np.isfinite(losses).all():
                anchor = gradient
                run.snapshot("mezo-svrg", revision=revision)
        else:
            # Between: a mini-batch's gradient here, less the same at the snapshot, and all rows' from there.
            z = seed_for(seed, step, 0)
            rows = batch_rows(mini_batches, rows=dataset.rows, batch_size=batch_size, seed=batch_seed)
            [[here], [there]], losses = estimate([z], dataset[rows], None, "mezo-svrg")
            gradient, rate = [(z, here - there), *anchor], eta2
            mini_batches += 1
        if np.isfinite(losses).all():
            revision = descend(step, gradient, rate)
        yield step, float(losses.mean())


def data() -> dict[str, npt.NDArray[Any]]:
    """Numbers of 24 bits from -1 to 1, which float32 holds exactly; the label is the place of the largest of the first three."""
    x = np.array([[(seed_for(11, row, column) >> 40) / 2**23 - 1 for column in range(4)] for row in range(ROWS)], np.float32)
    return {"x": x, "labels": x[:, :3].argmax(axis=1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", default="127.0.0.1:50051", help="host:port of the server")
    parser.add_argument("run_id", nargs="?", default="", help="lower-case letters, digits and hyphens")
    options = parser.parse_args()
    try:
        connected = zeroth.connect(options.address)
    except ValueError as error:
        sys.exit(str(error))
    with connected as client:
        model = client.models.load("torch-mlp.onnx")
        dataset = client.datasets.create(data())
        run = client.runs.create(model, run_id=options.run_id, objective="cross_entropy")
        training = mezo_svrg(
            run,
            dataset,
            steps=STEPS,
            q=5,
            eta1=0.1,
            eta2=0.05,
            epsilon=1e-3,
            anchor_directions=4,
            seed=1,
            batch_size=BATCH_SIZE,
            batch_seed=2,
        )
        for step, loss in training:
            if step % 20 == 0:
                print(f"step {step}: loss {loss:.4f}", file=sys.stderr)
        weights = run.read_weights().values()
        [loss] = run.evaluate([[]], dataset).losses
        outcome = {"run": run.name, "revision": run.revision, "weights_sha256": zeroth.weights_sha256(weights), "loss": float(loss)}
        print(json.dumps(outcome))


if __name__ == "__main__":
    try:
        main()
    except zeroth.ZerothError as error:
        sys.exit(str(error))
