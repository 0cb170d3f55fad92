#!/usr/bin/env bash
# A real Slurm of two nodes on this machine, from Debian's packages, which are unpacked, not installed: tiny_slurm.sh FOLDER
# Then `. FOLDER/env.sh` gives sbatch and squeue, and `kill $(cat FOLDER/run/*.pid)` stops it.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root
host=$(hostname)
mkdir -p "$folder"/{debs,root,etc,run,log,state,spool/n1,spool/n2}
chmod 700 "$folder"/{etc,run,log,state}
cd "$folder/debs"
apt-get -q download slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libmunge2 libhwloc15
for package in *.deb; do dpkg -x "$package" "$root"; done
libraries=$(dirname "$(find "$root" -name 'slurm-wlm' -type d -path '*/lib/*' | head -1)")
cat > "$folder/env.sh" <<END
export LD_LIBRARY_PATH=$libraries:$libraries/slurm-wlm
export SLURM_CONF=$folder/etc/slurm.conf PATH=$root/usr/bin:$root/usr/sbin:\$PATH
END
. "$folder/env.sh"
head -c 1024 /dev/urandom > "$folder/etc/munge.key"
chmod 400 "$folder/etc/munge.key"
cat > "$folder/etc/slurm.conf" <<END
ClusterName=tiny
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${2:-26817}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.sock
CredType=cred/munge
PluginDir=$libraries/slurm-wlm
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=5
SchedulerParameters=bf_interval=5,sched_interval=5
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((${2:-26817} + 4)) CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((${2:-26817} + 5)) CPUs=1 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
munged --key-file="$folder/etc/munge.key" --socket="$folder/run/munge.sock" --pid-file="$folder/run/munged.pid" \
    --log-file="$folder/log/munged.log" --seed-file="$folder/state/munged.seed" --force
nohup slurmctld-wlm -D > "$folder/log/slurmctld.log" 2>&1 &
sleep 2
for node in n1 n2; do
    nohup slurmd-wlm -N $node -d "$root/usr/sbin/slurmstepd-wlm" -D > "$folder/log/$node.log" 2>&1 &
done
for _ in $(seq 60); do
    sleep 1
    [ "$(sinfo --noheader --format=%T)" = idle ] && exit
done
sinfo >&2
exit 1
