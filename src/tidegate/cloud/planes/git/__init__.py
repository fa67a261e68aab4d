"""Bare repositories, read and written through the `git` binary. Knows nothing of AWS."""
