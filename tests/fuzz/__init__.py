"""Hostile requests to the one port, by the ten thousand."""
