#!/bin/bash
# An experiment on several Slurm nodes: sbatch --nodes=4 examples/cluster/slurm.sh motion --preset full --out runs/full
# The words after the script are a selfcorrect command; --cluster is added. Submit it from a folder on the shared file
# system, in the environment that selfcorrect and Ray are installed in. Submitted again, it goes on where it was.
#SBATCH --job-name=selfcorrect
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --output=%x-%j.log
set -euo pipefail

export RAY_USAGE_STATS_ENABLED=0   # nothing is sent anywhere
export RAY_AUTH_MODE=token         # whoever has no token cannot use the cluster
export RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(python -c 'import secrets; print(secrets.token_hex(32))')}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
read -r head _ < <(getent ahostsv4 "${nodes[0]}")
port=$((20000 + SLURM_JOB_ID % 20000))  # two jobs may share a node
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600  # nodes may be slow to start

# On every node: start Ray, on the first one first, run the command there when all have joined, stop Ray when it ends.
srun --kill-on-bad-exit=1 bash -c '
  head=$1 port=$2; shift 2
  if [ "$SLURM_NODEID" != 0 ]; then
    until (exec 3<>"/dev/tcp/$head/$port") 2>/dev/null; do sleep 1; done
  fi
  exec ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_ON_NODE" -- selfcorrect "$@" --cluster auto
' bash "$head" "$port" "$@"
