"""Run jobs on a Ray cluster.

Ray decides where each job runs, and the run folder holds the state. A thread of the command waits for the jobs, shows
their progress, and restarts the jobs of lost workers and nodes.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unless asked

import ray  # pyright: ignore[reportMissingImports]
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError  # pyright: ignore[reportMissingImports]
from ray.util.queue import Queue  # pyright: ignore[reportMissingImports]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # pyright: ignore[reportMissingImports]

from selfcorrect.core.errors import LostJobError, NodeError, SettingError, shorten_message
from selfcorrect.runtime.machine import Machine

from ...on_node import TRIES, Ending, Losses, RemoteJob, forwarded_variables
from ...progress_bars import Event
from ...run import Job, Show, Submit
from ...where import GB, Where

_PACE_S = 0.5
"""Interval at which jobs are polled, in s."""
_WAIT_S = 10.0
"""Longest wait, in s, for a cluster's head to accept a connection, and for the thread that watches the jobs to end."""


@contextmanager
def run_on_ray(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run jobs on a Ray cluster.

    Options:
        address: Address of the head (HOST:PORT), or "local" for a cluster that lasts as long as the command (default:
            RAY_ADDRESS, or the cluster of this machine).
        autoscaling: "yes" if the cluster starts nodes on demand. Jobs then wait for nodes that are large enough.
        modules: Folder of a Python package that Ray copies to the nodes because they do not have it.
    """
    with redirect_stdout(sys.stderr), _connection(where.options) as is_own:  # Ray prints what its nodes report
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        events = Queue(actor_options={"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}).actor
        jobs = _Jobs(folder, events, show, waits_for_nodes=where.options.get("autoscaling") == "yes")
        try:
            yield jobs.submit
        finally:
            jobs.stop(cancel=not is_own)


@contextmanager
def _connection(options: Mapping[str, str]) -> Iterator[bool]:
    """Connect to a Ray cluster.

    Yields False if the program was already connected, and True otherwise.

    Raises:
        SettingError: No cluster can be reached, or its versions of Ray or Python differ.
    """
    if ray.is_initialized():
        yield False
        return
    address = options.get("address") or os.environ.get("RAY_ADDRESS") or "auto"
    modules = options.get("modules")
    environment = {"py_modules": [str(Path(modules).resolve())]} if modules else None
    on_termination = signal.getsignal(signal.SIGTERM)
    _require_answer(address)
    try:
        ray.init(address, runtime_env=environment, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SettingError(
            f"no Ray cluster can be joined at {address}: {shorten_message(error)}; expected a running head (`ray start "
            "--head`) with the versions of Ray and Python of this machine"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_termination)  # Ray's handler raises SystemExit anywhere
    try:
        yield True
    finally:
        ray.shutdown()  # ends the running jobs


def _require_answer(address: str) -> None:
    """Raise SettingError if no head answers at the address, because Ray itself would try for a minute."""
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_WAIT_S).close()
    except OSError as error:
        raise SettingError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); expected HOST:PORT of a running head"
        ) from error


class _Jobs:
    """Running jobs, and the thread that watches them."""

    def __init__(self, folder: Path | None, events: Any, show: Show, *, waits_for_nodes: bool) -> None:
        self._folder = folder
        self._events = events
        self._show = show
        self._waits_for_nodes = waits_for_nodes
        self._variables = forwarded_variables()
        self._started: SimpleQueue[tuple[Job, Future[Machine | None]]] = SimpleQueue()
        self._running: dict[Any, tuple[Job, Future[Machine | None]]] = {}
        self._losses = Losses()
        self._is_over = threading.Event()
        self._attendant = threading.Thread(target=self._attend, daemon=True)
        self._attendant.start()

    def submit(self, job: Job) -> Future[Machine | None]:
        """Start a job. Raises SettingError if no node is large enough."""
        future: Future[Machine | None] = Future()
        if not self._waits_for_nodes:
            _require_node(job)
        self._started.put((job, future))
        return future

    def stop(self, *, cancel: bool) -> None:
        """Stop watching the jobs.

        Args:
            cancel: Whether to cancel running jobs, which is needed if the connection stays open.
        """
        self._is_over.set()
        self._attendant.join(_WAIT_S)
        for reference in self._running if cancel else ():
            ray.cancel(reference, force=True)

    def _attend(self) -> None:
        try:
            is_over = False
            while not is_over:
                is_over = self._is_over.is_set()
                self._start_waiting()
                done: list[Any] = []
                if self._running:
                    done, _ = ray.wait([*self._running], num_returns=len(self._running), timeout=_PACE_S)
                else:
                    self._is_over.wait(_PACE_S / 10)
                self._show_events()
                for reference in done:
                    self._settle(reference)
        except Exception as error:  # for example, the head was lost
            for _, future in self._running.values():
                if not future.done():
                    future.set_exception(NodeError(f"the Ray cluster was lost: {shorten_message(error)}"))

    def _start_waiting(self) -> None:
        with suppress(Empty):
            while True:
                self._start(*self._started.get_nowait())

    def _start(self, job: Job, future: Future[Machine | None]) -> None:
        asked = job.resources
        task = _run.options(  # type: ignore[attr-defined]
            name=job.name, num_cpus=asked.cores, num_gpus=asked.gpus, memory=int(asked.memory_gb * GB)
        )
        remote_job = RemoteJob.make(job, self._folder, self._variables)
        self._running[task.remote(remote_job, self._events)] = (job, future)

    def _show_events(self) -> None:
        with suppress(RayError):  # jobs continue without progress
            count = ray.get(self._events.qsize.remote(), timeout=_PACE_S)
            for event in ray.get(self._events.get_nowait_batch.remote(count), timeout=_PACE_S) if count else ():
                self._losses.note(event)
                self._show(event)

    def _settle(self, reference: Any) -> None:
        job, future = self._running.pop(reference)
        try:
            ending: Ending = ray.get(reference)
        except RayTaskError as error:  # a package is missing on the node
            ending = NodeError(f"a node cannot run jobs: {shorten_message(error.cause or error)}")
        except RuntimeEnvSetupError as error:
            ending = SettingError(f"the runner option modules cannot be used: {shorten_message(error)}")
        except RayError as error:
            if self._losses.may_repeat(job.name):
                self._start(job, future)
                return
            reason = str(error).partition("\n")[0][:300]
            ending = LostJobError(f"the worker or node was lost {TRIES} times ({type(error).__name__}: {reason})")
        if isinstance(ending, Exception):
            future.set_exception(ending)
        else:
            future.set_result(ending)


def _require_node(job: Job) -> None:
    """Raise SettingError if a job asks for more than any node has, because Ray would wait without a message."""
    asked = job.resources
    wanted = {"CPU": asked.cores, "GPU": asked.gpus, "memory": asked.memory_gb * GB}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
        return
    have = "; ".join(sorted({_describe_node(node) for node in nodes}))
    raise SettingError(
        f"{job.name} asks for {asked}, and no node of the Ray cluster has that (they have {have}); ask for less with "
        "--runner-options, or pass autoscaling yes if larger nodes start on demand"
    )


def _describe_node(node: Mapping[str, float]) -> str:
    gpus = f", {node['GPU']:g} GPUs" if node.get("GPU") else ""
    return f"{node.get('CPU', 0):g} cores{gpus}, {node.get('memory', 0) / GB:.3g} GB"


@ray.remote(max_retries=0)
def _run(remote_job: RemoteJob, events: Any) -> Ending:
    send: Callable[[Event], Any] = events.put_nowait.remote
    return remote_job.run(send)
