"""Pure: a manifest in, CloudFormation out; one file per stack, and one per noun that several need."""

from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template
from tidegate.template.storage import artifacts_template

__all__ = ["artifacts_template", "environment_template", "image_template", "pipeline_template", "service_template"]
