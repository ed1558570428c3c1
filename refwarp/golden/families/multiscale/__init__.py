"""Golden cases of the family `multiscale`, and their truth."""
