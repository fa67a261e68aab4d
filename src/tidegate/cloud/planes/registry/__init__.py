"""An OCI registry: blobs on disk, manifests and tags wherever they are recorded, over ASGI.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from tidegate.cloud.planes.registry.app import Registry
from tidegate.cloud.planes.registry.blobs import Blobs
from tidegate.cloud.planes.registry.errors import RegistryError
from tidegate.cloud.planes.registry.manifest import Manifest, read_manifest
from tidegate.cloud.planes.registry.records import Access, Records, Step, StoredManifest
from tidegate.cloud.planes.registry.uploads import Uploads

__all__ = [
    "Access",
    "Blobs",
    "Manifest",
    "Records",
    "Registry",
    "RegistryError",
    "Step",
    "StoredManifest",
    "Uploads",
    "read_manifest",
]
