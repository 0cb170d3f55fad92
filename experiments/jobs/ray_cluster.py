"""Run jobs on a Ray cluster. Ray decides where a job runs; the run folder holds the state of the run, as always.

Every node needs the same software and the run folder at the same path. Both are checked on each node before anything is
written, and again at each job, as nodes come and go.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unless asked
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ part writes to the terminal, around Python

import ray
import ray.exceptions
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfcorrect.core.errors import ClusterLostError, InUseError, SettingError, WorkerError
from selfcorrect.storage.files.writing import scratch_folder
from selfcorrect.storage.runs.run_folder import describe_environment

from .progress_bars import reporter
from .run import Job, Show, Submit, use_one_thread
from .where import Cluster, Where

CONNECT_S = 10.0
"""Longest time in which a head answers."""
EVENT_PACE_S = 1.0
"""Time between two reports of a job's progress."""
WATCH_S = 3.0
"""Time between two checks that the head answers."""
HEAD_GONE_S = 30.0
"""Longest time without a head; Ray would wait for 60 s."""
LEAVE_S = 10.0
"""Longest time to leave the cluster."""
IN_USE_S = 180.0
"""Longest wait for a folder that a job on a lost node has locked. Shared file systems drop the locks of a lost machine
after a minute or two."""


@contextmanager
def ray_cluster(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run jobs on the cluster that `where` names, as many at once as it has room for."""
    with _connect(where.cluster.cluster or "auto"), _Meeting.create(folder) as meeting:
        _check_nodes(_list_workers(), meeting)
        _warn_of_no_room(where.cluster)
        resources = {"num_cpus": where.cluster.cpus_per_job, "num_gpus": where.cluster.gpus_per_job}
        if where.cluster.memory_per_job is not None:
            resources["memory"] = where.cluster.memory_per_job * 1e9
        with _show_events(show) as channel, _watch_cluster() as pending:
            yield lambda job: _submit(job, meeting, channel, resources, pending)


# --- the connection --------------------------------------------------------------------------------------------------


@contextmanager
def _connect(address: str) -> Iterator[None]:
    """Join a cluster while the body runs; at its end, the cluster ends all jobs of this process."""
    require_reachable(address)
    on_termination = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_termination)  # Ray's own would raise SystemExit in the middle of the work
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SettingError(f"the Ray cluster at {address} cannot be used: {_in_one_line(error)}") from error
    try:
        yield
    finally:
        leaving = threading.Thread(target=ray.shutdown, daemon=True)
        leaving.start()
        leaving.join(LEAVE_S)  # without a head, it would not end


@contextmanager
def _watch_cluster() -> Iterator[set[Future[None]]]:
    """While the body runs, let the jobs that it adds to this set fail when the head of the cluster is gone for good.

    Ray waits for a head that comes back (with its state in Redis), and ends this process after a minute.
    """
    pending: set[Future[None]] = set()
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(pending, ended), daemon=True)
    thread.start()
    try:
        yield pending
    finally:
        ended.set()


def _watch(pending: set[Future[None]], ended: threading.Event) -> None:
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    last = time.monotonic()
    while not ended.wait(WATCH_S):
        try:
            socket.create_connection((host, int(port)), WATCH_S).close()
            last = time.monotonic()
        except OSError:
            if time.monotonic() - last < HEAD_GONE_S:
                continue
            lost = ClusterLostError(
                f"the head of the Ray cluster at {host}:{port} is gone; finished work is kept, and the same command "
                "continues on a new cluster, or without --cluster"
            )
            for future in list(pending):
                _end(future, lost)


def require_reachable(address: str) -> None:
    """Raise SettingError at once if nothing listens at an address; Ray would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise SettingError(f"cluster must be auto or HOST:PORT of the head of a Ray cluster, got {address}")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise SettingError(
            f"no Ray cluster answers at {address} ({error}); `ray status --address {address}` on this machine must work"
        ) from error


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


# --- requirements of nodes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meeting:
    """Conditions that a node must meet: the same software, and the run folder."""

    directory: Path
    """Folder in which the command was started; relative paths start there."""
    software: Mapping[str, Any]
    place: Path | None = None
    """A folder in the run folder that only this command has made."""

    @classmethod
    @contextmanager
    def create(cls, folder: Path | None) -> Iterator[_Meeting]:
        """Yield the conditions of this process, with a place in the folder while the body runs."""
        meeting = cls(Path.cwd(), _describe_software())
        if folder is None:
            yield meeting
            return
        with scratch_folder(folder / "cluster") as scratch:
            place = scratch / secrets.token_hex(8)
            place.mkdir()
            yield replace(meeting, place=place)

    def objection(self) -> str:
        """Return the reason for which this process cannot run the jobs, "" if it can."""
        node_software = _describe_software()
        node_name = f"node {socket.gethostname()} of the cluster"
        differences = []
        for name, version in self.software.items():
            if version != node_software.get(name):
                differences.append(f"{name} {node_software.get(name)} instead of {version}")
        if differences:
            return (
                f"{node_name} has other software than this machine, so results would differ: {', '.join(differences)}"
            )
        if self.place is None:
            return ""
        try:
            (self.place / secrets.token_hex(8)).touch()
        except OSError:
            folder = self.place.parent.parent
            return (
                f"{node_name} cannot write the output folder {folder}; it must be on storage with the same path on all "
                "nodes"
            )
        return ""


def _describe_software() -> dict[str, Any]:
    details: dict[str, Any] = dict(describe_environment())
    packages = details.pop("packages")
    return {**details, **packages}


def _list_workers() -> list[Mapping[str, Any]]:
    """Return the nodes that may get jobs."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def _check_nodes(nodes: Sequence[Mapping[str, Any]], meeting: _Meeting) -> None:
    """Raise SettingError for the first node that does not meet the conditions."""
    address_by_reference = {}
    for node in nodes:
        on_node = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        reference = _objection.options(scheduling_strategy=on_node).remote(meeting)
        address_by_reference[reference] = node["NodeManagerAddress"]
    for reference, address in address_by_reference.items():
        try:
            objection = ray.get(reference)
        except (
            ray.exceptions.NodeDiedError,
            ray.exceptions.TaskUnschedulableError,
            ray.exceptions.OutOfMemoryError,
        ):
            continue  # the node has gone or is full for now, and is asked again at each job that it gets
        except ray.exceptions.RayError as error:
            message, _, _ = _in_one_line(_cause(error)).partition(" traceback: ")
            raise SettingError(
                f"the node at {address} cannot run selfcorrect ({message.removeprefix('System error: ')}); install "
                "the same version there as on this machine, and start Ray from that environment"
            ) from error
        if objection:
            raise SettingError(f"{objection} (at {address})")


@ray.remote(num_cpus=0, max_retries=0)
def _objection(meeting: _Meeting) -> str:
    return meeting.objection()


def _warn_of_no_room(cluster: Cluster) -> None:
    memory_gb = cluster.memory_per_job or 0
    needed = {"CPU": cluster.cpus_per_job, "GPU": cluster.gpus_per_job, "memory": memory_gb * 1e9}
    for node in _list_workers():
        if all(node["Resources"].get(name, 0) >= value for name, value in needed.items()):
            return
    resources = f"{cluster.cpus_per_job:g} CPUs, {cluster.gpus_per_job:g} GPUs and {memory_gb:g} GB of memory"
    warnings.warn(f"no node of the cluster has {resources} for a job: waiting for one that has", stacklevel=2)


# --- jobs ------------------------------------------------------------------------------------------------------------


def _submit(
    job: Job, meeting: _Meeting, channel: Any, resources: Mapping[str, Any], pending: set[Future[None]]
) -> Future[None]:
    """Start a job; Ray itself never tries it again, because only the schedule counts failures."""
    settled: Future[None] = Future()
    pending.add(settled)
    settled.add_done_callback(pending.discard)
    reference = _run.options(name=job.name, **resources).remote(job, meeting, channel)
    reference.future().add_done_callback(lambda future: _end(settled, future.exception()))
    return settled


def _end(future: Future[None], error: BaseException | None) -> None:
    """End a job, unless it has ended."""
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(_cause(error))


def _cause(error: BaseException) -> BaseException:
    """Return the error that a job raised, or the error that ended its worker."""
    if isinstance(error, ray.exceptions.RayTaskError):
        return getattr(error, "cause", None) or error
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return WorkerError("its node ran out of memory; reserve more for a job with --memory-per-job")
    if isinstance(error, ray.exceptions.NodeDiedError):
        return WorkerError("its node is gone")
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        return WorkerError("its worker process died (killed, or out of memory)")
    return error


@ray.remote(max_retries=0)
def _run(job: Job, meeting: _Meeting, channel: Any) -> None:
    use_one_thread()
    if objection := meeting.objection():
        raise WorkerError(objection)
    if meeting.directory.is_dir():
        os.chdir(meeting.directory)
    _when_free(lambda: job.function(*job.arguments, reporter(channel.put_nowait.remote, job.name, EVENT_PACE_S)))


def _when_free(work: Callable[[], None]) -> None:
    """Do work in a folder that a job on a lost node may have locked for a while."""
    deadline_s = time.monotonic() + IN_USE_S
    while True:
        try:
            return work()
        except InUseError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(2)


# --- progress --------------------------------------------------------------------------------------------------------


@contextmanager
def _show_events(show: Show) -> Iterator[Any]:
    """Show events while the body runs; yield the actor of the queue into which jobs put them."""
    near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    events = Queue(actor_options={"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": near})
    ended = threading.Event()

    def show_all() -> None:
        is_over = False
        while not is_over:
            is_over = ended.wait(EVENT_PACE_S)
            with suppress(ray.exceptions.RayError):  # progress is not seen for a while, the work goes on
                for event in events.get_nowait_batch(events.qsize()):
                    show(event)

    thread = threading.Thread(target=show_all, daemon=True)
    thread.start()
    try:
        yield events.actor
    finally:
        ended.set()
        thread.join(timeout=5)
