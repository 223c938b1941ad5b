"""Brokers, and the one place where orders are sent. Only order paths may import this package."""
