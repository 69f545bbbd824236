"""twinlens serve: embeddings, matches, labels and search by HTTP."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import refuse_unused
from twinlens.errors import amount
from twinlens.http.libraries import SERVICE, require_libraries

if TYPE_CHECKING:
    from twinlens.http.options import HttpOptions
    from twinlens.http.server.sockets import Place
    from twinlens.http.service.deployment import Source


def run(options: argparse.Namespace) -> Outcome:
    """Serve until a signal; the outcome says what was answered.

    Exit code 1 if something accepted was not answered within the time to drain.

    Raises:
        MisuseError: the doors do not fit each other.
        LibraryMissingError: a library is missing.
    """
    _check_doors(options)
    require_libraries(SERVICE, extra="serve", purpose="the service")
    # Libraries of the extra stand behind these.
    from twinlens.http.request_log import logging_to_stderr  # noqa: PLC0415
    from twinlens.http.server import server, sockets  # noqa: PLC0415
    from twinlens.http.service.keys import KeyRing  # noqa: PLC0415
    from twinlens.http.service.service import Service  # noqa: PLC0415

    keys = None if options.api_key_file is None else KeyRing(options.api_key_file)
    if sockets.is_passed():
        refuse_unused(options, ("host", "port"), "has no part beside the sockets of systemd")
    opened = sockets.listening_sockets(_place(options))
    try:
        if keys is None and not options.no_auth and not sockets.is_local(opened):
            places = ", ".join(map(sockets.url_of, opened))
            raise MisuseError(
                f"{places} can be reached from other machines; "
                "give --api-key-file FILE, or --no-auth if everyone may ask"
            )
        is_home = sockets.is_local(opened) and sockets.has_address(opened)
        names = _names(options, sockets.addresses_of(opened)) if is_home else ()
        service = Service(_source(options), _limits(options, names), keys=keys)
        with logging_to_stderr(options.log):
            ended = server.serve(
                service,
                opened,
                drain_s=options.drain,
                notice_s=options.notice,
                uds=options.uds,
            )
    finally:
        for one in opened:
            one.close()
    return _outcome(ended.answered, ended.left_over)


def _place(options: argparse.Namespace) -> "Place":
    from twinlens.http.server.sockets import Place  # noqa: PLC0415

    return Place(
        host="127.0.0.1" if options.host is None else options.host,
        port=8000 if options.port is None else options.port,
        uds=options.uds,
        fd=options.fd,
    )


def _source(options: argparse.Namespace) -> "Source":
    from twinlens.http.service.deployment import Source, default_name  # noqa: PLC0415

    return Source(
        bundle=options.bundle,
        index=options.index,
        name=options.name or default_name(options.bundle),
        device=options.device,
        precision=options.precision,
        pixels=options.pixels or "exact",
        threads=options.threads,
        max_queue=options.max_queue,
        timeout_s=options.timeout,
        preempt=not options.no_preempt,
        level=options.level,
    )


def _names(options: argparse.Namespace, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a server that only this machine reaches; those of its door too."""
    from twinlens.http.guards.hosts import LOOPBACK  # noqa: PLC0415

    chosen = () if options.host is None else (options.host,)
    return tuple(dict.fromkeys((*LOOPBACK, *chosen, *addresses)))


def _limits(options: argparse.Namespace, names: tuple[str, ...]) -> "HttpOptions":
    from twinlens.http.options import HttpOptions  # noqa: PLC0415

    return HttpOptions(
        timeout_s=options.timeout,
        max_body_bytes=options.max_body_mb << 20,
        allowed_hosts=tuple(options.allowed_host or names),
        cors_origins=tuple(options.cors_origin or ()),
    )


def _outcome(answered: int, left_over: int) -> Outcome:
    return Outcome(
        lines=[f"answered {amount(answered, 'request')}, {left_over} accepted and not answered"],
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
