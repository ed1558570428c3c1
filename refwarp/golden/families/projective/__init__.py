"""Golden cases of the family `projective`, and their truth."""
