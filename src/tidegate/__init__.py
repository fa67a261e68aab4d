"""Tidegate: every push on a chosen branch, live on AWS Fargate; rehearsed on the laptop first."""

__version__ = "0.1.0"
