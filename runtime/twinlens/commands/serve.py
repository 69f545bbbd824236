"""twinlens serve: embeddings, matches, labels and search by HTTP."""

import argparse
import importlib.util
from typing import Final

from twinlens.commands.inputs import refuse_unused
from twinlens.commands.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome

NEEDED: Final = ("httptools", "msgspec", "prometheus_client", "starlette", "uvicorn")
"""Libraries of the extra."""


class ServeMissingError(ImportError, ValueError):
    """A library that the service needs is not installed."""


def run(options: argparse.Namespace) -> Outcome:
    """Serve until a signal; the outcome says what was answered.

    Exit code 1 if something accepted was not answered within the time to drain.

    Raises:
        MisuseError: the doors do not fit each other.
        ServeMissingError: a library is missing.
    """
    _check_doors(options)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeMissingError(
            f"the service needs {', '.join(missing)}; pip install 'twinlens[serve]'"
        )
    from twinlens.http.request_log import logging_to_stderr  # noqa: PLC0415  an extra has it

    with logging_to_stderr(options.log):
        return _serve(options)


def _serve(options: argparse.Namespace) -> Outcome:
    from twinlens.http.guards.hosts import LOOPBACK  # noqa: PLC0415
    from twinlens.http.options import HttpOptions  # noqa: PLC0415
    from twinlens.http.server import sockets as doors  # noqa: PLC0415
    from twinlens.http.server.server import serve  # noqa: PLC0415
    from twinlens.http.service.deployment import Source, default_name  # noqa: PLC0415  an extra has it
    from twinlens.http.service.keys import KeyRing  # noqa: PLC0415
    from twinlens.http.service.service import Service  # noqa: PLC0415

    keys = None if options.api_key_file is None else KeyRing(options.api_key_file)
    place = doors.Place(
        host=options.host or "127.0.0.1",
        port=8000 if options.port is None else options.port,
        uds=options.uds,
        fd=options.fd,
    )
    opened = doors.listening_sockets(place)
    local = doors.is_local(opened)
    if keys is None and not options.no_auth and not local:
        places = ", ".join(map(doors.url_of, opened))
        for one in opened:
            one.close()
        raise MisuseError(
            f"{places} can be reached from other machines; "
            "give --api-key-file FILE, or --no-auth if everyone may ask"
        )
    hosts = tuple(options.allowed_host or ())
    if not hosts and local and doors.has_address(opened):
        hosts = LOOPBACK
    source = Source(
        bundle=options.bundle,
        index=options.index,
        name=options.name or default_name(options.bundle),
        device=options.device,
        precision=options.precision,
        pixels=options.pixels or "exact",
        threads=options.threads,
        max_queue=options.max_queue,
        timeout_s=options.timeout,
    )
    limits = HttpOptions(
        timeout_s=options.timeout,
        max_json_bytes=options.max_body_mb << 20,
        max_raw_bytes=options.max_body_mb << 20,
        allowed_hosts=hosts,
        cors_origins=tuple(options.cors_origin or ()),
    )
    ended = serve(
        Service(source, limits, keys=keys),
        opened,
        drain_s=options.drain,
        notice_s=options.notice,
        uds=options.uds,
    )
    return _outcome(ended.answered, ended.left_over)


def _outcome(answered: int, left_over: int) -> Outcome:
    return Outcome(
        lines=[f"answered {answered} requests, {left_over} accepted and not answered"],
        document={"answered": answered, "left_over": left_over},
        code=0 if left_over == 0 else 1,
    )


def _check_doors(options: argparse.Namespace) -> None:
    """Refuse doors of which one would be dropped unseen."""
    chosen = [name for name in ("uds", "fd") if getattr(options, name) is not None]
    for name in chosen:
        others = {"host", "port", "uds", "fd"} - {name}
        refuse_unused(options, sorted(others), f"has no part beside --{name}")
    if options.no_auth and options.api_key_file is not None:
        raise MisuseError("--no-auth is given beside --api-key-file; leave one of them out")
