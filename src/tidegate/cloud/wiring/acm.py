"""Certificate Manager: its operations, the authority of this machine, and issuing."""

from __future__ import annotations

from tidegate.cloud.planes.certificates import Certificates
from tidegate.cloud.services.acm.api import CertificatesApi
from tidegate.cloud.services.acm.model import AcmModel
from tidegate.cloud.services.acm.reconciler import CertificatesReconciler
from tidegate.cloud.wiring.parts import Parts


def add_acm(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model, certificates = AcmModel(parts.store), Certificates(parts.data_dir)
    parts.dispatcher.register("acm", CertificatesApi(model, parts.calls, parts.clock, certificates))
    reconciler = CertificatesReconciler(model, parts.calls, parts.clock, certificates)
    parts.resets.append(certificates.remove_all)

    def keys() -> list[tuple[str, ...]]:
        return [key for key, _ in model.certificates.items()]

    parts.loop.add("acm.certificates", reconciler.reconcile, keys=keys)
    parts.loop.watch(model.certificates.kind, "acm.certificates")
    for kind in ("route53.zone", "route53.record"):
        parts.loop.watch(
            kind,
            "acm.certificates",
            lambda key: [
                each
                for each, record in model.certificates.items()
                if record["certificate"]["Status"] == "PENDING_VALIDATION"
            ],
        )
