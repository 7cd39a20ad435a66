"""A client of Zeroth: gradient-free optimization of models that a server owns, keyed by seeds, with numpy in and out.

    with zeroth.connect("127.0.0.1:50051") as client:
        model = client.models.load("classifier.onnx")
        dataset = client.datasets.create({"x": pixels, "labels": digits})
        run = client.runs.create(model, objective="cross_entropy")
        plus, minus = run.evaluate([[(7, 1e-3)], [(7, -1e-3)]], dataset).losses
        run.update([(7, -0.1 * (plus - minus) / 2e-3)])

`zeroth.aio.connect` is the same with `await`. `zeroth.noise` is what seeds mean, `zeroth.apply_journal` has tuned weights of base weights and a
run's journal, `zeroth.wire` all messages of the contract.
"""

from . import aio as aio
from . import noise as noise
from . import wire as wire
from .apply import DigestMismatch as DigestMismatch
from .apply import apply_journal as apply_journal
from .apply import weights_sha256 as weights_sha256
from .asking import Infeasible as Infeasible
from .batches import batch_rows as batch_rows
from .datasets import Dataset as Dataset
from .errors import FieldViolation as FieldViolation
from .errors import ZerothError as ZerothError
from .journal import Journal as Journal
from .journal_file import read_journal as read_journal
from .noise.vector import SeedVector as SeedVector
from .points import Decay as Decay
from .points import Point as Point
from .points import Shift as Shift
from .results import Evaluation as Evaluation
from .results import Stepped as Stepped
from .results import Updated as Updated
from .retry import RetryPolicy as RetryPolicy
from .seeds import seed_for as seed_for
from .spaces import Estimate as Estimate
from .spaces import Trial as Trial
from .spaces import floats as floats
from .spaces import integers as integers
from .strategies import strategy as strategy
from .sync import Client as Client
from .sync import Run as Run
from .sync import Study as Study
from .sync import Training as Training
from .sync import connect as connect
from .tensors import to_array as to_array
from .tensors import to_tensor as to_tensor
