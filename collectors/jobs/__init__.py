"""Jobs: who they are, what starts, follows and ends them, and the share of the CPU that is theirs."""
