#!/bin/sh
# Installs what a throw-away cluster needs (local_cluster.sh): slurm-wlm and munge, on Debian or Ubuntu, as root.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v srun >/dev/null && command -v munged >/dev/null; then
    exit 0
fi
fail() {
    echo "error: $1" >&2
    exit 2
}
command -v apt-get >/dev/null || fail \
    "packages in this system: expected slurm-wlm and munge, found no apt-get to install them. Try: install SLURM 22.05 or later"
[ "$(id -u)" = 0 ] || fail \
    "user in install.sh: expected root, who may install slurm-wlm and munge, found $(id -un). Try: sudo $0"
export DEBIAN_FRONTEND=noninteractive
limits='-o Acquire::Retries=1 -o Acquire::http::Timeout=20'
# shellcheck disable=SC2086
if ! { apt-get $limits update -qq && apt-get $limits install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null; then
    fail "packages in apt-get: expected slurm-wlm and munge, found that they cannot be installed (above)"
fi
