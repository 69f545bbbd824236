"""A model that was opened before a fork works in parent and children, and all of them end."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from weakref import WeakSet

import numpy as np
import pytest
from half_demo import half_demo
from imitated_cuda import imitate_gpu

from twinlens import forks
from twinlens.bundle.bundle import Bundle
from twinlens.errors import BundleError, ClosedError, ProviderError
from twinlens.forks import ForkedLock, _Calls
from twinlens.ort.device import CPU, Device
from twinlens.ort.session import Session

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PREAMBLE = """
import os, signal, sys, threading, twinlens
from twinlens.demo.samples import bundled_drawings

pictures = [drawing.path for drawing in bundled_drawings()[:20]]


def child(act):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a hang ends the child, and the test
        sys.exit(1 if act() else 0)
    return pid


def require_fine(*pids):
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        assert status == 0, f"a child ended with {status}"
"""


def run(code: str) -> None:
    """Run a script in a process of its own, whose only threads are those it starts."""
    script = PREAMBLE + textwrap.dedent(code)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_children_embed_to_the_bit_what_their_parent_does(threads: int, precision: str) -> None:
    run(f"""
        model = twinlens.load({os.fspath(half_demo())!r}, device="cpu", threads={threads},
                              precision="{precision}")
        images, texts = model.embed_images(pictures), model.embed_texts(["a dog", "a box"])
        table = model.probabilities(images, texts)

        def act():
            same = (model.embed_images(pictures) == images).all()
            same &= (model.embed_texts(["a dog", "a box"]) == texts).all()
            same &= (model.probabilities(images, texts) == table).all()
            return 0 if same else 7

        require_fine(*[child(act) for _ in range(3)])
        assert act() == 0
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_that_was_never_used_is_ready_in_children(threads: int) -> None:
    run(f"""
        model = twinlens.load("demo", device="cpu", threads={threads})
        require_fine(child(lambda: model.embed_texts(["a"]).shape != (1, 192)))
        require_fine(child(lambda: model.embed_images(pictures).shape != (20, 192)))
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_children_that_end_forget_or_load_anew_do_not_hang(threads: int) -> None:
    run(f"""
        model = twinlens.load("demo", device="cpu", threads={threads})
        model.embed_texts(["a"])

        def forget():
            global model
            model = None

        def load_anew():
            global model
            model = twinlens.load("demo", device="cpu", threads={threads})
            model.embed_images(pictures)

        def fork_again():
            model.embed_texts(["a"])
            require_fine(child(lambda: model.embed_texts(["a"]).shape != (1, 192)))

        require_fine(*map(child, (lambda: 0, forget, load_anew, fork_again)))
        model.embed_texts(["a"])
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_beside_a_thread_that_embeds_waits_for_its_run(threads: int) -> None:
    run(f"""
        model = twinlens.load("demo", device="cpu", threads={threads})
        wanted = model.embed_images(pictures)
        stop = threading.Event()

        def embed():
            while not stop.is_set():
                model.embed_images(pictures)

        beside = threading.Thread(target=embed)
        beside.start()
        for _ in range(8):
            require_fine(child(lambda: (model.embed_images(pictures) != wanted).any()))
        stop.set()
        beside.join()
    """)


def test_a_search_by_several_threads_is_done_again_in_children_and_leaves_no_thread() -> None:
    run("""
        import time
        import numpy as np

        def n_threads():
            return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0

        require_fine(child(lambda: 0))  # numpy's BLAS ends its threads at a fork
        at_rest = n_threads()
        rows = np.random.default_rng(0).standard_normal((9000, 64), dtype=np.float32)
        index = twinlens.Index.build(rows)
        wanted = index.search(rows[:64], k=5, threads=3)

        def act():
            found = index.search(rows[:64], k=5, threads=3)
            return (found.ids != wanted.ids).any() or (found.cosines != wanted.cosines).any()

        stop = threading.Event()

        def search():
            while not stop.is_set():
                assert not act()

        beside = threading.Thread(target=search)
        beside.start()
        for _ in range(4):
            require_fine(child(act))
        stop.set()
        beside.join()
        assert not act()
        patience = time.monotonic() + 60
        while n_threads() > at_rest and time.monotonic() < patience:
            time.sleep(0.01)
        assert n_threads() <= at_rest
    """)


def test_workers_of_multiprocessing_embed() -> None:
    run("""
        import multiprocessing

        model = twinlens.load("demo", device="cpu", threads=2)
        wanted = model.embed_texts(["a", "b"])

        def embed(text):
            return model.embed_texts([text])[0]

        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert (wanted == pool.map(embed, ["a", "b"])).all()
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_parts_of_a_call_work_in_children(threads: int) -> None:
    run(f"""
        import pickle
        import numpy as np

        model = twinlens.load("demo", device="cpu", threads={threads})
        model.warm_up()
        tokens, cancel = model.tokenize(["a dog", "a box"]), twinlens.Cancellation()
        pixels = np.stack([model.preprocess(path) for path in pictures])
        images, texts = model.embed_pixels(pixels), model.embed_tokens(tokens)

        def same(model, cancel=None):
            found = model.embed_pixels(pixels, cancel=cancel)
            return (found == images).all() and (model.embed_tokens(tokens) == texts).all()

        def parts():
            model.warm_up()
            return not same(model, cancel)

        def cancelled():
            cancel.cancel()
            try:
                model.embed_pixels(pixels, cancel=cancel)
            except twinlens.RunCancelledError:
                return not same(model)
            return 7

        def pickled():
            return not same(pickle.loads(pickle.dumps(model)))

        require_fine(*map(child, (parts, cancelled, pickled)))
        assert not cancel.cancelled and same(model, cancel)
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_parent_and_children_close_their_own_model(threads: int) -> None:
    run(f"""
        model = twinlens.load("demo", device="cpu", threads={threads})
        wanted = model.embed_images(pictures)
        release, hold = os.pipe()

        def refused():
            try:
                model.embed_texts(["a"])
            except twinlens.ClosedError:
                return 0
            return 7

        def close():
            model.close()
            return refused()

        def use_and_close():
            with model:
                assert (model.embed_images(pictures) == wanted).all()
            return refused()

        def wait():
            os.close(hold)
            os.read(release, 1)  # until the parent has closed its own
            return (model.embed_images(pictures) != wanted).any()

        require_fine(*map(child, (close, use_and_close)))
        waiting = child(wait)
        model.close()
        os.close(hold)
        require_fine(waiting, child(refused), child(close))
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_beside_a_thread_that_opens_and_closes_models_does_not_hang(threads: int) -> None:
    run(f"""
        model = twinlens.load("demo", device="cpu", threads={threads})
        wanted = model.embed_images(pictures)
        stop = threading.Event()

        def open_and_close():
            while not stop.is_set():
                with twinlens.load("demo", device="cpu", threads={threads}) as other:
                    other.embed_texts(["a"])

        def load_anew():
            with twinlens.load("demo", device="cpu", threads={threads}) as other:
                return (other.embed_images(pictures) != wanted).any()

        beside = threading.Thread(target=open_and_close)
        beside.start()
        for act in (load_anew, lambda: (model.embed_images(pictures) != wanted).any(), load_anew):
            require_fine(child(act))
        stop.set()
        beside.join()
    """)


def renewed(session: Session, *, torn: bool = False) -> None:
    """Do to a session what a fork does in the child, in this process."""
    session.renew(torn=torn)


def text_tower(bundle: Bundle, threads: int, device: Device = CPU) -> Session:
    path = bundle.path("onnx/text_model.onnx")
    return Session(path, device=device, threads=threads, name="the text tower")


IDS = {"input_ids": np.array([[3, 5, 7]])}


def test_a_session_without_threads_of_its_own_is_kept(bundle: Bundle) -> None:
    session = text_tower(bundle, threads=1)
    opened = session._opened
    renewed(session)
    assert session._opened is opened is not None


@pytest.mark.parametrize("threads", [1, 2])
def test_a_closed_session_stays_closed_in_a_child(bundle: Bundle, threads: int) -> None:
    session = text_tower(bundle, threads)
    session.close()
    renewed(session)
    with pytest.raises(ClosedError, match="the text tower was closed; load the model again"):
        session.run(IDS, "text_embeds")
    other = text_tower(bundle, threads)
    renewed(other)
    other.close()
    with pytest.raises(ClosedError, match="the text tower was closed"):
        other.run(IDS, "text_embeds")


def test_a_file_that_was_changed_meanwhile_is_not_opened_in_a_child(bundle: Bundle) -> None:
    session = text_tower(bundle, threads=2)
    wanted = session.run(IDS, "text_embeds")
    renewed(session)
    np.testing.assert_array_equal(session.run(IDS, "text_embeds"), wanted)
    renewed(session)
    path = bundle.path("onnx/text_model.onnx")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="was changed after it was opened, and a forked process"):
        session.run(IDS, "text_embeds")


def test_a_session_follows_no_change_of_the_folder(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.folder)
    relative = bundle.path("onnx/text_model.onnx").relative_to(bundle.folder)
    session = Session(relative, device=CPU, threads=2, name="the text tower")
    monkeypatch.chdir("/")
    renewed(session)
    assert session.run(IDS, "text_embeds").shape == (1, 3)


def test_a_run_that_a_fork_cut_in_two_is_an_error(bundle: Bundle) -> None:
    for threads in (1, 2):
        session = text_tower(bundle, threads)
        renewed(session, torn=True)
        with pytest.raises(ProviderError, match=r"was running in another thread while .* forked"):
            session.run(IDS, "text_embeds")


def test_a_cuda_device_is_refused_in_a_child(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate_gpu(monkeypatch)
    session = text_tower(bundle, 1, Device(kind="cuda"))
    renewed(session)
    for act in (
        session.require_process,
        lambda: session.run(IDS, "text_embeds"),
        lambda: session.run_on_device(IDS, "text_embeds"),
    ):
        with pytest.raises(ProviderError, match="CUDA does not survive a fork; load the model in"):
            act()


# The gate itself.


def test_a_fork_waits_for_calls_of_other_threads_and_new_ones_for_the_fork() -> None:
    calls = _Calls()
    entered, leave, forking, forked, entered_late = (threading.Event() for _ in range(5))

    def call() -> None:
        with calls.one():
            entered.set()
            leave.wait(20)
            with calls.one():  # a call within a call never waits
                pass

    def fork() -> None:
        calls.before_fork()
        forking.set()
        forked.wait(20)
        calls.after_in_parent()

    def call_late() -> None:
        with calls.one():
            entered_late.set()

    first = started(call)
    assert entered.wait(20)
    forker = started(fork)
    assert not forking.wait(0.05)
    leave.set()
    assert forking.wait(20)
    late = started(call_late)
    assert not entered_late.wait(0.05)
    forked.set()
    assert entered_late.wait(20)
    for thread in (first, forker, late):
        thread.join(20)
        assert not thread.is_alive()


def test_a_fork_does_not_wait_for_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # No fork happens: nothing that lives here is to be renewed.
    monkeypatch.setattr(forks, "_RENEWED", WeakSet())
    calls = _Calls()
    with calls.one():
        calls.before_fork()
        calls.after_in_parent()
        calls.before_fork()
        calls.after_in_child()
    with calls.one():
        pass


def test_a_lock_that_another_thread_held_is_free_in_a_child() -> None:
    lock = ForkedLock()
    lock.__enter__()
    lock.renew(torn=False)
    with lock:
        pass


def started(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread
