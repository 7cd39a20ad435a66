"""noise/1 and decay/1 in numpy, bit for bit: directions from seeds, weights on grids, shifts, decays."""

from .decay import decay as decay
from .direction import block_words as block_words
from .direction import direction as direction
from .grid import grid_exponent as grid_exponent
from .grid import largest_magnitude as largest_magnitude
from .grid import snap as snap
from .philox import philox as philox
from .shift import OutOfRange as OutOfRange
from .shift import move as move
from .shift import shift_steps as shift_steps
from .table import noise_table as noise_table
from .vector import SeedVector as SeedVector
