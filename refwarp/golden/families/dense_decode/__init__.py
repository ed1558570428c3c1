"""Golden cases of the family `dense_decode`, and their truth."""
