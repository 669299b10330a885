"""Bias checks: does a strategy see the future, and how much of its result hangs on luck or on free trading?"""
