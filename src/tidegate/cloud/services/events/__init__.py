"""EventBridge: rules on the default bus that start pipelines and builds."""
