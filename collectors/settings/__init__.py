"""What the configuration file, the environment and the flags say, and which of them wins."""
