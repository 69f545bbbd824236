"""The HTTP service as a deployment of Ray Serve: replicas on any machines, behind Ray's proxy.

    import httpx
    from ray import serve
    from twinlens.integrations.ray_serve import deployment

    serve.run(deployment("demo", threads=1).options(num_replicas=1).bind())
    answer = httpx.post("http://127.0.0.1:8000/v1/embeddings", json={"input": "a red apple"})
    print(answer.json())

A bundle and an index are folders that each machine has. Each replica holds its own engine, which
orders, bounds and drops requests as that of `twinlens serve` does.
"""

import os
from pathlib import Path
from typing import Any, TypeAlias

from ray import serve
from starlette.types import Receive, Scope, Send

from twinlens.errors import ClosedError
from twinlens.http.app import application
from twinlens.http.options import HttpOptions
from twinlens.http.service.deployment import Source, default_name
from twinlens.http.service.keys import KeyRing
from twinlens.http.service.service import DRAIN_S, Service
from twinlens.threads import usable_threads

Deployment: TypeAlias = Any
"""A deployment of Ray Serve."""


def deployment(
    bundle: str | os.PathLike[str],
    *,
    index: str | os.PathLike[str] | None = None,
    api_key_file: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Deployment:
    """Return a deployment to be given `options` and bound.

    Args:
        bundle: as for `load`.
        index: folder of the index that `/search` asks; None for none.
        api_key_file: keys, one a line, of which each request has one; None lets everyone ask.
        device: as for `load`; "cuda" goes with `ray_actor_options={"num_gpus": 1}`.
        threads: workers of a replica, and CPUs that Ray sets aside for it; all of this machine's
            by default.
    """
    options = HttpOptions()
    count = usable_threads() if threads is None else threads
    source = Source(
        bundle=os.fspath(bundle),
        index=None if index is None else Path(index),
        name=default_name(bundle),
        device=device,
        precision="auto",
        pixels="exact",
        threads=count,
        max_queue=None,
        timeout_s=options.timeout_s,
    )
    key_file = None if api_key_file is None else Path(api_key_file)

    def app() -> "_ServedApp":
        keys = None if key_file is None else KeyRing(key_file)
        return _ServedApp(Service(source, options, keys=keys))

    # The engine has limits of its own, and forms batches of the requests that wait in it: Ray's
    # limit, 5 by default, would leave it none.
    return serve.deployment(
        serve.ingress(app)(_Replica),
        name="twinlens",
        max_ongoing_requests=options.max_requests,
        ray_actor_options={"num_cpus": count},
        graceful_shutdown_timeout_s=DRAIN_S,
    )


class _ServedApp:
    """Application whose service opens and closes with the replica."""

    def __init__(self, service: Service) -> None:
        self.service, self._app = service, application(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self._app(scope, receive, send)
        await receive()
        await self.service.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.service.close(DRAIN_S)
        await send({"type": "lifespan.shutdown.complete"})
        return None


class _Replica:
    """Process of a deployment. Ray starts it anew when its workers are dead."""

    app: _ServedApp

    async def check_health(self) -> None:
        if self.app.service.is_broken:
            raise ClosedError("every worker is dead; Ray starts the replica anew")
