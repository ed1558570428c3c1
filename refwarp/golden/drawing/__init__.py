"""What families share to make up their cases: random numbers, calls, and what holds everywhere."""
