# Made by generate.py from ../aio/__init__.py: change it there.
"""The blocking client: `with zeroth.connect(...)`."""

from .client import Client as Client
from .client import connect as connect
from .run import Run as Run
from .study import Study as Study
from .training import Training as Training
