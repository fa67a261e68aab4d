"""CodeBuild's operations, by noun. https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Operations.html"""

from tidegate.cloud.services.codebuild.api.batches import BatchesApi
from tidegate.cloud.services.codebuild.api.builds import BuildsApi
from tidegate.cloud.services.codebuild.api.images import ImagesApi
from tidegate.cloud.services.codebuild.api.projects import ProjectsApi
from tidegate.cloud.services.codebuild.api.report_groups import ReportGroupsApi
from tidegate.cloud.services.codebuild.api.reports import ReportsApi

__all__ = ["BatchesApi", "BuildsApi", "ImagesApi", "ProjectsApi", "ReportGroupsApi", "ReportsApi"]
