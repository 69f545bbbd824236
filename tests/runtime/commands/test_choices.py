"""Every option of every command reaches the act, or is refused: none is dropped unseen."""

import argparse
import csv
import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from half_demo import half_demo

import twinlens
from twinlens.__main__ import main
from twinlens.bundle.bundle import open_bundle
from twinlens.commands.parsing.parser import parser
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import BundleError
from twinlens.index.index import Index
from twinlens.loading import folder_of, load
from twinlens.model.model import Model
from twinlens.ort.device import Device

DRAWINGS: Final = bundled_drawings()[:3]
IMAGE: Final = str(DRAWINGS[0].path)


class Reached(Exception):  # noqa: N818
    """Raised in place of the act, with what it was given."""


def spied(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> None:
    def reach(*given: object, **named: object) -> None:
        raise Reached(given, named)

    monkeypatch.setattr(place, name, reach)


def given_to(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, line: Sequence[str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Run the command line; return what the act is called with."""
    spied(monkeypatch, place, name)
    monkeypatch.setenv("TWINLENS_TRACEBACK", "1")
    with pytest.raises(Reached) as reached:
        main(line)
    given, named = reached.value.args
    return given, named


@pytest.fixture
def files(tmp_path: Path, uncalibrated: Path) -> Path:
    """A folder of a table of pairs, an index, a file of texts and a bundle without calibration."""
    with (tmp_path / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "text", "photo", "caption", "match", "class"])
        for one, other in zip(DRAWINGS, DRAWINGS[1:] + DRAWINGS[:1], strict=True):
            rows.writerow([one.path, one.caption, other.path, other.caption, 1, one.kind or "x"])
    (tmp_path / "texts.txt").write_text("a dog\n", encoding="utf-8")
    (tmp_path / "both").symlink_to(half_demo())
    Index.build(np.eye(192, dtype=np.float32)).save(tmp_path / "a.index")
    return tmp_path


LINES: Final = {
    "demo": ["demo", "--out", "sheet.png"],
    "embed": ["embed", "demo", IMAGE, "--out", "rows.npz"],
    "index": ["index", "demo", IMAGE, "--out", "b.index"],
    "search": ["search", "demo", "a.index", "a dog"],
    "classify": ["classify", "demo", IMAGE, "--labels", "dog", "cat"],
    "match": ["match", "demo", "pairs.csv"],
    "calibrate": ["calibrate", "bundle", "pairs.csv"],
    "evaluate": ["evaluate", "both", "pairs.csv"],
    "serve": ["serve", "demo", "--port", "0"],
    "browse": ["browse", ".", "both", "--index", "cache"],
    "bench": ["bench", "demo"],
    "info": ["info", "demo"],
    "doctor": ["doctor"],
}
"""A whole line of each command, to which one option is added."""

Check = Callable[[str, pytest.MonkeyPatch], None]
CHECKS: dict[tuple[str, str], Check] = {}
"""By command and option, the proof that the option reaches the act."""


def check(option: str, *commands: str) -> Callable[[Check], Check]:
    def keep(function: Check) -> Check:
        CHECKS.update({(command, option): function for command in commands})
        return function

    return keep


def loaded(command: str, monkeypatch: pytest.MonkeyPatch, *option: str) -> dict[str, Any]:
    """Return what `load` gets."""
    room = "evaluate" if command == "evaluate" else "reading.inputs"
    place = importlib.import_module(f"twinlens.commands.{room}")
    return given_to(monkeypatch, place, "load", [*LINES[command], *option])[1]


RUNNING: Final = ("demo", "embed", "index", "search", "classify", "match", "evaluate", "browse")


@check("--device", *RUNNING)
def the_model_is_loaded_on_the_device(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for device in ("cpu", "cuda", "cuda:7"):
        assert loaded(command, monkeypatch, "--device", device)["device"] == device


@check("--precision", *RUNNING)
def the_model_is_loaded_in_the_precision(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("fp32", "fp16", "int8"):
        assert loaded(command, monkeypatch, "--precision", precision)["precision"] == precision


@check("--threads", *RUNNING)
def the_model_has_the_threads(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(command, monkeypatch, "--threads", "3")["threads"] == 3


@check("--pixels", *(name for name in RUNNING if name != "search"))
def the_model_is_loaded_for_the_pixels(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(command, monkeypatch)["pixels"] == "exact"
    assert loaded(command, monkeypatch, "--pixels", "fast")["pixels"] == "fast"


@check("--pixels", "search")
def pixels_are_of_queries_that_are_pictures(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("search", monkeypatch, "--image", "--pixels", "fast")["pixels"] == "fast"


@check("--level", "match", "evaluate", "browse")
def the_model_is_loaded_with_the_level(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(command, monkeypatch)["level"] is None
    assert loaded(command, monkeypatch, "--level", "assumed")["level"] == "assumed"


@check("--images2", "match", "calibrate")
@check("--texts2", "match", "calibrate")
def pairs_of_one_modality_have_two_columns(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.reading.pairs")
    line = LINES[command]
    for option, reader, first in (
        ("--images2", "read_image_pairs", "images"),
        ("--texts2", "read_text_pairs", "texts"),
    ):
        named = given_to(monkeypatch, place, reader, [*line, option, "photo"])[1]
        assert (named[first], named["others"]) == (first.removesuffix("s"), "photo")
    for more in (["--images2", "a", "--texts2", "b"], ["--texts2", "b", "--image-column", "a"]):
        with pytest.raises(SystemExit, match="2"):
            main([*line, *more])


@check("--image", "search")
def the_queries_are_pictures(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*LINES["search"], "--image"]
    given, _named = given_to(monkeypatch, Model, "embed_images", line)
    assert given[1] == ["a dog"]


@check("-k", "search")
def the_index_is_asked_for_k_hits(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*LINES["search"], "-k", "4", "--threads", "2"]
    given, named = given_to(monkeypatch, Index, "search", line)
    assert (given[2], named) == (4, {"threads": 2})


@check("--json", *LINES)
def the_outcome_is_printed_as_json(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens import __main__ as program  # noqa: PLC0415
    from twinlens.commands.printing.outcome import Outcome  # noqa: PLC0415

    room = importlib.import_module(f"twinlens.commands.{command}")
    monkeypatch.setattr(room, "run", lambda _options: Outcome(lines=[], document={"a": 1}))
    written: list[str] = []
    monkeypatch.setattr(program, "_write", lambda text, **_: written.append(text))
    assert main([*LINES[command], "--json"]) == 0
    assert json.loads(written[0]) == {"a": 1}


@check("--out", "demo", "embed", "index", "calibrate", "evaluate")
@check("--force", "demo", "embed", "index", "calibrate", "evaluate")
def an_output_that_is_there_stays_without_force(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = LINES[command]
    line = at[: at.index("--out")] if "--out" in at else at
    names = {"index": "there.index", "embed": "there.npz", "demo": "there.png"}
    out = names.get(command, "there")
    holding = {"index": "index.json", "calibrate": "twinlens.json", "evaluate": "report.json"}
    if command in holding:
        Path(out).mkdir()
        (Path(out) / holding[command]).write_text("old")
    else:
        Path(out).write_text("old")
    assert main([*line, "--out", out]) == 1
    found = Path(out) / holding[command] if command in holding else Path(out)
    assert found.read_text() == "old"
    acts = {
        "calibrate": ("calibrate", "calibrate_bundle"),
        "evaluate": ("evaluate", "load"),
        "index": ("index", "open_model"),
        "embed": ("embed", "open_model"),
        "demo": ("demo", "open_model"),
    }
    room, act = acts[command]
    place = importlib.import_module(f"twinlens.commands.{room}")
    given_to(monkeypatch, place, act, [*line, "--out", out, "--force"])
    assert found.read_text() == "old", "until the new one is whole"


@check("--image-column", "embed", "index", "classify")
def images_are_read_from_the_column(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.reading.inputs")
    line = [*LINES[command], "--image-column", "photo"]
    assert given_to(monkeypatch, place, "read_images", line)[1]["column"] == "photo"


@check("--texts", "embed")
@check("--on-cut", "embed")
def lines_are_embedded_and_cut_as_told(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ["embed", "demo", "texts.txt", "--texts", "--on-cut", "error", "--out", "rows.npz"]
    given, named = given_to(monkeypatch, Model, "stream_texts", line)
    assert (list(given[1]), named["on_cut"]) == (["a dog"], "error")


@check("--dtype", "embed")
@check("--shard", "embed")
@check("--retry-lost", "embed")
def the_job_has_the_options(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.embed")
    chosen = ["--dtype", "float16", "--shard", "2/3", "--retry-lost"]
    line = ["embed", "demo", IMAGE, "--out", "parts"]
    given, _named = given_to(monkeypatch, place, "BulkJob", [*line, *chosen])
    options = given[2]
    assert (options.dtype, str(options.shard), options.retry_lost) == ("float16", "2/3", True)
    given, _named = given_to(monkeypatch, place, "BulkJob", line)
    assert given[2] == twinlens.BulkOptions()


@check("--keep", "index")
def the_index_keeps_what_is_asked_for(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.index")
    for keep in ("rows", "codes16", "codes8"):
        _given, named = given_to(monkeypatch, place, "IndexJob", [*LINES["index"], "--keep", keep])
        assert named["keep"] == keep
    assert given_to(monkeypatch, place, "IndexJob", LINES["index"])[1]["keep"] is None


@check("--labels", "classify")
@check("--template", "classify")
def images_are_classified_into_the_labels(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*LINES["classify"], "--template", "a {}", "the {}"]
    given, named = given_to(monkeypatch, Model, "classify", line)
    assert (given[2], named["templates"]) == (["dog", "cat"], ["a {}", "the {}"])


def columns_of(command: str, monkeypatch: pytest.MonkeyPatch, *option: str) -> dict[str, Any]:
    place = importlib.import_module("twinlens.commands.reading.pairs")
    return given_to(monkeypatch, place, "read_pairs", [*LINES[command], *option])[1]


@check("--image-column", "match", "calibrate", "evaluate")
def pairs_have_the_column_of_images(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = columns_of(command, monkeypatch, "--image-column", "photo")
    assert named["columns"].image == "photo"


@check("--text-column", "match", "calibrate", "evaluate")
def pairs_have_the_column_of_texts(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = columns_of(command, monkeypatch, "--text-column", "caption")
    assert named["columns"].text == "caption"


@check("--label-column", "calibrate", "evaluate")
def pairs_have_the_column_of_labels(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = columns_of(command, monkeypatch, "--label-column", "match")
    assert named["columns"].label == "match"


@check("--class-column", "evaluate")
@check("--images", "evaluate")
def pairs_have_classes_and_a_root(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = columns_of(command, monkeypatch, "--class-column", "class", "--images", "photos")
    assert (named["columns"].kind, named["image_root"]) == ("class", Path("photos"))


@check("--group-column", "evaluate")
def pairs_have_the_column_of_groups(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = columns_of(command, monkeypatch, "--group-column", "class")
    assert named["columns"].group == "class"


@check("--template", "evaluate")
def classes_have_the_templates(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.evaluate")
    line = [*LINES["evaluate"], "--class-column", "class", "--template", "a {}"]
    assert given_to(monkeypatch, place, "evaluate", line)[1]["templates"] == ["a {}"]


@check("--prior", "match")
def pairs_match_at_the_prior(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*LINES["match"], "--prior", "0.2"]
    assert given_to(monkeypatch, Model, "match", line)[1]["prior"] == 0.2


@check("--prior", "calibrate")
@check("--method", "calibrate")
@check("--negatives", "calibrate")
@check("--pixels", "calibrate")
def the_fit_has_the_options(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.calibrate")
    chosen = ["--prior", "0.2", "--method", "beta", "--negatives", "hard", "--pixels", "fast"]
    named = given_to(monkeypatch, place, "calibrate_bundle", [*LINES["calibrate"], *chosen])[1]
    fitting = named["options"]
    assert (fitting.prior, fitting.method, fitting.negatives) == (0.2, "beta", "hard")
    assert (fitting.fitted_on, named["pixels"], named["out"]) == ("pairs.csv", "fast", None)


def served(monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return the source and the limits of the service, and what else the server gets."""
    place = importlib.import_module("twinlens.http.server.server")
    given, named = given_to(monkeypatch, place, "serve", ["serve", "demo", *options])
    return given[0].source, given[0].options, named | {"sockets": given[1], "keys": given[0].keys}


@check("--device", "serve")
@check("--precision", "serve")
@check("--threads", "serve")
@check("--pixels", "serve")
@check("--index", "serve")
@check("--name", "serve")
@check("--max-queue", "serve")
@check("--level", "serve")
def the_service_is_opened_from_the_source(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    towers = ["--device", "cpu", "--precision", "fp16", "--threads", "3", "--pixels", "fast"]
    more = ["--index", "a.index", "--name", "clip", "--max-queue", "7", "--port", "0"]
    more += ["--level", "assumed"]
    source = served(monkeypatch, *towers, *more)[0]
    assert (source.bundle, source.index, source.name) == ("demo", Path("a.index"), "clip")
    assert (source.device, source.precision, source.pixels) == ("cpu", "fp16", "fast")
    assert (source.threads, source.max_queue, source.level) == (3, 7, "assumed")


@check("--timeout", "serve")
@check("--max-body-mb", "serve")
@check("--cors-origin", "serve")
@check("--allowed-host", "serve")
@check("--notice", "serve")
@check("--drain", "serve")
def the_service_has_the_limits(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ["--timeout", "3", "--max-body-mb", "5", "--notice", "0", "--drain", "7"]
    doors = ["--cors-origin", "https://a", "--cors-origin", "https://b", "--allowed-host", "a.b"]
    source, options, named = served(monkeypatch, *limits, *doors, "--port", "0")
    assert (source.timeout_s, options.timeout_s, options.max_body_bytes) == (3, 3, 5 << 20)
    assert (options.cors_origins, options.allowed_hosts) == (("https://a", "https://b"), ("a.b",))
    assert (named["notice_s"], named["drain_s"]) == (0, 7)


@check("--no-preempt", "serve")
def the_workers_keep_their_priority(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served(monkeypatch, "--port", "0")[0].preempt
    assert not served(monkeypatch, "--port", "0", "--no-preempt")[0].preempt


@check("--host", "serve")
@check("--port", "serve")
@check("--uds", "serve")
@check("--fd", "serve")
def the_server_listens_at_the_place(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.http.server.sockets")
    for options, expected in (
        ([], {}),
        (["--host", "::1", "--port", "81"], {"host": "::1", "port": 81}),
        (["--uds", "a.socket"], {"uds": Path("a.socket")}),
        (["--fd", "9"], {"fd": 9}),
    ):
        line = ["serve", "demo", *options]
        given, _named = given_to(monkeypatch, place, "listening_sockets", line)
        assert given == (place.Place(**expected),)


@check("--api-key-file", "serve")
@check("--no-auth", "serve")
def other_machines_need_a_key_or_a_leave(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("keys").write_text("a-key-of-sixteen-signs", encoding="ascii")
    doors = ["--host", "0.0.0.0", "--port", "0"]
    assert served(monkeypatch, *doors, "--no-auth")[2]["keys"] is None
    options, named = served(monkeypatch, *doors, "--api-key-file", "keys")[1:]
    assert named["keys"].opens(b"a-key-of-sixteen-signs")
    assert options.allowed_hosts == ()
    assert served(monkeypatch, "--port", "0")[1].allowed_hosts == ("localhost", "127.0.0.1", "::1")


@check("--log", "serve")
def the_log_has_the_form(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.http.request_log")
    for form in ("json", "short", "off"):
        line = [*LINES["serve"], "--log", form]
        assert given_to(monkeypatch, place, "logging_to_stderr", line)[0] == (form,)


@check("--index", "browse")
@check("--port", "browse")
@check("--no-open", "browse")
def the_page_is_served_from_the_cache(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = importlib.import_module("twinlens.http.server.sockets")
    server = importlib.import_module("twinlens.http.server.server")
    line = [*LINES["browse"], "--device", "cpu", "--precision", "fp16", "--pixels", "fast"]
    with monkeypatch.context() as patched:
        given, _named = given_to(patched, sockets, "listening_sockets", [*line, "--port", "81"])
        assert given == (sockets.Place(host="127.0.0.1", port=81),)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for more, expected in ((["--no-open"], []), ([], ["http://127.0.0.1:1"])):
        given, named = given_to(monkeypatch, server, "Server", [*line, "--threads", "3", *more])
        source = given[0].source
        assert (source.device, source.precision, source.pixels) == ("cpu", "fp16", "fast")
        assert (source.threads, source.index.parent) == (3, Path("cache").absolute())
        named["on_ready"](["http://127.0.0.1:1"])
        for thread in threading.enumerate():
            if thread.name == "browser":
                thread.join()
        assert opened == expected


def benched(monkeypatch: pytest.MonkeyPatch, *option: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return the opened target and the settings of a run, and what else it gets."""
    place = importlib.import_module("twinlens.commands.bench")
    with monkeypatch.context() as patched:
        for name in ("ModelTarget", "ServiceTarget"):
            patched.setattr(place, name, lambda *given, **named: (given, named))
        given, named = given_to(patched, place, "measure", ["bench", *option])
        return given[0](), given[1], named


@check("--device", "bench")
@check("--precision", "bench")
@check("--threads", "bench")
@check("--pixels", "bench")
@check("--images", "bench")
@check("--texts", "bench")
def the_model_and_the_items_are_measured(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    towers = ["--device", "cpu", "--precision", "fp16", "--threads", "3", "--pixels", "fast"]
    given, _named = benched(
        monkeypatch, "demo", *towers, "--images", IMAGE, IMAGE, "--texts", "texts.txt"
    )[0]
    opening, items = given[:2]
    assert (opening.bundle, opening.device, opening.precision) == ("demo", "cpu", "fp16")
    assert (opening.threads, opening.pixels) == (3, "fast")
    assert items.images == (DRAWINGS[0].path.read_bytes(),) * 2
    assert items.texts == ("a dog",)


@check("--scenarios", "bench")
@check("--seconds", "bench")
@check("--bound-ms", "bench")
@check("--loadgen", "bench")
def the_run_has_the_settings(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.benchmarking.options import Settings  # noqa: PLC0415

    monkeypatch.setattr("twinlens.commands.bench.require_loadgen", lambda: None)
    _target, settings, named = benched(monkeypatch, "demo")
    assert (settings, named["driver"]) == (Settings(), "own")
    chosen = ["--seconds", "3", "--bound-ms", "20", "--loadgen"]
    for words in (["--scenarios", "single", "cold"], ["--scenarios", "cold,single"]):
        _target, settings, named = benched(monkeypatch, "demo", *chosen, *words)
        assert settings == Settings(scenarios=("single", "cold"), seconds=3, bound_ms=20)
        assert named["driver"] == "loadgen"


@check("--url", "bench")
@check("--api-key-file", "bench")
def the_service_is_measured_with_the_key(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("keys").write_text("a-key-of-sixteen-signs\nanother", encoding="ascii")
    at = ["--url", "https://[::1]:81/v1/embeddings", "--api-key-file", "keys"]
    given, named = benched(monkeypatch, *at)[0]
    address = given[0]
    assert (address.host, address.port, address.is_tls, address.base) == ("::1", 81, True, "/v1")
    assert address.key == "a-key-of-sixteen-signs"
    assert named["reference"] is None
    assert benched(monkeypatch, "demo", *at, "--threads", "3")[0][1]["reference"].threads == 3


@check("--out", "bench")
@check("--html", "bench")
@check("--force", "bench")
def a_file_that_is_there_stays_without_force(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, name in (("--out", "a.json"), ("--html", "a.html")):
        Path(name).write_text("old")
        line = ["bench", "demo", option, name]
        assert main(line) == 1
        assert Path(name).read_text() == "old"
        benched(monkeypatch, "demo", option, name, "--force")


@check("--compare", "bench")
def two_files_are_compared(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.bench")
    given = given_to(monkeypatch, place, "read_record", ["bench", "--compare", "a", "b"])[0]
    assert given == (Path("a"),)


@check("--against", "bench")
@check("--against-python", "bench")
@check("--slower-than", "bench")
def two_sides_are_compared_in_turn(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = importlib.import_module("twinlens.commands.bench")
    line = ["bench", "demo", "--against", "bundle", "--against-python", "python"]
    more = ["--slower-than", "3%", "--precision", "int8", "--seconds", "7"]
    given, named = given_to(monkeypatch, place, "compare_in_turn", [*line, *more])
    first, second = given[:2]
    assert (first.load["bundle"], first.python) == ("demo", sys.executable)
    assert (second.load["bundle"], second.python) == (str(Path("bundle").absolute()), "python")
    assert first.load["precision"] == second.load["precision"] == "int8"
    assert (named["share"], named["seconds"]) == (0.03, 7)


def options_of_all_commands() -> Iterator[tuple[str, str]]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, below in action.choices.items():
                for option in below._actions:
                    if option.option_strings and option.dest != "help":
                        yield command, option.option_strings[-1]


@pytest.mark.parametrize(("command", "option"), list(options_of_all_commands()))
def test_an_option_reaches_the_act(
    command: str, option: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    CHECKS[command, option](command, monkeypatch)


@pytest.mark.parametrize("precision", [(), ("--precision", "int8"), ("--precision", "fp16,int8")])
def test_evaluate_on_a_device_that_is_not_there_is_an_error(
    precision: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", str(half_demo()), "demo", "--device", "cuda", *precision]
    assert main(line) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "twinlens[gpu]" in printed.err


def test_evaluate_takes_the_precisions_that_are_made_for_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []

    def listed(bundle: str, *, device: str, precision: str, **named: object) -> Model:
        asked.append((device, precision))
        return load(bundle, device="cpu", precision="int8")

    monkeypatch.setattr("twinlens.commands.evaluate.load", listed)
    spied(monkeypatch, importlib.import_module("twinlens.commands.evaluate"), "evaluate")
    for device in ("auto", "cpu", "cuda:1"):
        main(["evaluate", str(half_demo()), "demo", "--device", device])
    assert asked == [
        *(("auto", "fp16"), ("cpu", "int8")),
        *(("cpu", "fp16"), ("cpu", "int8")),
        ("cuda:1", "fp16"),
    ]


def test_search_on_a_device_searches_the_index_there(
    files: Path, monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setattr("twinlens.commands.search.open_model", lambda _options: model)
    given, _ = given_to(monkeypatch, Index, "to", [*LINES["search"], "--device", "cuda"])
    assert given[1] == model.device


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([*LINES["embed"], "--on-cut", "warn"], "--on-cut is for --texts"),
        ([*LINES["embed"], "--shard", "1/2"], "--shard is for a folder"),
        ([*LINES["embed"], "--retry-lost"], "--retry-lost is for a folder"),
        ([*LINES["embed"], "--texts", "--pixels", "fast"], "--pixels is for pictures"),
        ([*LINES["embed"], "--texts", "--image-column", "a"], "--image-column is for pictures"),
        ([*LINES["search"], "--pixels", "fast"], "--pixels is for pictures"),
        (["evaluate", "demo", "demo", "--text-column", "a"], "--text-column is for a table"),
        (["evaluate", "demo", "demo", "--images", "a"], "--images is for a table"),
        (["evaluate", "demo", "pairs.csv", "--template", "a {}"], "--template is for classes"),
        (["match", "demo", "a.tar", "--image-column", "a"], "--image-column is for a table"),
        (["match", "demo", ".", "--text-column", "a"], "--text-column is for a table"),
        (["evaluate", "demo", ".", "--images", "a"], "--images is for a table, not a folder"),
        (
            [*LINES["calibrate"], "--label-column", "match", "--negatives", "hard"],
            "--negatives are drawn, but pairs.csv has labels",
        ),
        (["serve", "demo", "--uds", "a", "--port", "1"], "--port has no part beside --uds"),
        (["serve", "demo", "--fd", "3", "--uds", "a"], "has no part beside --"),
        (["serve", "demo", "--no-auth", "--api-key-file", "k"], "leave one of them out"),
        (["serve", "demo", "--host", "0.0.0.0", "--port", "0"], "from other machines"),
        (["serve", "demo", "--cors-origin", "page.example"], "wanted one such as https://"),
        (["serve", "demo", "--name", ""], "a name is empty"),
        (["serve", "demo", "--port", "70000"], "not between 0 and 65535"),
        (["serve", "demo", "--timeout", "0"], "seconds are 0"),
        (["bench"], "name a BUNDLE"),
        (["bench", "demo", "--scenarios", "single,dual"], "wanted some of single"),
        (["bench", "demo", "--slower-than", "5%"], "is for a comparison"),
        (["bench", "demo", "--against", "bundle", "--slower-than", "0.05"], "such as 5%"),
        (["bench", "demo", "--against", "bundle", "--out", "a.json"], "has no part in a"),
        (["bench", "--against", "bundle"], "name a BUNDLE"),
        (["bench", "demo", "--compare", "a", "b"], "demo is a third"),
        (["bench", "--compare", "a", "b", "--seconds", "3"], "has no part in --compare"),
        (["bench", "demo", "--api-key-file", "k"], "is for --url"),
        (["bench", "--url", "http://a", "--threads", "2"], "the service has its own"),
        (["bench", "--url", "http://a", "--precision", "int8"], "the service has its own"),
        (["bench", "--compare", "a", "b", "--device", "cpu"], "has no part in --compare"),
        (["bench", "--url", "ftp://a"], "wanted one such as http://"),
        (["bench", "demo", "--out", "a.html"], "no suffix .json"),
        (["bench", "demo", "--bound-ms", "0"], "not above 0"),
    ],
)
def test_an_option_without_a_part_in_the_answer_is_refused(
    line: list[str],
    message: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(SystemExit, match="2"):
        main(line)
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"twinlens {twinlens.__version__}\n"


def test_the_demo_bundle_has_int8_alone_and_the_tests_have_both_precisions() -> None:
    small, whole = (open_bundle(folder).manifest for folder in (folder_of("demo"), half_demo()))
    assert {name: pair.device for name, pair in whole.towers.items()} == {
        "fp16": "cuda",
        "int8": "cpu",
    }
    assert small.towers == {"int8": whole.towers["int8"]}
    assert small.calibrations == {"int8": whole.calibrations["int8"]}
    assert (small.text, small.image, small.files) == (whole.text, whole.image, whole.files)


def test_a_bundle_without_towers_for_cuda_runs_on_the_cpu_where_nobody_asked_for_cuda(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("twinlens.loading.resolve", lambda _device: Device(kind="cuda"))
    assert load("demo", threads=1).device == "cpu"
    assert "has int8, and CUDA wants fp16 or fp32; export it with --precision fp16" in caplog.text
    with pytest.raises(BundleError, match=r"has int8, nothing for cuda:0; export it with"):
        load("demo", device="cuda", threads=1)
