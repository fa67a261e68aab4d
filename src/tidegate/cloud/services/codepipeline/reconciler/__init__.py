"""Makes pipelines run."""
