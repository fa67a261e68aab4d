"""CodeCommit's operations, by noun. https://docs.aws.amazon.com/codecommit/latest/APIReference/API_Operations.html"""

from tidegate.cloud.services.codecommit.api.branches import BranchesApi
from tidegate.cloud.services.codecommit.api.commits import CommitsApi
from tidegate.cloud.services.codecommit.api.edits import EditsApi
from tidegate.cloud.services.codecommit.api.files import FilesApi
from tidegate.cloud.services.codecommit.api.repositories import RepositoriesApi

__all__ = ["BranchesApi", "CommitsApi", "EditsApi", "FilesApi", "RepositoriesApi"]
