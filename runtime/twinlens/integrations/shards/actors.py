"""Actors of shards, asked together: every one answers, or it is an error."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, Self

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from twinlens.errors import ShardError, quoted
from twinlens.integrations.shards.shard import IndexShard

_REPEATS: Final = 5
"""Times that a search is asked again of an actor that ended, two of them for one end: the first
finds it starting anew. A query that ends it each time is an error then."""
_INLINE_BYTES: Final = 100_000
"""Ray copies larger arguments into its store, once a call: an array for all is put there once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Place of a shard: a folder, and the machines on which an actor may open it."""

    path: str | os.PathLike[str]
    resources: Mapping[str, float] = field(default_factory=dict)
    """Resources of Ray that its machine has, such as {"node:10.0.0.3": 0.001}; any by default."""


class ShardActors:
    """One actor a shard. One that ended is started anew by Ray, and opens its folder again."""

    def __init__(self, actors: Sequence[Any], places: Sequence[str], timeout_s: float) -> None:
        self._actors, self._places, self._timeout_s = actors, places, timeout_s

    @classmethod
    def start(
        cls, shards: Sequence[Shard], *, threads: int, num_cpus: float, timeout_s: float
    ) -> Self:
        """Start an actor a shard, each with so many threads; a relative path is of this process."""
        paths = [str(Path(shard.path).absolute()) for shard in shards]
        actors = [
            ray.remote(IndexShard)
            .options(
                max_restarts=-1,
                num_cpus=num_cpus,
                resources=dict(shard.resources) or None,
            )
            .remote(path, threads=threads)
            for path, shard in zip(paths, shards, strict=True)
        ]
        return cls(actors, [quoted(path) for path in paths], timeout_s)

    def __len__(self) -> int:
        return len(self._actors)

    def ask(self, method: str, *shared: object, own: Sequence[object]) -> list[Any]:
        """Return the answers to a question that changes nothing: it is repeated if an actor ends.

        Args:
            method: of `IndexShard`.
            shared: arguments for every shard.
            own: last argument of each shard.

        Raises:
            ShardError: an actor ended for good, or did not answer in time.
        """
        deadline = monotonic() + self._timeout_s
        sent = [_sent(argument) for argument in shared]
        asked = [
            getattr(actor, method).options(max_task_retries=_REPEATS).remote(*sent, last)
            for actor, last in zip(self._actors, own, strict=True)
        ]
        return [self._answer(number, ref, deadline) for number, ref in enumerate(asked)]

    def change(self, shard: int, method: str, *arguments: object) -> Any:  # noqa: ANN401  by method
        """Return the answer of one shard to a change of it, which is asked once.

        Raises:
            ShardError: the actor ended or did not answer in time: it may have made the change.
        """
        asked = getattr(self._actors[shard], method).remote(*arguments)
        return self._answer(shard, asked, monotonic() + self._timeout_s)

    def end(self) -> None:
        """End the actors."""
        for actor in self._actors:
            ray.kill(actor)

    def _answer(self, shard: int, asked: object, deadline: float) -> Any:  # noqa: ANN401  by method
        where = f"shard {shard}, {self._places[shard]},"
        try:
            return ray.get(asked, timeout=max(0, deadline - monotonic()))
        except GetTimeoutError as error:
            raise ShardError(
                f"{where} did not answer within {self._timeout_s:g} s; see if its machine is there "
                "and has a CPU free (`ray status`), or raise timeout_s"
            ) from error
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            # An error of the folder's own, if the actor could not open it.
            for failed in error.args:
                if isinstance(failed, RayTaskError):
                    raise failed.cause from error
            reason = str(error).strip().splitlines()[-1]
            raise ShardError(
                f"{where} ended before it answered: {quoted(reason)}; ask again, and if it stays "
                "so, open the shards again"
            ) from error


def _sent(argument: object) -> object:
    """Return a reference to a large array, which is sent once; other arguments as they are."""
    if isinstance(argument, np.ndarray) and argument.nbytes > _INLINE_BYTES:
        return ray.put(argument)
    return argument
