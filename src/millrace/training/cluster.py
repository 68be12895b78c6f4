"""The processes of a cluster, from TF_CONFIG, SLURM or Kubernetes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from millrace.errors import MillraceError

KUBERNETES_PORT = 2222
# SLURM may put two jobs on one machine, so each job has its own ports.
FIRST_SLURM_PORT, SLURM_PORTS_PER_JOB, SLURM_JOBS = 20000, 20, 1000


@dataclass(frozen=True)
class Cluster:
    """The processes that train together.

    Attributes:
        jobs: the addresses, host:port, of the processes in each job: `worker` and optionally
            `chief` and `ps`.
        job, index: the job and index of this process.
    """

    jobs: Mapping[str, tuple[str, ...]]
    job: str
    index: int

    @property
    def address(self) -> str:
        """The address of this process."""
        return self.jobs[self.job][self.index]

    @property
    def addresses(self) -> list[str]:
        """The addresses of all processes."""
        return [address for job in self.jobs.values() for address in job]

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that writes the artifacts."""
        return (self.job, self.index) == ("chief" if "chief" in self.jobs else "worker", 0)

    def to_tf_config(self) -> str:
        """Returns the cluster as the value of the environment variable TF_CONFIG."""
        task = {"type": self.job, "index": self.index}
        return json.dumps({"cluster": dict(self.jobs), "task": task})


def find(environment: Mapping[str, str]) -> Cluster | None:
    """Returns the cluster of this process; None if it is alone.

    TF_CONFIG takes precedence over SLURM (one process per task of a step with several tasks) and
    Kubernetes (an indexed job, whose pods have MILLRACE_WORKERS set to its completions).

    Raises:
        MillraceError: TF_CONFIG is not valid, or does not say which process this is.
    """
    if "TF_CONFIG" in environment:
        return from_tf_config(environment["TF_CONFIG"])
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return from_slurm(environment)
    if int(environment.get("MILLRACE_WORKERS", 1)) > 1 and "JOB_COMPLETION_INDEX" in environment:
        return from_kubernetes(environment, socket.getfqdn())
    return None


def from_tf_config(text: str) -> Cluster:
    """Reads TF_CONFIG; a process without others is a cluster of one."""
    example = Cluster({"worker": ("host0:2222", "host1:2222")}, "worker", 0)
    note = f"for the first of two workers it is {example.to_tf_config()}."
    try:
        config = json.loads(text)
        jobs = {job: tuple(addresses) for job, addresses in config["cluster"].items()}
        job, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MillraceError(
            f"TF_CONFIG: expected JSON with `cluster` and `task`, found {text!r} "
            f"({type(error).__name__}: {error}).",
            note=note,
        ) from None
    if not 0 <= index < len(jobs.get(job, ())):
        raise MillraceError(
            f"TF_CONFIG: expected `task` to name one of the processes in `cluster`, found {job} "
            f"{index} beside { ({job: len(addresses) for job, addresses in jobs.items()}) }.",
            note=note,
        )
    for address in (address for addresses in jobs.values() for address in addresses):
        if not re.fullmatch(r".+:\d+", str(address)):
            raise MillraceError(
                f"TF_CONFIG: expected addresses such as host:2222, found {address!r}.", note=note
            )
    return Cluster(jobs, job, index)


def from_slurm(environment: Mapping[str, str]) -> Cluster:
    """Reads the variables that `srun` sets, and asks SLURM for the nodes' addresses."""
    nodes = _lines("scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"])
    per_node = _tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
    job = int(environment["SLURM_JOB_ID"]) % SLURM_JOBS
    first = FIRST_SLURM_PORT + job * SLURM_PORTS_PER_JOB
    hosts = [_node_address(node) for node, n in zip(nodes, per_node, strict=True) for _ in range(n)]
    workers = tuple(f"{host}:{first + place}" for place, host in enumerate(hosts))
    return Cluster({"worker": workers}, "worker", int(environment["SLURM_PROCID"]))


def _tasks_per_node(text: str) -> list[int]:
    """Expands SLURM's short form: 2(x3),1 means 2, 2, 2, 1."""
    counts: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts


def _node_address(node: str) -> str:
    """Returns the address that SLURM uses for a node, whose name may not be in the DNS."""
    described = " ".join(_lines("scontrol", "show", "node", node, "--oneliner"))
    found = re.search(r"\bNodeAddr=(\S+)", described)
    return found.group(1) if found else node


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MillraceError(
            f"{' '.join(command)}: expected SLURM's answer, found {done.stderr!r}.",
            note="check that SLURM answers where the job runs, as with `scontrol show hostnames`.",
        )
    return done.stdout.split("\n")[:-1]


def from_kubernetes(environment: Mapping[str, str], name: str) -> Cluster:
    """Reads the variables of an indexed job, whose pods are named <job>-<index>.<service>….

    Args:
        environment: has JOB_COMPLETION_INDEX and MILLRACE_WORKERS.
        name: this pod's full name.
    """
    host, _, domain = name.partition(".")
    index = int(environment["JOB_COMPLETION_INDEX"])
    stem = host.removesuffix(f"-{index}")
    if stem == host or not domain:
        raise MillraceError(
            f"host name: expected <job>-{index}.<service>, found {name!r}.",
            note="an indexed job needs a headless service, named as `subdomain` of its pods.",
        )
    count = int(environment["MILLRACE_WORKERS"])
    workers = tuple(f"{stem}-{i}.{domain}:{KUBERNETES_PORT}" for i in range(count))
    return Cluster({"worker": workers}, "worker", index)


def await_peers(cluster: Cluster, seconds: float) -> None:
    """Waits until all other processes of the cluster listen, while listening itself.

    Raises:
        MillraceError: some process does not within the time, or this address is in use.
    """
    until = time.monotonic() + seconds
    missing = [address for address in cluster.addresses if address != cluster.address]
    port = int(cluster.address.rpartition(":")[2])
    try:
        door = socket.create_server(("", port), reuse_port=True)
    except OSError as error:
        raise MillraceError(
            f"{cluster.address}: expected a free port to listen on, found {error.strerror}.",
            note="another process may still be using it.",
        ) from None
    with door:
        while missing:
            missing = [address for address in missing if not listens(address)]
            if missing and time.monotonic() > until:
                raise MillraceError(
                    f"{cluster.job} {cluster.index}: expected all {len(cluster.addresses)} "
                    f"processes of the cluster within {seconds:g} s, found none at "
                    f"{', '.join(missing)}.",
                    note="start the same command there, and check for a firewall between them; "
                    "training.connect_seconds is the time limit.",
                )
            if missing:
                time.sleep(0.2)


def listens(address: str) -> bool:
    """Returns whether a process listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def lost(here: Cluster, processes: list[str]) -> MillraceError:
    """Returns the error for other processes that have exited."""
    return MillraceError(
        f"{here.job} {here.index}: expected all workers to keep running, lost "
        f"{', '.join(processes) or 'one of them'}.",
        note="its log has the reason. Restart all of them: they resume from the last checkpoint.",
    )
