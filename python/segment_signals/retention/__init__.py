"""Customers: what revenue they keep, how long they stay, what they cost, and who may leave."""
