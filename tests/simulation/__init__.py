"""Deterministic simulation: the whole engine with genuine ccxt in virtual time, against an exchange full of faults."""
