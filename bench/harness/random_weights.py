"""Export of models with random weights."""

from dataclasses import replace

from twinlens_export.verification import verify


def accept_any_ranking() -> None:
    """Let the exporter's gate pass towers whose retrieval differs; cosines are checked as ever.

    Random weights rank nothing: all answers nearly tie.
    """
    verify.TOLERANCES = {
        precision: replace(tolerance, top1=0.0)
        for precision, tolerance in verify.TOLERANCES.items()
    }
