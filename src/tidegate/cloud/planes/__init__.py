"""The real things: containers, proxy, registry, git, shell. No AWS knowledge."""
