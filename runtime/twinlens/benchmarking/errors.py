"""Errors of benchmarks."""

from twinlens.errors import TwinlensError


class RecordFileError(TwinlensError, ValueError):
    """A file is no record of a benchmark, or is damaged."""


class NotComparableError(TwinlensError, ValueError):
    """Two records were not made alike."""


class ServiceError(TwinlensError, RuntimeError):
    """A service does not answer, or its answer is none."""


class WorkerError(TwinlensError, RuntimeError):
    """A process that was to compute has ended, or answers something else."""


class LoadGenMissingError(TwinlensError, ImportError):
    """MLCommons LoadGen is not installed."""
