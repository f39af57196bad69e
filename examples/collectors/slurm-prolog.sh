#!/bin/sh
# Slurm Prolog= (slurm.conf): a job begins on this node. The agent samples the node; this tells whose energy it is.
# Never fails a job: what goes wrong is in the log of the node.
# Slurm sets no search path here. GPUs are held whole by the job that was given them, everything else by its share of the CPUs;
# a job on nodes of its own holds all of them.
PATH=/usr/bin:/bin:$PATH
export WATTLEDGER_LANDING=/var/lib/wattledger/landing
share=$(awk "BEGIN { n = ${SLURM_CPUS_ON_NODE:-0}; all = $(nproc --all); if (n > 0 && n < all) print n / all }")
/opt/wattledger/bin/wattledger-collect event started --state-dir /var/lib/wattledger \
    ${share:+--share "$share" --gpus "${SLURM_JOB_GPUS:-}"} 2>&1 | logger -t wattledger
exit 0
