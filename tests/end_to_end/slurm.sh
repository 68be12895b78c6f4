#!/bin/sh
# A SLURM of two nodes on one machine, for tests: slurm.sh start|stop FOLDER, as root on Debian.
# All of it lies in FOLDER but slurm.conf, which srun within a job looks for in /etc/slurm alone.
set -eu
folder=$(realpath -m "$2")
conf=/etc/slurm/slurm.conf
host=$(hostname -s)

start() {
    if [ -e $conf ]; then
        echo "error: $conf: expected none, found one; this machine has a SLURM already." >&2
        exit 1
    fi
    mkdir -p "$folder/munge" "$folder/state" "$folder/n1" "$folder/n2" /etc/slurm
    chmod 755 "$folder" "$folder/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" \
        --log-file="$folder/munge/log"
    # The machine's memory and cores count twice: what a job asks for is tested, not that it gets it.
    cat >$conf <<CONF
ClusterName=test
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=2
MinJobAge=3600
MpiDefault=none
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=2 RealMemory=16000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=2 RealMemory=16000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
    slurmctld -c
    slurmd -N n1
    slurmd -N n2
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ] && return
        sleep 0.5
    done
    echo "error: expected two idle nodes within 30 s; the logs are in $folder." >&2
    exit 1
}

stop() {
    for pid in slurmd-n1.pid slurmd-n2.pid slurmctld.pid munge/pid; do
        [ -s "$folder/$pid" ] || continue
        number=$(cat "$folder/$pid")
        kill "$number" || true
        while kill -0 "$number" 2>/dev/null; do sleep 0.1; done
    done
    rm -f $conf
}

"$1"
