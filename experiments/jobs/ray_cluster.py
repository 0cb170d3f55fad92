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
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unless asked
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ part writes to the terminal, around Python

import ray
import ray.exceptions
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfcorrect.core.errors import ClusterLostError, InUseError, SettingError, WorkerError, shorten_message
from selfcorrect.runtime.processes import limit_threads
from selfcorrect.storage.files.writing import scratch_folder
from selfcorrect.storage.runs.run_folder import config_differences, describe_environment

from .progress_bars import reporter
from .run import Job, Show, Submit, use_one_thread
from .where import Cluster, Where

CONNECT_S = 10.0
"""Longest time for an answer of a head."""
_PACE_S = 1.0
"""Time between two reports of a job's progress, and between two checks that the head answers."""
HEAD_GONE_S = 30.0
"""Longest time without a head; Ray would wait for 60 s."""
LEAVE_S = 10.0
"""Longest time to leave the cluster."""
IN_USE_S = 180.0
"""Longest wait for a folder that a job on a lost node has locked. Shared file systems drop the locks of a lost machine
after a minute or two."""


@contextmanager
def ray_cluster(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run jobs on the cluster that `where` names, as many at once as there is room for."""
    cluster = where.cluster
    marker = nullcontext() if folder is None else scratch_folder(folder / "cluster")
    with _connect(cluster.cluster or "auto"), marker as marker_folder:
        conditions = describe_environment(), marker_folder
        _check_nodes(conditions, cluster)
        near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        events = Queue(actor_options={"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": near}).actor
        resources = {
            "num_cpus": cluster.cpus_per_job,
            "num_gpus": cluster.gpus_per_job,
            "memory": 1e9 * (cluster.memory_per_job or 0),
        }
        pending: set[Future[None]] = set()

        def submit(job: Job) -> Future[None]:
            """Start a job; Ray never repeats the job, because only the schedule counts failures."""
            future: Future[None] = Future()
            pending.add(future)
            future.add_done_callback(pending.discard)
            result = (
                _run.options(name=job.name, **resources)
                .remote(job, Path.cwd(), conditions, events, cluster.cpus_per_job)
                .future()
            )
            result.add_done_callback(lambda result: _end(future, result.exception()))
            return future

        ended = threading.Event()
        attendant = threading.Thread(target=_attend, args=(events, show, pending, ended), daemon=True)
        attendant.start()
        try:
            yield submit
        finally:
            ended.set()
            attendant.join(timeout=5)


@contextmanager
def _connect(address: str) -> Iterator[None]:
    """Join a cluster while the body runs; at the end, the cluster ends all jobs of this process."""
    require_reachable(address)
    on_termination = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_termination)  # Ray's own would raise SystemExit in the middle of the work
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SettingError(f"the Ray cluster at {address} cannot be used: {shorten_message(error)}") from error
    try:
        yield
    finally:
        leaving = threading.Thread(target=ray.shutdown, daemon=True)
        leaving.start()
        leaving.join(LEAVE_S)  # without a head, it would not end


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


def _attend(events: Any, show: Show, pending: set[Future[None]], ended: threading.Event) -> None:
    """Show the events of jobs, and let the pending jobs fail when the head of the cluster is gone for good.

    Ray waits for a head that comes back (with a state in Redis), and ends this process after a minute.
    """
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    last_answer_s = time.monotonic()
    is_over = False
    while not is_over:
        is_over = ended.wait(_PACE_S)
        with suppress(ray.exceptions.RayError):  # progress is not seen for a while, the work goes on
            count = ray.get(events.qsize.remote(), timeout=_PACE_S)
            for event in ray.get(events.get_nowait_batch.remote(count), timeout=_PACE_S):
                show(event)
        try:
            socket.create_connection((host, int(port)), _PACE_S).close()
            last_answer_s = time.monotonic()
        except OSError:
            if time.monotonic() - last_answer_s < HEAD_GONE_S:
                continue
            lost = ClusterLostError(
                f"the head of the Ray cluster at {host}:{port} is gone; finished work is kept, and the same command "
                "continues on a new cluster, or without --cluster"
            )
            for future in list(pending):
                _end(future, lost)


Conditions: TypeAlias = tuple[Mapping[str, Any], Path | None]
"""Conditions that a node must meet: the software of this machine, and a folder in the run folder that only this command
has made."""


def find_objection(conditions: Conditions) -> str:
    """Return the reason why this process cannot run the jobs, "" if it can."""
    software, marker = conditions
    node_name = f"node {socket.gethostname()} of the cluster"
    if differences := config_differences(software, describe_environment(), ("on this machine", "there")):
        return f"{node_name} has other software than this machine, so results would differ: {' '.join(differences)}"
    if marker is None:
        return ""
    try:
        (marker / secrets.token_hex(8)).touch()
    except OSError:
        return (
            f"{node_name} cannot write the output folder {marker.parent}; all nodes need storage with "
            "the folder at the same path"
        )
    return ""


def _check_nodes(conditions: Conditions, cluster: Cluster) -> None:
    """Raise SettingError for the first node that does not meet the conditions; warn if a job fits on none."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    ask = ray.remote(num_cpus=0, max_retries=0)(find_objection)
    addresses = {}
    for node in nodes:
        on_node = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        reference = ask.options(scheduling_strategy=on_node).remote(conditions)
        addresses[reference] = node["NodeManagerAddress"]
    for reference, address in addresses.items():
        try:
            objection = ray.get(reference)
        except (
            ray.exceptions.NodeDiedError,
            ray.exceptions.TaskUnschedulableError,
            ray.exceptions.OutOfMemoryError,
        ):
            continue  # the node has gone or is full for now, and is asked again at each job that it gets
        except ray.exceptions.RayError as error:
            message, _, _ = shorten_message(_cause(error)).partition(" traceback: ")
            raise SettingError(
                f"the node at {address} cannot run selfcorrect ({message.removeprefix('System error: ')}); install "
                "the same version there as on this machine, and start Ray from that environment"
            ) from error
        if objection:
            raise SettingError(f"{objection} (at {address})")
    memory_gb = cluster.memory_per_job or 0
    needed = {"CPU": cluster.cpus_per_job, "GPU": cluster.gpus_per_job, "memory": memory_gb * 1e9}
    if not any(all(node["Resources"].get(name, 0) >= value for name, value in needed.items()) for node in nodes):
        resources = f"{cluster.cpus_per_job} CPUs, {cluster.gpus_per_job:g} GPUs and {memory_gb:g} GB of memory"
        warnings.warn(f"no node of the cluster has {resources} for a job: waiting for such a node", stacklevel=2)


def _end(future: Future[None], error: BaseException | None) -> None:
    """End a job, unless over."""
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(_cause(error))


def _cause(error: BaseException) -> BaseException:
    """Return the error that a job raised, or the error that ended the worker."""
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
def _run(job: Job, directory: Path, conditions: Conditions, events: Any, cores: int) -> None:
    """Run a job on a node; a job on a lost node may have locked the folder for a while."""
    use_one_thread()
    if objection := find_objection(conditions):
        raise WorkerError(objection)
    if directory.is_dir():
        os.chdir(directory)  # relative paths start where the command was started
    deadline_s = time.monotonic() + IN_USE_S
    while True:
        try:
            with limit_threads(cores):
                return job.function(*job.arguments, reporter(events.put_nowait.remote, job.name, _PACE_S))
        except InUseError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(2)
