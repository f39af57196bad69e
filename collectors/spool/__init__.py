"""Rows on their way to landing: journals that outlive a kill, and what turns them into landing files."""
