"""tidegate.yml, read into frozen models; every error starts with the path of the key."""

from tidegate.manifest.environment import Environment
from tidegate.manifest.errors import ManifestError
from tidegate.manifest.load import load, parse
from tidegate.manifest.model import FILE_NAME, Manifest
from tidegate.manifest.pipeline import Stage
from tidegate.manifest.service import Service

__all__ = ["FILE_NAME", "Environment", "Manifest", "ManifestError", "Service", "Stage", "load", "parse"]
