"""Runs jobs on a Ray cluster. Ray decides where a job runs; what is known of a run is in its folder, as everywhere.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unless asked
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ part writes to the terminal, around Python

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfcorrect.core.errors import ClusterLostError, InUseError, SettingError, WorkerError
from selfcorrect.storage.files.writing import scratch_folder
from selfcorrect.storage.runs.run_folder import describe_environment

from .progress_bars import Event, reporter
from .run import Job, Show, Submit, use_one_thread
from .where import Cluster, Where

CONNECT_S = 10.0
"""Longest time for a head to answer."""
EVENT_PACE_S = 1.0
"""A job reports its progress once in so many seconds."""
WATCH_S = 3.0
"""The head is asked for once in so many seconds."""
HEAD_GONE_S = 30.0
"""Longest time without a head; Ray would wait for 60 s."""
LEAVE_S = 10.0
IN_USE_S = 180.0
"""Longest wait for a folder that a predecessor locks, whose node is gone. Shared file systems drop the locks of
a lost machine after a minute or two."""


@contextmanager
def ray_cluster(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Runs jobs on the cluster that `where` names, as many at once as it has room for."""
    with _connect(where.cluster.cluster or "auto"), _Meeting.create(folder) as meeting:
        _check_nodes(_workers(), meeting)
        _warn_of_no_room(where.cluster)
        with _show_events(show) as channel, _watch_cluster() as pending:
            yield lambda job: _submit(job, meeting, channel, _resources(where.cluster), pending)


# --- the connection --------------------------------------------------------------------------------------------------


@contextmanager
def _connect(address: str) -> Iterator[None]:
    """Part of a cluster as long as the body runs; leaving it, however, ends all that it started there."""
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
        leaving.join(LEAVE_S)  # of a cluster without a head there is no end


@contextmanager
def _watch_cluster() -> Iterator[set[Future[None]]]:
    """While the body runs, jobs that it adds to this set fail when the head of the cluster is gone for good.

    Ray waits for a head that comes back (with its state in Redis), and after a minute ends this process, unasked.
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
                f"the head of the Ray cluster at {host}:{port} is gone; what is finished is kept, and the same command "
                "goes on when there is a cluster again, or without --cluster"
            )
            for future in list(pending):
                _end(future, lost)


def require_reachable(address: str) -> None:
    """SettingError at once for an address where nothing listens: Ray would ask for minutes."""
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


# --- every node must be fit for the work -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meeting:
    """Conditions that a node must meet: the same software, and the run folder with a secret in it."""

    directory: Path
    """Folder in which the command was started; relative paths start there."""
    software: Mapping[str, Any]
    secret: str = ""
    place: Path | None = None
    """A folder in the run folder that holds the secret."""

    @classmethod
    @contextmanager
    def create(cls, folder: Path | None) -> Iterator[_Meeting]:
        """One that can be found as long as the body runs."""
        if folder is None:
            yield cls(Path.cwd(), _software())
            return
        with scratch_folder(folder / "cluster") as place:
            meeting = cls(Path.cwd(), _software(), secrets.token_hex(8), place)
            (place / "secret").write_text(meeting.secret)
            yield meeting

    def objection(self) -> str:
        """Return the reason why this process cannot run the jobs, "" if it can."""
        node_software = _software()
        node_name = f"node {socket.gethostname()} of the cluster"
        if differing := [name for name in self.software if self.software[name] != node_software.get(name)]:
            differences = ", ".join(
                f"{name} {node_software.get(name)} instead of {self.software[name]}" for name in differing
            )
            return f"{node_name} has other software than this one, so results would differ: {differences}"
        if self.place is None:
            return ""
        try:
            secret = (self.place / "secret").read_text()
            (self.place / secrets.token_hex(8)).touch()
        except OSError as error:
            secret = str(error)
        if secret != self.secret:
            return (
                f"{node_name} cannot read and write the output folder {self.place.parent}; it must be on storage that "
                "all nodes have at the same path"
            )
        return ""


def _software() -> dict[str, Any]:
    details = describe_environment()
    packages: Any = details["packages"]
    return {**{name: value for name, value in details.items() if name != "packages"}, **packages}


def _workers() -> list[Mapping[str, Any]]:
    """The nodes that may get jobs."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def _check_nodes(nodes: Sequence[Mapping[str, Any]], meeting: _Meeting) -> None:
    """SettingError for the first node that is not fit."""
    asked = {
        _objection.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            meeting
        ): node["NodeManagerAddress"]
        for node in nodes
    }
    for reference, address in asked.items():
        try:
            objection = ray.get(reference)
        except (
            ray.exceptions.NodeDiedError,
            ray.exceptions.TaskUnschedulableError,
            ray.exceptions.OutOfMemoryError,
        ):
            continue  # the node has gone or is full for now, and is asked again at each job that it gets
        except ray.exceptions.RayError as error:
            raise SettingError(
                f"the node at {address} cannot run selfcorrect ({_reason(_cause(error))}); install the same version "
                "there as here, and start Ray from that environment"
            ) from error
        if objection:
            raise SettingError(f"{objection} (at {address})")


def _reason(error: BaseException) -> str:
    """The message of a worker that could not even begin, without its traceback."""
    return _in_one_line(error).partition(" traceback: ")[0].removeprefix("System error: ")


@ray.remote(num_cpus=0, max_retries=0)
def _objection(meeting: _Meeting) -> str:
    return meeting.objection()


def _warn_of_no_room(cluster: Cluster) -> None:
    needed = {"CPU": cluster.cpus_per_job, "GPU": cluster.gpus_per_job, "memory": (cluster.memory_per_job or 0) * 1e9}
    if not any(all(node["Resources"].get(name, 0) >= value for name, value in needed.items()) for node in _workers()):
        asked = f"{needed['CPU']:g} CPUs, {needed['GPU']:g} GPUs and {needed['memory'] / 1e9:g} GB of memory"
        warnings.warn(f"no node of the cluster has {asked} for a job: waiting for one that has", stacklevel=2)


# --- jobs ------------------------------------------------------------------------------------------------------------


def _resources(cluster: Cluster) -> dict[str, Any]:
    memory = {} if cluster.memory_per_job is None else {"memory": cluster.memory_per_job * 1e9}
    return {"num_cpus": cluster.cpus_per_job, "num_gpus": cluster.gpus_per_job, **memory}


def _submit(
    job: Job, meeting: _Meeting, channel: Any, resources: Mapping[str, Any], pending: set[Future[None]]
) -> Future[None]:
    """Start a job; Ray itself tries nothing again, as only the schedule knows what became of a job before."""
    settled: Future[None] = Future()
    pending.add(settled)
    settled.add_done_callback(pending.discard)
    reference = _run.options(name=job.name, **resources).remote(job, meeting, channel)
    reference.future().add_done_callback(lambda future: _end(settled, future.exception()))
    return settled


def _end(future: Future[None], error: BaseException | None) -> None:
    """Have a job end, unless it has."""
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(_cause(error))


def _cause(error: BaseException) -> BaseException:
    """Return the error that a job raised, or the one that ended its worker."""
    if isinstance(error, ray.exceptions.RayTaskError):
        return getattr(error, "cause", None) or error
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return WorkerError("its node ran out of memory; set more aside for a job with --memory-per-job")
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
    _when_free(lambda: job.function(*job.arguments, reporter(channel.append.remote, job.name, EVENT_PACE_S)))


def _when_free(work: Callable[[], None]) -> None:
    """Do what needs a folder that a predecessor may hold for a while, who is believed dead."""
    until = time.monotonic() + IN_USE_S
    while True:
        try:
            return work()
        except InUseError:
            if time.monotonic() > until:
                raise
            time.sleep(2)


# --- progress --------------------------------------------------------------------------------------------------------


@ray.remote(num_cpus=0, max_restarts=-1)
class _Channel:
    """Events on their way from jobs to the process that started them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        self.events.append(event)

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events


@contextmanager
def _show_events(show: Show) -> Iterator[Any]:
    """Show events while the body runs; its value is where jobs put them."""
    near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    channel = _Channel.options(scheduling_strategy=near).remote()  # type: ignore[attr-defined]
    ended = threading.Event()
    thread = threading.Thread(target=_show_all, args=(channel, show, ended), daemon=True)
    thread.start()
    try:
        yield channel
    finally:
        ended.set()
        thread.join(timeout=5)


def _show_all(channel: Any, show: Show, ended: threading.Event) -> None:
    while not ended.wait(EVENT_PACE_S):
        _show_new(channel, show)
    _show_new(channel, show)


def _show_new(channel: Any, show: Show) -> None:
    try:
        events = ray.get(channel.take.remote(), timeout=10)
    except ray.exceptions.RayError:  # progress is not seen for a while, the work goes on
        return
    for event in events:
        show(event)
