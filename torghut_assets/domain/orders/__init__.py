"""Orders: intents, guardrails, idempotency, life of an order, fills and reconciliation."""
