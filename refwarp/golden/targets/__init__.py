"""What can be verified."""
