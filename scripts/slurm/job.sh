# What the sbatch files share: is the job what it should be, the run in it, its way back into the queue. To be sourced.
#
#   check_job WORD…     says what is wrong and ends the script
#   fit DIR WORD…       srun python cli.py fit --run_dir DIR WORD…, on all tasks of the job
#
# Told by SLURM that its time is nearly up (USR1), a run saves at the end of the step it is in and leaves with 143; the
# job is then put back into the queue from here. One that was cancelled is not; one that was preempted, SLURM puts back.

PYTHON=${PYTHON:-.venv/bin/python}

fail() {
    echo "error: $1" >&2
    exit 2
}

check_job() {
    [ "${SLURM_JOB_ID:-}" ] || fail "job in SLURM_JOB_ID: expected one, found none. Try: sbatch $0 $*"
    [ -f cli.py ] || fail "folder of the job: expected the repository, found $PWD. Try: cd there, then sbatch"
    [ $# -gt 0 ] || fail \
        "words behind the file: expected those of 'cli.py fit', found none. Try: -c configs/recipes/mnist_lenet.yaml"
    command -v "$PYTHON" >/dev/null || fail \
        "program in PYTHON: expected python, found none at $PYTHON. Try: make install, or PYTHON=… sbatch …"
    command -v srun >/dev/null || fail \
        "programs in PATH: expected srun, which starts the tasks, found none. Try: module load slurm"
    tasks=${SLURM_NTASKS_PER_NODE:-}
    [ "$tasks" ] || fail "tasks in --ntasks-per-node: expected a number, found none. Try: --ntasks-per-node=1"
    [ -z "${SLURM_GPUS_PER_TASK:-}" ] || fail \
        "GPUs in --gpus-per-task: expected none, as each task must see all of its node, found $SLURM_GPUS_PER_TASK. Try: --gpus-per-node=$tasks"
    gpus=${SLURM_GPUS_ON_NODE:-$tasks}
    [ "$gpus" = "$tasks" ] || fail \
        "tasks in --ntasks-per-node: expected one for each of the $gpus GPUs of a node, found $tasks. Try: --ntasks-per-node=$gpus"
}

requeue() {
    [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ] || return 0
    echo "back into the queue: job $SLURM_JOB_ID" >&2
    scontrol requeue "$SLURM_JOB_ID" || echo "warning: not requeued; the run goes on with --run_dir $run_dir" >&2
}

fit() {
    run_dir=$1
    shift
    cpus=${SLURM_CPUS_PER_TASK:-1} # srun does not take them over from the job
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$cpus}"
    [ -z "${SLURM_GPUS_ON_NODE:-}" ] || set -- --trainer.accelerator gpu "$@"
    set -- --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.num_nodes "$SLURM_NNODES" "$@"
    code=0
    # one process that ends badly ends the others, which would wait for it
    srun --kill-on-bad-exit=1 --cpus-per-task="$cpus" \
        "$PYTHON" cli.py fit --resume auto --run_dir "$run_dir" "$@" || code=$?
    case $code in
    143 | 138) requeue ;; # 138: USR1 came before the run could listen to it
    esac
    exit $code
}
