#!/bin/sh
# A throw-away SLURM cluster of two nodes on this machine, to try jobs, requeues and preemption for real.
#
#   eval "$(scripts/slurm/local_cluster.sh up [DIR])"     starts it, and tells this shell where it is
#   sbatch --wrap 'srun hostname'; squeue
#   scripts/slurm/local_cluster.sh down [DIR]             stops it and removes DIR
#
# DIR is a new folder that it makes; without it a temporary one is made, and `down` finds it by $SLURM_CONF. Needs root and
# the packages slurm-wlm and munge (Debian, Ubuntu); no systemd, and nothing outside DIR is changed. Its nodes n1 and n2
# are this machine twice; their four GPUs each are only counted, not there. Jobs in the partition `urgent` displace
# those in `main`, which are requeued.
set -eu

fail() {
    echo "error: $1" >&2
    exit 2
}

usage() {
    fail "verb in local_cluster.sh: expected up or down, found '${1:-none}'. Try: scripts/slurm/local_cluster.sh up"
}

# free_ports N: prints N ports that nobody listens at
free_ports() {
    python3 -c "
import socket
sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range($1)]
print(*(s.getsockname()[1] for s in sockets))"
}

check_machine() {
    [ "$(id -u)" = 0 ] || fail "user in local_cluster.sh: expected root, which slurmd must be to start jobs, found $(id -un)"
    PATH="$PATH:/usr/sbin:/sbin"
    for program in munged slurmctld slurmd sinfo python3; do
        command -v "$program" >/dev/null || fail \
            "programs in PATH: expected those of SLURM, found no $program. Try: apt-get install slurm-wlm munge"
    done
}

write_config() {
    host=$(hostname -s)
    # shellcheck disable=SC2046
    set -- $(free_ports 3)
    memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
    cat >"$dir/slurm.conf" <<END
ClusterName=zoo
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
SlurmUser=root
SlurmdUser=root
# a requeued job waits until its old credential has expired, two minutes by default
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
ProctrackType=proctrack/linuxproc
MpiDefault=none
ReturnToService=2
# nodes are what is written here, not what the machine has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,sched_min_interval=200000,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
GresTypes=gpu
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$2 CPUs=4 RealMemory=$memory Gres=gpu:4
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$3 CPUs=4 RealMemory=$memory Gres=gpu:4
PartitionName=main Nodes=n1,n2 Default=YES State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 State=UP PriorityTier=10 PreemptMode=OFF
END
    # 22.05 uses none where none is asked for; later versions want to be told
    case $(slurmd -V) in *' 23.11'* | *' '2[4-9].*) echo "CgroupPlugin=disabled" >"$dir/cgroup.conf" ;; esac
    echo "Name=gpu File=/dev/null,/dev/zero,/dev/full,/dev/random" >"$dir/gres.conf"
}

start() {
    mkdir -p "$dir/state"
    chmod 755 "$dir"
    (umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
    write_config
    export SLURM_CONF="$dir/slurm.conf"
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" >>"$dir/munged.log" 2>&1
    slurmctld >>"$dir/slurmctld.log" 2>&1
    for node in n1 n2; do
        mkdir -p "$dir/spool.$node"
        slurmd -N "$node" >>"$dir/slurmd.$node.log" 2>&1
    done
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --partition=main --states=idle --format=%D 2>/dev/null)" = 2 ] && return
        sleep 0.5
    done
    tail -n 5 "$dir"/*.log >&2
    stop
    fail "nodes in $dir/slurm.conf: expected two that are idle within 30 s, found others (logs above)"
}

# stop_daemon FILE: ends the process whose number is in FILE, and waits until it is gone
stop_daemon() {
    [ -f "$1" ] || return 0
    pid=$(cat "$1")
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

stop() {
    export SLURM_CONF="$dir/slurm.conf"
    if [ -f "$dir/slurmctld.pid" ] && timeout 10 squeue --noheader --format=%A >"$dir/jobs" 2>/dev/null && [ -s "$dir/jobs" ]; then
        # shellcheck disable=SC2046
        timeout 10 scancel $(cat "$dir/jobs") 2>/dev/null || true
        for _ in $(seq 60); do # their processes end before their slurmd does
            [ -z "$(timeout 10 squeue --noheader 2>/dev/null)" ] && break
            sleep 0.5
        done
    fi
    for daemon in slurmd.n1 slurmd.n2 slurmctld munged; do
        stop_daemon "$dir/$daemon.pid"
    done
    rm -rf "$dir"
}

up() {
    check_machine
    dir=${1:-$(mktemp -d /tmp/zoo-slurm.XXXXXX)}
    case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
    if [ -f "$dir/slurm.conf" ]; then
        [ "$(SLURM_CONF="$dir/slurm.conf" timeout 10 sinfo --noheader --partition=main --format=%D 2>/dev/null)" ] ||
            fail "cluster in $dir: expected one that answers, found none. Try: scripts/slurm/local_cluster.sh down $dir"
    else
        mkdir -p "$dir"
        [ -z "$(ls -A "$dir")" ] || fail "folder in DIR: expected a new or empty one, found files in $dir"
        start
    fi
    echo "export SLURM_CONF=$dir/slurm.conf MASTER_ADDR=127.0.0.1" # the names n1 and n2 lead nowhere
}

down() {
    PATH="$PATH:/usr/sbin:/sbin"
    conf=${SLURM_CONF:-}
    dir=${1:-${conf%/slurm.conf}}
    [ "$dir" ] || fail "folder in DIR: expected the cluster's, found none (nor \$SLURM_CONF). Try: local_cluster.sh down DIR"
    case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
    [ -d "$dir" ] || return 0 # it is down already
    grep -qs '^ClusterName=zoo$' "$dir/slurm.conf" || fail "folder in DIR: expected one that 'up' made, found $dir"
    stop
}

verb=${1:-}
[ $# -le 2 ] || usage "$*"
[ $# = 0 ] || shift
case $verb in
up) up "$@" ;;
down) down "$@" ;;
*) usage "$verb" ;;
esac
