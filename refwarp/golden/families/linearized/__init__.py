"""Golden cases of the family `linearized`, and their truth."""
