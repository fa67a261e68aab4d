"""One package an AWS service, each with the same rooms: api, model, reconciler."""
