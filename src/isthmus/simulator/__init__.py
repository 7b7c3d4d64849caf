"""A strict simulator of the providers: it takes what they take, refuses what they refuse, answers as they answer, and
fails on demand. Tests and benchmarks stand on it, and `isthmus simulate` runs it for anyone.
"""

from isthmus.simulator.faults import Fault
from isthmus.simulator.models import Model
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.server import Simulator, serve

__all__ = ["Fault", "Model", "RecordedRequest", "Simulator", "serve"]
