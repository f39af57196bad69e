"""Landing files: what a row and a file must be, how a file is written, kept and read."""
