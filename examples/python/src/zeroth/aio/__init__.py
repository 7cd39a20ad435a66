"""The asynchronous client: `async with zeroth.aio.connect(...)`."""

from .client import Client as Client
from .client import connect as connect
from .run import Run as Run
from .study import Study as Study
from .training import Training as Training
