"""Processes that train one run and were started together from outside: by torchrun, or as the tasks of a step of SLURM.

SLURM counts those of the step (`srun`) and those of the whole job in variables of their own. Only the step's say that
this process has others beside it: a script of a job with eight tasks is one process.
"""

from __future__ import annotations

import os
import signal

from gmssl.errors import TrainingError

WARNINGS = (signal.SIGUSR2,) if hasattr(signal, "SIGUSR2") else ()
"""What SLURM is asked to send when the time is nearly up, as by `sbatch --signal=USR2@300`; Windows has no such signal.
It may reach every process of a task."""


def rank() -> int:
    """Number of this process among those of a run; 0 for the one that the user started."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)


def tasks_of_step() -> int:
    """Processes that `srun` started together with this one; 1 where it did not, or where torchrun did."""
    if "WORLD_SIZE" in os.environ:
        return 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1)


def started_together() -> int:
    """Processes that were started from outside to train one run; 1 where this one is alone."""
    return int(os.environ.get("WORLD_SIZE") or tasks_of_step())


def refuse_other_number(devices: int, nodes: int) -> None:
    """Before a run begins whose recipe says how many processes train it, and on how many machines.

    Raises:
        TrainingError: torchrun or SLURM started another number, or SLURM placed them otherwise, or nobody starts those
            of the other machines.
    """
    found = started_together()
    if found == 1 and nodes > 1 and "MASTER_ADDR" not in os.environ:
        raise TrainingError(
            f"train.nodes is {nodes}, and this process was started alone; start {devices} on {nodes} machines, as by "
            f"`srun --nodes={nodes} --ntasks-per-node={devices // nodes} gmssl train …`, or set train.nodes=1."
        )
    if found not in (1, devices):
        raise TrainingError(
            f"{found} processes were started from outside (torchrun, SLURM), and train.devices is {devices}. Set "
            f"train.devices={found}, and train.nodes to the number of machines, or start {devices}."
        )
    if tasks_of_step() > 1:
        each = devices // nodes
        placed = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")
        if placed not in ("", f"{each}(x{nodes})" if nodes > 1 else str(each)):
            raise TrainingError(
                f"SLURM placed the processes as {placed} on its machines, and the recipe asks for {each} on each of "
                f"{nodes} (train.devices={devices}, train.nodes={nodes}). Start them with `srun --nodes={nodes} "
                f"--ntasks-per-node={each}`."
            )
