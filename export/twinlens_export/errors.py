"""The errors that an export raises on purpose.

TwinlensError
└── ExportError          (RuntimeError)   no bundle was written
    ├── CheckpointError                   the checkpoint cannot be read, or is of no known family
    └── AgreementError                    a tower is not close enough to the reference model
"""

from twinlens.errors import TwinlensError


class ExportError(TwinlensError, RuntimeError):
    """No bundle was written."""


class CheckpointError(ExportError):
    """The checkpoint cannot be read, or is of no known family."""


class AgreementError(ExportError):
    """A tower is not close enough to the reference model."""
