"""Linearized multi-sampling: the samples, the plane fit, and the auxiliary grid."""
