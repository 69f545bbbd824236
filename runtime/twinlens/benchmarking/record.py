"""Record of a run of `twinlens bench`: its settings, the machine, and every raw time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from twinlens import dataclass_json
from twinlens.benchmarking.errors import RecordFileError
from twinlens.benchmarking.machine.gpu import Gpu
from twinlens.benchmarking.machine.neighbours import Neighbours
from twinlens.benchmarking.machine.processor import Machine
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.series import Series
from twinlens.benchmarking.options import Driver, Scenario, Settings
from twinlens.errors import quoted

FORMAT: Final = 1
Query = Literal["image", "text", "long text", "pixels", "tokens", "search", "pace", "copy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target asked: a bundle in this process, or a service."""

    kind: Literal["bundle", "service"]
    name: str
    source: str | None = None
    """Checkpoint of the bundle."""
    sha256: str | None = None
    """Of the bundle's manifest, which has the hashes of all its files."""
    precision: str | None = None
    device: str | None = None
    threads: int | None = None
    pixels: str | None = None
    operators: str | None = None
    """Instruction set of the native operators, or "onnxruntime"."""
    width: int | None = None
    load_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Images and texts that were asked with."""

    images: int
    texts: int
    image_bytes: int
    """In the mean."""
    tokens: float | None = None
    """Of a text, in the mean."""
    long_tokens: float | None = None
    sha256: str
    """Of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Cosines of the rows with a reference."""

    reference: str
    worst: float
    mean: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePoint:
    """Outcome at one rate of arrivals."""

    offered: float
    """Queries a second."""
    answered: float
    """Queries a second that were answered, from the first arrival to the last answer."""
    quantiles: Quantiles | None = None
    """Latencies in ms, from the scheduled arrival."""
    over: int
    """Queries over the bound, or not answered."""
    lag_p99_ms: float
    """Lateness of the generator itself, on cores that are all at work: latencies count it."""
    holds: bool
    cut: bool = False
    """True if it was ended early, as it could not hold any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Figures of one query in one scenario."""

    scenario: Scenario
    name: str
    """Distinct within a record: comparisons find it by this."""
    query: Query
    items: int = 1
    """Items of one query."""
    quantiles: Quantiles | None = None
    """Latencies in ms."""
    items_per_s: float | None = None
    cpu_ms_per_item: float | None = None
    worst_cosine: float | None = None
    """With the reference of `Accuracy`; of a search, the share of hits that are the true ones."""
    valid: bool = True
    reason: str | None = None
    """Of a result that is not VALID, or that was left out."""
    estimate_ms: float | None = None
    """Upper estimate of a single stream's p90 by early stopping."""
    series: Series | None = None
    rates: tuple[RatePoint, ...] = ()
    notes: Mapping[str, float] | None = None
    """Further figures by their names and units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of this process, in MB of 10**6 bytes."""

    loaded: float | None = None
    """Resident once the model was open."""
    after: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run."""

    format: int = FORMAT
    partial: bool
    """True if it was interrupted: it has the results so far."""
    started: str
    """UTC, ISO 8601."""
    took_s: float
    settings: Settings
    driver: Driver
    target: Target
    machine: Machine
    versions: Mapping[str, str]
    inputs: Inputs
    accuracy: Mapping[str, Accuracy]
    neighbours: Neighbours
    memory: Memory | None = None
    gpu_before: Gpu | None = None
    gpu_after: Gpu | None = None
    results: tuple[Result, ...]

    def found(self, name: str) -> Result | None:
        """Return the result of a name, if there is one."""
        return next((result for result in self.results if result.name == name), None)


def document(record: Record) -> dict[str, Any]:
    """Convert a record to a JSON object."""
    return dataclass_json.write(record)


def json_text(record: Record) -> str:
    """Return a record as JSON, one result a line."""
    fields = document(record)
    results = ",\n  ".join(json.dumps(row, allow_nan=False) for row in fields.pop("results"))
    head = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
    return f'{head[: head.rindex("}")].rstrip()},\n "results": [\n  {results}\n ]\n}}\n'


def read_record(path: Path) -> Record:
    """Read a record from a file of `twinlens bench --out`.

    Raises:
        OSError: it cannot be read.
        RecordFileError: it holds something else, or is damaged.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecordFileError(
            f"{path} is no JSON ({quoted(error)}), wanted a file of twinlens bench --out"
        ) from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        got = quoted(fields.get("format")) if isinstance(fields, dict) else "none"
        raise RecordFileError(
            f"{path} has the format {got}, wanted {FORMAT}, of a file of twinlens bench --out"
        )
    try:
        return dataclass_json.read(Record, fields)
    except (dataclass_json.RecordError, ValueError) as error:
        raise RecordFileError(
            f"{path} is damaged: {error}; measure it again with twinlens bench --out"
        ) from error
