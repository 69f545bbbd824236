"""How good a model is on pairs of known truth: retrieval, zero-shot classes, probabilities."""

from twinlens.datasets.pairs import Columns, Pairs
from twinlens.datasets.read_pairs import read_pairs
from twinlens.evaluation.evaluating import Evaluation, Findings, evaluate
from twinlens.metrics.reliability import Reliability, ScoredPairs, measure_reliability
from twinlens.metrics.retrieval import Retrieval
from twinlens.metrics.thresholds import Decision, Thresholds
from twinlens.metrics.zero_shot import ZeroShot

__all__ = [
    "Columns",
    "Decision",
    "Evaluation",
    "Findings",
    "Pairs",
    "Reliability",
    "Retrieval",
    "ScoredPairs",
    "Thresholds",
    "ZeroShot",
    "evaluate",
    "measure_reliability",
    "read_pairs",
]
