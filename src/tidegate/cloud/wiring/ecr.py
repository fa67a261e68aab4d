"""ECR: its operations, and the registry that docker talks to."""

from __future__ import annotations

from tidegate.cloud.planes.registry import Blobs, Registry, Uploads
from tidegate.cloud.services.ecr.api import (
    BackfillsApi,
    ImagesApi,
    LayersApi,
    PoliciesApi,
    RegistryApi,
    ReplicationApi,
    RepositoriesApi,
    SettingsApi,
    TemplatesApi,
)
from tidegate.cloud.services.ecr.backfiller import BackfillController
from tidegate.cloud.services.ecr.coverage import COVERAGE
from tidegate.cloud.services.ecr.creation import Creation
from tidegate.cloud.services.ecr.images import Images
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.reconciler import (
    REGISTRY,
    EventController,
    GarbageController,
    LifecycleController,
    PreviewController,
)
from tidegate.cloud.services.ecr.registry import LayerContent, RegistryAccess, RegistryRecords
from tidegate.cloud.services.ecr.replicator import ReplicationController
from tidegate.cloud.services.ecr.tokens import Tokens
from tidegate.cloud.services.iam.policy import is_resource_policy
from tidegate.cloud.wiring.parts import Parts


def add_ecr(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = EcrModel(parts.store, parts.account, parts.region, parts.endpoint)
    blobs = Blobs(parts.data_dir / "registry" / "blobs")
    uploads = Uploads(parts.data_dir / "registry" / "uploads", blobs, parts.clock.new_id)
    images, tokens, content = Images(model, parts.clock), Tokens(model, parts.clock), LayerContent(uploads)
    creation = Creation(model, parts.calls, parts.clock)
    parts.resource_policies["ecr"] = model.policy_of
    parts.dispatcher.register(
        "ecr",
        RepositoriesApi(model, parts.calls, parts.clock),
        PoliciesApi(model, parts.calls, is_resource_policy),
        ImagesApi(model, images, content.read),
        LayersApi(model, content, tokens),
        RegistryApi(model, tokens),
        SettingsApi(model, parts.clock, is_resource_policy),
        ReplicationApi(model, images),
        BackfillsApi(model, parts.clock),
        TemplatesApi(model, parts.calls, parts.clock, is_resource_policy),
        coverage=COVERAGE,
    )
    parts.routes["/v2/"] = Registry(
        RegistryRecords(model, images),
        RegistryAccess(model, tokens, parts.calls, parts.clock, creation),
        blobs,
        uploads,
        challenge=f'Basic realm="http://{parts.endpoint}/",service="ecr.amazonaws.com"',
        allowed_host=parts.allows,
    )
    lifecycle, previews = LifecycleController(model, images, parts.clock), PreviewController(model, parts.clock)
    parts.loop.add(
        "ecr.lifecycle", lifecycle.reconcile, keys=lambda: [key for key, _ in model.lifecycle_policies.items()]
    )
    parts.loop.add("ecr.preview", previews.reconcile, keys=lambda: [key for key, _ in model.previews.items()])
    parts.loop.add(
        "ecr.event",
        EventController(model, parts.calls).reconcile,
        keys=lambda: [key for key, _ in model.events.items()],
    )
    replication = ReplicationController(model, images, creation, content.read)
    parts.loop.add(
        "ecr.replication", replication.reconcile, keys=lambda: [key for key, _ in model.replications.items()]
    )
    parts.loop.watch(model.replications.kind, "ecr.replication")
    backfills = BackfillController(model, parts.clock)
    parts.loop.add("ecr.backfill", backfills.reconcile, keys=lambda: [key for key, _ in model.backfills.items()])
    parts.loop.watch(model.backfills.kind, "ecr.backfill")
    garbage = GarbageController(model, tokens, blobs, uploads, parts.clock)
    parts.loop.add("ecr.garbage", garbage.reconcile, keys=lambda: [REGISTRY])
    parts.loop.watch(model.lifecycle_policies.kind, "ecr.lifecycle")
    parts.loop.watch(model.images.kind, "ecr.lifecycle", keys=lambda key: [key[:2]])
    parts.loop.watch(model.previews.kind, "ecr.preview")
    parts.loop.watch(model.events.kind, "ecr.event")
    parts.resets.extend([blobs.clear, uploads.clear])
