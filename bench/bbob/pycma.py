"""What pycma needs for the targets of bench/bbob.ts: python3 pycma.py [NAME ...], into pycma.json beside it

Needs cma 4.5.0, coco-experiment 2.8.2 and numpy. Every run is on an instance of its own, from a start that is uniform in [-4, 4]^d,
with sigma 2, pycma's defaults and IPOP restarts from the same start, as bench/bbob/runs.ts has them. Counted are the evaluations up to
the first within 1e-8 of the optimal value, or all of a run that did not get there. Names are those of functions: what is in the file
already is not run again.
"""

import json
import pathlib
import platform
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
import cma
import cocoex
from cma import bbobbenchmarks

FUNCTIONS = {"sphere": 1, "ellipsoid": 10, "rosenbrock": 8, "rastrigin": 15}
DIMENSIONS, TARGET, EVALUATIONS_A_DIMENSION = (2, 5, 10, 20), 1e-8, 50_000
PATH = pathlib.Path(__file__).with_name("pycma.json")


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


def instances(name, n):
    return 60 if name == "rastrigin" and n <= 5 else 15


def written():
    return json.loads(PATH.read_text())["runs"] if PATH.exists() else {}


suite = cocoex.Suite("bbob", "instances:1-60", "dimensions:2,5,10,20")
versions = {"cma": cma.__version__, "numpy": np.__version__, "python": platform.python_version()}
for name in sys.argv[1:] or FUNCTIONS:
    for n in DIMENSIONS:
        if (key := f"{name}.{n}") in written():
            continue
        runs = [run(suite, FUNCTIONS[name], n, i + 1) for i in range(instances(name, n))]
        PATH.write_text(json.dumps({"versions": versions, "runs": {**written(), key: runs}}, indent=2) + "\n")
        print(key, [each["evaluations"] for each in runs], file=sys.stderr)
