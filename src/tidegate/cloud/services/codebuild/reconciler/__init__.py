"""Runs the builds: as many at once as the account may have, each to its end, whatever happens to the daemon."""

from tidegate.cloud.services.codebuild.reconciler.batch_source import BatchSource
from tidegate.cloud.services.codebuild.reconciler.batches import Batches
from tidegate.cloud.services.codebuild.reconciler.builds import Builds
from tidegate.cloud.services.codebuild.reconciler.combine import Combination
from tidegate.cloud.services.codebuild.reconciler.host import BuildHost

__all__ = ["BatchSource", "Batches", "BuildHost", "Builds", "Combination"]
