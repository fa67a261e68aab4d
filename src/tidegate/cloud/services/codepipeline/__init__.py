"""CodePipeline: a change goes through stages of actions, as the pipeline's role."""
