"""What order paths refuse with."""

from torghut_assets.domain.errors import EvidenceError, StageRefusedError


class OrdersBlockedError(StageRefusedError):
    """A guardrail was not kept or could not be judged: nothing is routed."""

    def __init__(self, *, subject: str, reasons: tuple[str, ...]) -> None:
        self.subject = subject
        self.reasons = reasons
        super().__init__(
            f"orders of {subject}: blocked by {'; '.join(reasons)}. Correct the cause and "
            "materialize order_intents again; limits are in order_limits.yaml."
        )


class KeyReusedError(EvidenceError):
    """An idempotency key comes back with another order body."""

    def __init__(self, *, key: str, found: str, expected: str) -> None:
        self.key = key
        self.found = found
        self.expected = expected
        super().__init__(
            f"order key {key}: found {found}, the journal has it as {expected}. One key is one "
            "order for ever; see what changed since the first was claimed. Nothing was sent."
        )


class ImpossibleEventError(EvidenceError):
    """An event that cannot happen to an order in its state."""

    def __init__(self, *, key: str, status: str | None, event: str) -> None:
        self.key = key
        self.status = status
        self.event = event
        super().__init__(
            f"order {key}: found the event {event} in state {status or 'new'}, where it cannot "
            "happen. Reconcile with the broker before anything else is sent."
        )


class ShortSessionError(EvidenceError):
    """A session cannot be traded because an earlier one was left out."""

    def __init__(self, *, subject: str, missing: str) -> None:
        self.subject = subject
        self.missing = missing
        super().__init__(
            f"{subject}: the session {missing} before it has no reconciled fills. Sessions are "
            f"traded in order; make {missing} first."
        )


class UnexplainedOrderError(EvidenceError):
    """What is reported about an order cannot be true of the order that the journal knows."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        self.location = location
        self.found = found
        self.expected = expected
        super().__init__(
            f"{location}: found {found}, expected {expected}. Nothing was written; compare the "
            "broker's own statement with the order journal."
        )
