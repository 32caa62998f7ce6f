"""Integrations as protobuf messages, and back."""

from datetime import datetime

from tocsin.detection.v1 import integration_pb2 as pb

from tocsin_detection.integration import InsufficientData, Integration, Mapping, Options, RateLimit
from tocsin_detection.wire import timestamp

INSUFFICIENT_DATA = {
    InsufficientData.NOTHING: pb.INSUFFICIENT_DATA_UNSPECIFIED,
    InsufficientData.FIRES: pb.INSUFFICIENT_DATA_FIRES,
    InsufficientData.RESOLVES: pb.INSUFFICIENT_DATA_RESOLVES,
}
READ_INSUFFICIENT_DATA = {message: word for word, message in INSUFFICIENT_DATA.items()}


def integration_message(integration: Integration) -> pb.Integration:
    """The integration as it is shown: of its secrets, how many there are."""
    shown = configured(integration)
    output_only = pb.Integration(
        created_at=timestamp(integration.created_at),
        last_report_at=timestamp(integration.last_report_at),
        secrets=integration.live_secrets,
    )
    shown.MergeFrom(output_only)
    return shown


def configured(integration: Integration) -> pb.Integration:
    """The part of an integration that is kept in files."""
    options = integration.options
    return pb.Integration(
        name=integration.name,
        kind=integration.kind,
        service=integration.service,
        description=integration.description,
        mapping=_mapping_message(options.mapping) if options.mapping else None,
        allowed_topics=options.allowed_topics,
        accepts_batches=options.accepts_batches,
        insufficient_data=INSUFFICIENT_DATA[options.insufficient_data],
        rate_limit=pb.RateLimit(per_second=options.rate_limit.per_second, burst=options.rate_limit.burst) if options.rate_limit else None,
        requires_signature=options.requires_signature,
    )


def integration_of(message: pb.Integration, created_at: datetime) -> Integration:
    """The wanted integration; what is output only in the message is ignored."""
    options = Options(
        mapping=mapping_of(message.mapping) if message.HasField("mapping") else None,
        allowed_topics=tuple(message.allowed_topics),
        accepts_batches=message.accepts_batches,
        insufficient_data=READ_INSUFFICIENT_DATA.get(message.insufficient_data, InsufficientData.NOTHING),
        rate_limit=RateLimit(message.rate_limit.per_second, message.rate_limit.burst) if message.HasField("rate_limit") else None,
        requires_signature=message.requires_signature,
    )
    return Integration(message.name, message.kind, message.service, message.description, created_at, options=options)


def mapping_of(message: pb.Mapping) -> Mapping | None:
    """How a sender's JSON is read; None if nothing is said about it."""
    mapping = Mapping(
        items=message.items,
        key=message.key,
        title=message.title,
        severity=message.severity,
        state=message.state,
        service=message.service,
        description=message.description,
        url=message.url,
        labels=message.labels,
    )
    return mapping if mapping != Mapping() else None


def _mapping_message(mapping: Mapping) -> pb.Mapping:
    return pb.Mapping(
        items=mapping.items,
        key=mapping.key,
        title=mapping.title,
        severity=mapping.severity,
        state=mapping.state,
        service=mapping.service,
        description=mapping.description,
        url=mapping.url,
        labels=mapping.labels,
    )
