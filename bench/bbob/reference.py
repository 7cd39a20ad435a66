"""Values of the 24 functions by COCO's own code: python3 reference.py > ../../test/fixtures/bbob-values.json

Needs coco-experiment 2.8.2 and numpy. Instances 1 to 3 in dimensions 2, 5, 10 and 20, each at two points within
[-5, 5]^d and one that may lie outside; points have four decimals, so that the file stays small.
"""

import json

import cocoex
import numpy as np

DIMENSIONS, INSTANCES, FUNCTIONS = (2, 5, 10, 20), (1, 2, 3), range(1, 25)

draws = np.random.RandomState(1)
points = {n: [np.round(draws.uniform(-r, r, n), 4).tolist() for r in (4, 5, 6)] for n in DIMENSIONS}
suite = cocoex.Suite("bbob", "instances:1-3", "dimensions:2,5,10,20")


def values(function, n, instance):
    problem = suite.get_problem_by_function_dimension_instance(function, n, instance)
    return {
        "function": function,
        "dimension": n,
        "instance": instance,
        "values": [problem(np.array(point)) for point in points[n]],
    }


table = [values(f, n, i) for f in FUNCTIONS for n in DIMENSIONS for i in INSTANCES]
print(json.dumps({"points": points, "values": table}))
