"""CodePipeline: its operations, the controllers of pipelines and actions, and whose changes wake them."""

from __future__ import annotations

from functools import partial

from tidegate.cloud.mirrors import FOLDER
from tidegate.cloud.planes.git.objects import GitObjects
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.services.codepipeline import api as codepipeline
from tidegate.cloud.services.codepipeline.coverage import COVERAGE
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import CodePipelineModel
from tidegate.cloud.services.codepipeline.reconciler.actions import Actions
from tidegate.cloud.services.codepipeline.reconciler.announcer import Announcer
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.beginnings import Beginnings
from tidegate.cloud.services.codepipeline.reconciler.connections import Connections
from tidegate.cloud.services.codepipeline.reconciler.pipelines import Pipelines
from tidegate.cloud.services.codepipeline.reconciler.providers import providers
from tidegate.cloud.services.codepipeline.reconciler.providers.custom import CustomAction
from tidegate.cloud.services.codepipeline.reconciler.pushes import Pushes
from tidegate.cloud.services.codepipeline.reconciler.run import Sessions
from tidegate.cloud.services.codepipeline.reconciler.sources import Sources
from tidegate.cloud.services.codepipeline.triggers import CONNECTION
from tidegate.cloud.wiring.parts import Parts

_WAITED_FOR = ("codebuild.build", "ecs.service", "cloudformation.stack", "cloudwatch.alarm")  # kinds of records


def add_codepipeline(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CodePipelineModel(parts.store, parts.account)
    lifecycle = ExecutionLifecycle(model, parts.clock)
    parts.dispatcher.register(
        "codepipeline",
        codepipeline.PipelinesApi(model, lifecycle, parts.calls, parts.clock),
        codepipeline.ExecutionsApi(model, lifecycle),
        codepipeline.StagesApi(model, lifecycle, parts.clock),
        codepipeline.StateApi(model),
        codepipeline.ActionTypesApi(model),
        codepipeline.ConditionsApi(model, lifecycle),
        codepipeline.CustomTypesApi(model),
        codepipeline.JobsApi(model, lifecycle, parts.calls, parts.clock),
        codepipeline.TagsApi(model),
        coverage=COVERAGE,
    )
    artifacts = Artifacts(parts.data_dir / "codepipeline")
    archives = GitObjects(GitRepositories(parts.data_dir / "git"))
    mirrors = GitRepositories(parts.data_dir / FOLDER)
    connections = Connections(parts.calls, mirrors, GitObjects(mirrors), f"http://{parts.endpoint}")
    actions = Actions(
        model,
        lifecycle,
        Sessions(parts.calls, parts.clock),
        parts.clock,
        providers(artifacts, archives, connections, parts.calls, parts.clock),
        CustomAction(model, parts.clock),
    )
    pipelines = Pipelines(model, lifecycle, Beginnings(lifecycle, parts.clock))
    sources = Sources(model, lifecycle, parts.calls)
    pushes = Pushes(model, lifecycle, connections)
    announcer = Announcer(model, parts.calls)
    loop = parts.loop
    loop.add("codepipeline.pipeline", pipelines.reconcile, keys=model.busy_pipelines)
    loop.add("codepipeline.action", actions.reconcile, keys=model.all_running_actions)
    loop.add("codepipeline.source", sources.reconcile, keys=model.watching_pipelines)
    loop.add("codepipeline.push", pushes.reconcile, keys=model.connected_pipelines)
    loop.add("codepipeline.change", announcer.reconcile, keys=announcer.keys)
    loop.watch("codepipeline.execution", "codepipeline.pipeline", lambda key: [key[:2]])
    loop.watch("codepipeline.execution", "codepipeline.action", model.running_actions)
    loop.watch("codepipeline.pipeline", "codepipeline.pipeline")
    loop.watch("codepipeline.pipeline", "codepipeline.source", model.if_watching)
    loop.watch("codepipeline.open", "codepipeline.source", model.if_watching)
    loop.watch("codepipeline.pipeline", "codepipeline.push", model.if_connected)
    loop.watch("codepipeline.open", "codepipeline.push", model.if_connected)
    loop.watch("codepipeline.change", "codepipeline.change")
    loop.watch("codecommit.branch", "codepipeline.source", partial(model.pipelines_of_source, "CodeCommit"))
    loop.watch(
        "codeconnections.reference",
        "codepipeline.push",
        lambda key: model.pipelines_of_source(CONNECTION.provider, key[1:2]),
    )
    loop.watch("s3.object", "codepipeline.source", partial(model.pipelines_of_source, "S3"))
    for kind in _WAITED_FOR:
        loop.watch(kind, "codepipeline.action", partial(model.actions_waiting_for, kind))
