"""Compare `twinlens bench` with other drivers: MLCommons LoadGen, and wrk against a service.

    python -m bench.drivers --out FILE [--bundle BUNDLE] [--wrk PROGRAM] [--seconds 2] [--rounds 5]

Both ask the same target in turn, round by round; a figure is the median over the rounds of theirs
over ours. wrk is a closed loop and counts from the sending, so it stands beside our single stream:
one connection, the next request when the last is answered, the same bodies.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.readme_tables import write_tables
from bench.harness.results_file import four_digits, one_row_a_line
from twinlens.benchmarking.inputs import Items, read_items
from twinlens.benchmarking.loadgen.drive import Server, offline, single
from twinlens.benchmarking.loadgen.loadgen import LoadGen
from twinlens.benchmarking.loadgen.loop_thread import LoopThread
from twinlens.benchmarking.machine.neighbours import Reading
from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import RatePoint, Result
from twinlens.benchmarking.run import result_of
from twinlens.benchmarking.scenarios.probe import Probe
from twinlens.benchmarking.scenarios.server import at_rate
from twinlens.benchmarking.scenarios.steady import measure
from twinlens.benchmarking.targets.http_connection import Address
from twinlens.benchmarking.targets.model_target import ModelTarget, Opening
from twinlens.benchmarking.targets.service_target import ServiceTarget

Figures = dict[str, float]
RATE: Final = 100.0
"""Texts a second of the server."""
BATCH: Final = 8
"""Images of an offline query: of many small samples a second, LoadGen's own cost would tell."""
LUA: Final = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local number = 0
request = function()
  number = number + 1
  local body = bodies[number %% #bodies + 1]
  return wrk.format("POST", "/v1/embeddings", {["content-type"] = "application/json"}, body)
end
done = function(summary, latency, requests)
  io.write(string.format('{"p50": %%f, "p90": %%f, "p99": %%f, "n": %%d, "errors": %%d}\\n',
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
    summary.requests, summary.errors.status))
end
"""


def main() -> None:
    parser = parser_of("bench.drivers", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", default="demo", help="a bundle's folder")
    parser.add_argument("--wrk", default="wrk", metavar="PROGRAM")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each figure of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--publish", action="store_true", help="write the table of bench/README.md")
    options = parser.parse_args()
    settings = Settings(scenarios=("single", "offline", "server"), batches=(BATCH,))
    items, before = read_items([], None), Reading.take()
    rows = [
        *beside_loadgen(items, settings, options),
        *beside_wrk(items, settings, options),
    ]
    document = {
        "question": "figures of other drivers over ours, of the same target in turn",
        "commit": commit(),
        "processor": processor(),
        "versions": versions(("twinlens", "onnxruntime", "mlcommons-loadgen")),
        "model": f"{Path(options.bundle).name}, int8, one thread",
        "rounds": options.rounds,
        "neighbours": Reading.take().since(before).words,
        "results": rows,
    }
    options.out.write_text(one_row_a_line(document), encoding="utf-8")
    lines = list(table(document))
    print("\n".join(lines))
    if options.publish:
        write_tables("drivers", {"agreement": lines})


def table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield theirs over ours of every figure, with the two."""
    yield "|   | driver | p50 | p90 | p99 | a second |"
    yield "|---|---|---|---|---|---|"
    for row in document["results"]:
        cells = [
            f"{found['ratio']:.3f} ({four(found['theirs'])} / {four(found['ours'])})"
            if (found := row.get(name))
            else ""
            for name in ("p50", "p90", "p99", "a_second")
        ]
        yield f"| {row['question']} | {row['driver']} | {' | '.join(cells)} |"


def four(value: float) -> str:
    """Return a figure with four digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def beside_loadgen(
    items: Items, settings: Settings, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield single stream, offline and server, by LoadGen over ours."""
    target, loadgen = (
        ModelTarget(Opening(bundle=options.bundle, threads=1), items, settings),
        LoadGen(),
    )
    probes = {probe.name: probe for probe in target.probes()}
    seconds = options.seconds

    def ours(name: str, figure: Callable[[Any], Figures]) -> Figures:
        recorder, probe = Recorder(), probes[name]
        measure([probe], {probe.scenario: seconds}, {name: recorder}, tell=_nothing)
        return figure(result_of(probe, recorder))

    for name in ("one image", "one text"):
        yield compared(
            f"single stream, {name}",
            "LoadGen",
            partial(ours, name, _quantiles),
            partial(lambda name: _quantiles(single(loadgen, probes[name], seconds)), name),
            options.rounds,
        )
    name = f"{BATCH} images"
    yield compared(
        f"offline, {name}",
        "LoadGen",
        partial(ours, name, _rate),
        lambda: _rate(offline(loadgen, probes[name], seconds)),
        options.rounds,
    )
    with LoopThread() as loop:
        context = target.asker()
        asker = loop.run(context.__aenter__())
        theirs = Server(loadgen, loop, asker, "text", settings)
        ask = partial(asker.ask, "text")
        yield compared(
            f"server, {RATE:g} texts/s",
            "LoadGen",
            lambda: _quantiles(loop.run(at_rate(ask, RATE, settings, seconds=seconds)).point),
            lambda: _quantiles(theirs.at_rate(RATE, seconds)),
            options.rounds,
        )
        loop.run(context.__aexit__(None, None, None))
    target.close()


def beside_wrk(
    items: Items, settings: Settings, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield single queries of a running service, by wrk over ours."""
    with service(options.bundle) as url, tempfile.TemporaryDirectory() as folder:
        target = ServiceTarget(Address.read(url), items, settings)
        for query, name in (("text", "one text"), ("image", "one image")):
            bodies = [request.partition(b"\r\n\r\n")[2] for request in target.requests[query]]
            place = Path(folder) / f"{query}.jsonl"
            place.write_bytes(b"\n".join(bodies) + b"\n")
            script = Path(folder) / f"{query}.lua"
            script.write_text(LUA % place, encoding="utf-8")
            probe = next(one for one in target.probes() if one.name == name)

            def ours(probe: Probe = probe) -> Figures:
                recorder = Recorder()
                measure([probe], {"single": options.seconds}, {probe.name: recorder}, tell=_nothing)
                return _quantiles(result_of(probe, recorder))

            command = [options.wrk, "-t1", "-c1", f"-d{options.seconds:g}s", "-s", str(script), url]
            theirs = partial(_wrk, command)
            yield compared(f"service, {name}, one connection", "wrk", ours, theirs, options.rounds)
        target.close()


def compared(
    question: str,
    driver: str,
    ours: Callable[[], Figures],
    theirs: Callable[[], Figures],
    rounds: int,
) -> dict[str, Any]:
    """Return the median of theirs over ours of each figure, over rounds in turn."""
    found: list[tuple[Figures, Figures]] = []
    for turn in range(rounds):
        if turn % 2:
            other = theirs()
            found.append((ours(), other))
        else:
            mine = ours()
            found.append((mine, theirs()))
    names = [name for name in found[0][0] if name in found[0][1]]
    row: dict[str, Any] = {"question": question, "driver": driver}
    for name in names:
        row[name] = {
            "ours": four_digits(statistics.median(mine[name] for mine, _ in found)),
            "theirs": four_digits(statistics.median(other[name] for _, other in found)),
            "ratio": four_digits(
                statistics.median(other[name] / mine[name] for mine, other in found)
            ),
        }
    return row


@contextmanager
def service(bundle: str) -> Iterator[str]:
    """Start `twinlens serve` in a process of its own; return its URL."""
    command = [sys.executable, "-m", "twinlens", "serve", bundle, "--port", "0", "--threads", "1"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        for line in process.stderr:
            told = json.loads(line)
            if told.get("event") == "ready":
                break
        # Its log must not fill the pipe, or it waits.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield str(told["at"][0])
    finally:
        process.terminate()
        process.wait()


def _wrk(command: list[str]) -> Figures:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["errors"]:
        raise RuntimeError(f"{found['errors']} answers of the service are errors")
    return {name: found[name] for name in ("p50", "p90", "p99")}


def _quantiles(result: Result | RatePoint) -> Figures:
    quantiles = result.quantiles
    return {"p50": quantiles.p50, "p90": quantiles.p90, "p99": quantiles.p99}


def _rate(result: Result) -> Figures:
    return {"a_second": result.items_per_s}


def _nothing(_: float) -> None:
    """Tell nobody."""


if __name__ == "__main__":
    main()
