#!/bin/sh
# A SLURM of two nodes on one machine, for tests: slurm.sh start|stop FOLDER, as root on Debian.
# All of it lies in FOLDER but slurm.conf, which srun within a job looks for in /etc/slurm alone.
set -eu
folder=$(realpath -m "$2")
conf=/etc/slurm/slurm.conf
mark='# For the test that is process'
host=$(hostname -s)
# A job of daemons that had no stdin would not start.
exec </dev/null

refuse() {
    tail -n 15 "$folder"/*.log "$folder"/munge/log >&2 2>/dev/null || true
    echo "error: $1" >&2
    exit 1
}

start() {
    if [ -e $conf ]; then
        test=$(sed -n "s/^$mark //p" $conf)
        if [ -z "$test" ] || kill -0 "$test" 2>/dev/null; then
            refuse "$conf: expected none, found one; a SLURM is in use on this machine."
        fi
        # That test was killed.
        (folder=$(sed -n 's/^StateSaveLocation=\(.*\)\/state$/\1/p' $conf) && stop)
    fi
    mkdir -p "$folder/munge" "$folder/state" "$folder/n1" "$folder/n2" /etc/slurm
    chmod 755 "$folder" "$folder/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    # Names need no DNS: all that is asked for is an address. No cgroups, and the machine's cores and
    # memory count as more than they are: what a job asks for is tested, not that it gets it.
    cat >$conf <<CONF
$mark $PPID
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17000
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
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" \
        --log-file="$folder/munge/log" || refuse "munged did not start."
    slurmctld -c || refuse "slurmctld did not start."
    for node in n1 n2; do slurmd -N $node || refuse "slurmd did not start."; done
    idle='[ "$(sinfo --noheader --states=idle --format=%D)" = 2 ]'
    timeout 30 sh -c "until $idle; do sleep 0.5; done" || refuse "expected two idle nodes."
    timeout 30 srun --input=none --nodes=2 --ntasks=2 --mem=100 true ||
        refuse "expected a job to run on both nodes."
}

stop() {
    # Another SLURM's is not ours to stop.
    grep -qsx "StateSaveLocation=$folder/state" $conf || return 0
    timeout 10 scancel --user=root || true
    for pid in slurmd-n1.pid slurmd-n2.pid slurmctld.pid munge/pid; do
        [ -s "$folder/$pid" ] || continue
        number=$(cat "$folder/$pid")
        kill "$number" || true
        for _ in $(seq 100); do
            kill -0 "$number" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -KILL "$number" || true
    done
    rm -f $conf
}

"$1"
