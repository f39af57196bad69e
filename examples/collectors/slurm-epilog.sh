#!/bin/sh
# Slurm Epilog= (slurm.conf): a job ends on this node. Its final state comes with the import of sacct; here it only ends.
PATH=/usr/bin:/bin:$PATH
export WATTLEDGER_LANDING=/var/lib/wattledger/landing
/opt/wattledger/bin/wattledger-collect event ended --state-dir /var/lib/wattledger 2>&1 | logger -t wattledger
exit 0
