"""What pycma needs for the targets of bench/bbob.ts: python3 pycma.py > pycma.json

Needs cma 4.5.0, coco-experiment 2.8.2 and numpy. Every run is on an instance of its own, 1 to 15, from a start that is uniform in
[-4, 4]^d, with sigma 2, pycma's defaults and IPOP restarts from the same start, as bench/bbob.ts has them. Counted are the evaluations
up to the first within 1e-8 of the optimal value, or all of a run that did not get there.
"""

import json
import platform
import warnings

import numpy as np

warnings.filterwarnings("ignore")
import cma
import cocoex
from cma import bbobbenchmarks

FUNCTIONS = {"sphere": 1, "ellipsoid": 10, "rosenbrock": 8, "rastrigin": 15}
DIMENSIONS, INSTANCES, TARGET, EVALUATIONS_A_DIMENSION = (2, 5, 10, 20), range(1, 16), 1e-8, 50_000


class Done(Exception):
    pass


def run(suite, number, n, instance):
    problem = suite.get_problem_by_function_dimension_instance(number, n, instance)
    optimal = bbobbenchmarks.instantiate(number, instance)[1]
    count, budget = 0, EVALUATIONS_A_DIMENSION * n

    def objective(x):
        nonlocal count
        count += 1
        value = problem(x)
        if value - optimal <= TARGET:
            raise Done
        if count == budget:
            raise TimeoutError
        return value

    start = np.random.RandomState(1000 * n + instance).uniform(-4, 4, n)
    try:
        while True:
            cma.fmin2(objective, start, 2, {"verbose": -9, "seed": instance}, restarts=9, incpopsize=2)
    except Done:
        return {"evaluations": count, "reached": True}
    except TimeoutError:
        return {"evaluations": count, "reached": False}


suite = cocoex.Suite("bbob", "instances:1-15", "dimensions:2,5,10,20")
runs = {
    f"{name}.{n}": [run(suite, number, n, instance) for instance in INSTANCES]
    for name, number in FUNCTIONS.items()
    for n in DIMENSIONS
}
versions = {"cma": cma.__version__, "numpy": np.__version__, "python": platform.python_version()}
print(json.dumps({"versions": versions, "runs": runs}))
