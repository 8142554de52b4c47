"""A real SLURM of one node on this machine: Debian's packages slurm-wlm and munge, or those of another system."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")

SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000
MpiDefault=none
KillWait=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
"""Without control groups and accounting, which need more than one machine and user may give."""


@contextmanager
def single_node(folder: Path) -> Iterator[Path]:
    """Starts SLURM with its files in the folder, gives its settings, and stops it; skips where it does not start."""
    sbin = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    found = {program: shutil.which(program, path=sbin) for program in PROGRAMS}
    lacking = [program for program, place in found.items() if place is None]
    if lacking:
        pytest.skip(f"there is no {lacking[0]}; install SLURM and munge")
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    settings = folder / "slurm.conf"
    settings.write_text(SETTINGS.format(host=host, folder=folder, ports=free_ports(2), user=getpass.getuser()))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(settings)}
    files = {f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")}
    commands = [
        [found["munged"], "--foreground", "--force", f"--socket={folder}/munge.socket", *sorted(files)],
        [found["slurmctld"], "-D", "-c"],
        [found["slurmd"], "-D", "-N", host],
    ]
    running = []
    try:
        for command in commands:
            with (folder / "said.txt").open("ab") as said:
                running.append(subprocess.Popen([str(c) for c in command], env=environment, stdout=said, stderr=said))
            time.sleep(0.5)
        if not _comes_up(environment):
            logs = "".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
            pytest.skip(f"SLURM does not start on this machine: {logs}")
        yield settings
    finally:
        subprocess.run(["scancel", "--me"], env=environment, capture_output=True, check=False)
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _comes_up(environment: dict[str, str]) -> bool:
    """Whether the node is idle within half a minute."""
    for _ in range(60):
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        if told.stdout.strip() == "idle":
            return True
        time.sleep(0.5)
    return False


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
