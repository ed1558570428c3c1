"""Thin plate splines, and the magnitudes M of their budgets."""
