"""CloudFormation: its operations, the controllers of stacks, resources and change sets, and whose changes wake them."""

from __future__ import annotations

from tidegate.cloud.services.cloudformation import api as cloudformation
from tidegate.cloud.services.cloudformation.api.shared import Sources
from tidegate.cloud.services.cloudformation.lifecycle import StackLifecycle
from tidegate.cloud.services.cloudformation.model import CloudFormationModel
from tidegate.cloud.services.cloudformation.reconciler.callers import Callers
from tidegate.cloud.services.cloudformation.reconciler.change_sets import ChangeSets
from tidegate.cloud.services.cloudformation.reconciler.resources import Resources
from tidegate.cloud.services.cloudformation.reconciler.stacks import Stacks
from tidegate.cloud.services.cloudformation.resources import HANDLERS
from tidegate.cloud.services.cloudformation.scopes import StackScopes
from tidegate.cloud.wiring.parts import Parts


def add_cloudformation(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CloudFormationModel(parts.store, parts.account, parts.clock)
    scopes = StackScopes(model)
    lifecycle = StackLifecycle(model, parts.clock)
    sources = Sources(model, scopes, parts.calls, frozenset(HANDLERS))
    change_sets_api = cloudformation.ChangeSetsApi(model, lifecycle, sources, parts.clock)
    parts.dispatcher.register(
        "cloudformation",
        cloudformation.StacksApi(model, lifecycle, sources, parts.calls, parts.clock),
        change_sets_api,
        cloudformation.ResourcesApi(model),
        cloudformation.TemplatesApi(model, sources, change_sets_api),
        cloudformation.ExportsApi(model),
    )
    callers = Callers(parts.calls, parts.clock)
    stacks = Stacks(model, scopes, parts.clock)
    resources = Resources(model, callers, parts.clock, HANDLERS)
    change_sets = ChangeSets(model, scopes)
    loop = parts.loop
    loop.add("cloudformation.stack", stacks.reconcile, keys=model.busy_stacks)
    loop.add("cloudformation.resource", resources.reconcile, keys=model.busy_resources)
    loop.add("cloudformation.change_set", change_sets.reconcile, keys=model.pending_change_sets)
    loop.watch("cloudformation.stack", "cloudformation.stack")
    loop.watch("cloudformation.resource", "cloudformation.stack", lambda key: [key[:3]])
    loop.watch("cloudformation.resource", "cloudformation.resource")
    loop.watch("cloudformation.change_set", "cloudformation.change_set")
